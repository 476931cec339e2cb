package schema

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds bound what one record may ask of whoever decodes it, and of whoever reads
// what was stored: beside its size, which bounds the time that is spent on it, what
// it may become in memory. What is beyond one of them is a reject, and nothing
// worse. Start from [DefaultBounds].
type Bounds struct {
	// Fields is how many fields an event may have, in objects and maps inside it
	// too; of protobuf, how many it may send, also those of one number. Smaller: less
	// memory for an event of names that nobody knows. Larger: a message may have a
	// longer list in a field the schema does not know. The default value is 4,096,
	// some ten times what devices with many sensors send.
	Fields int `koanf:"fields"`
	// TextBytes is how long a text, name or number of an event may be, as it is
	// written. Smaller: a log or a picture that strays into telemetry shows as
	// rejects. Larger: a value of any length up to max_record_bytes is one ClickHouse
	// reads whole, for every query of the column. The default value is 256 KiB.
	TextBytes int `koanf:"text_bytes"`
	// ExtraBytes is how much extra may hold of one event. JSON takes there what it
	// takes in the record; of the binary encodings a few bytes may become many, since
	// names come from the writer's schema. The default value is 1 MiB, as much as a
	// record has.
	ExtraBytes int `koanf:"extra_bytes"`
	// Nesting is how deep a value that is kept in extra may be nested. The default
	// value is 64, and at most that: the JSON readers of ClickHouse, DuckDB and Trino
	// all bear this much.
	Nesting int `koanf:"nesting"`
	// Events is how many events a record may hold. Each may become a dead letter of
	// its own, with the record's key and headers. The default value is 65,536, and at
	// most that: as many as _index tells apart.
	Events int `koanf:"events"`
}

// DefaultBounds returns the defaults.
func DefaultBounds() Bounds {
	return Bounds{Fields: 4096, TextBytes: 256 << 10, ExtraBytes: 1 << 20, Nesting: maxNesting, Events: maxEvents}
}

// Faults reports what is wrong with the bounds, which are expected in the section
// bounds.
func (b Bounds) Faults() (errs []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(b.Fields >= 1, "bounds.fields is %d; want at least 1, and rather 4096", b.Fields)
	check(b.TextBytes >= 1, "bounds.text_bytes is %d; want at least 1, and rather 262144", b.TextBytes)
	check(b.ExtraBytes >= 2, "bounds.extra_bytes is %d; want at least 2, an empty object, and rather 1048576", b.ExtraBytes)
	check(b.Nesting >= 1 && b.Nesting <= maxNesting, "bounds.nesting is %d; want 1 to %d, which every reader of extra bears", b.Nesting, maxNesting)
	check(b.Events >= 1 && b.Events <= maxEvents, "bounds.events is %d; want 1 to %d", b.Events, maxEvents)
	return errs
}

// limits are the bounds as readers have them.
type limits struct {
	Bounds
	// harmless is a size of an event, in bytes, up to which it is within Fields and
	// TextBytes whatever it says: a field takes two bytes at least. So that nothing
	// has to be counted of nearly any.
	harmless int
}

func limitsOf(b Bounds) *limits { return &limits{b, min(2*b.Fields, b.TextBytes)} }

func (b Bounds) tooManyFields() *Rejection {
	return reject(ReasonFields, "the event has more than %d fields, with those inside of others", b.Fields)
}

func (b Bounds) tooDeep() *Rejection {
	return reject(ReasonNesting, "the record is nested deeper than %d levels", b.Nesting)
}

func (b Bounds) tooLong(at, size int) *Rejection {
	return reject(ReasonTooLong, "what begins at byte %d is %d bytes long; a text, name or number has at most %d", at, size, b.TextBytes)
}

func (b Bounds) tooMuchExtra() *Rejection {
	return reject(ReasonTooLarge, "what the schema has no column for takes more than %d bytes in extra", b.ExtraBytes)
}

// json says whether the event is within Fields, TextBytes and Nesting. It is no
// parser, and says nothing of an event that is malformed before it is too much.
func (b Bounds) json(value []byte) *Rejection {
	fields, levels := 0, 0
	begin := 0 // of what is neither text nor punctuation
	for p := 0; p < len(value); p++ {
		switch c := value[p]; c {
		case '"':
			size := endOfString(value[p:])
			if size < 0 {
				size = len(value) - p
			}
			if size-2 > b.TextBytes {
				return b.tooLong(p, size-2)
			}
			p += size - 1
			begin = p + 1
		case ':':
			if fields++; fields > b.Fields {
				return b.tooManyFields()
			}
			begin = p + 1
		case '{', '[':
			if levels++; levels > b.Nesting+1 { // the event itself is one
				return b.tooDeep()
			}
			begin = p + 1
		case '}', ']':
			levels--
			begin = p + 1
		case ',', ' ', '\t', '\r', '\n':
			begin = p + 1
		default:
			if p-begin >= b.TextBytes {
				return b.tooLong(begin, p-begin+1)
			}
		}
	}
	return nil
}

// protobuf is json for a message. What is inside of its fields is theirs: extra
// keeps it as text or base64.
func (b Bounds) protobuf(value []byte) *Rejection {
	fields := 0
	for at := 0; at < len(value); fields++ {
		number, wire, n := protowire.ConsumeTag(value[at:])
		if n < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(number, wire, value[at+n:])
		switch {
		case size < 0:
			return nil
		case fields == b.Fields:
			return b.tooManyFields()
		case size > b.TextBytes && (wire == protowire.StartGroupType || wire == protowire.BytesType && len(bytesOf(value[at+n:])) > b.TextBytes):
			return b.tooLong(at+n, size)
		}
		at += n + size
	}
	return nil
}

func bytesOf(field []byte) []byte {
	raw, _ := protowire.ConsumeBytes(field)
	return raw
}
