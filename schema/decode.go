package schema

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Record is a Kafka record that is one event, or one of the events of a record, as
// a decoder needs it.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Index     uint16 // of the event among the record's
	Time      int64  // Kafka's timestamp, milliseconds since 1970 UTC
	Value     []byte
}

// Encoding is how the value of a record is written.
type Encoding string

// The encodings a decoder reads.
const (
	JSON     Encoding = "json"
	Protobuf Encoding = "protobuf" // a message as [Schema.Proto] declares it
	Avro     Encoding = "avro"     // a record as its writer's schema declares it
)

// Encodings returns every encoding.
func Encodings() []Encoding { return []Encoding{JSON, Protobuf, Avro} }

// DefaultMaxRecordBytes is the largest record decoded. An event is some
// 500 bytes; Kafka's own default for a batch is 1 MiB.
const DefaultMaxRecordBytes = 1 << 20

// Decoder appends events to blocks. It is strict where two readers could
// disagree, and lossless where they cannot: a field the schema does not know,
// or an optional one whose value does not fit its column, is kept in extra.
//
// A decoder is used by one goroutine at a time.
type Decoder struct {
	schema      *Schema
	maxBytes    int
	limits      *limits // the fields' reader has them too
	fields      reader
	clamped     []byte // scratch of the extra of an event whose time is clamped
	conversions []conversion
}

// reader reads events of one encoding.
type reader interface {
	// read appends one value to every field's column of b, in value's terms,
	// and returns what extra has to hold, which is valid until the next call;
	// or it appends nothing and returns why.
	read(value []byte, b *Block) (extra []byte, rej *Rejection)
}

// NewDecoder returns a decoder for events of s that rejects records of more
// than maxBytes, and what is beyond [DefaultBounds] of them.
func NewDecoder(s *Schema, e Encoding, maxBytes int) *Decoder {
	d := newDecoder(s, maxBytes)
	switch e {
	case JSON:
		d.fields = newScanner(s, d.limits)
	case Protobuf:
		d.fields = newProtobufReader(s, d.limits)
	default:
		panic(fmt.Sprintf("BUG: no decoder for encoding %q", e))
	}
	return d
}

func newDecoder(s *Schema, maxBytes int) *Decoder {
	return &Decoder{schema: s, maxBytes: maxBytes, limits: limitsOf(DefaultBounds()), conversions: newConversions(s)}
}

// Within has the decoder reject what is beyond other bounds, and returns it.
func (d *Decoder) Within(b Bounds) *Decoder {
	*d.limits = *limitsOf(b)
	return d
}

// NewWrittenDecoder is NewDecoder for records that are read by the schemas of
// their writers. It is an error if there is one writer for all and none of its
// records can be an event of s.
func NewWrittenDecoder(s *Schema, w *Writers, maxBytes int) (*Decoder, error) {
	d := newDecoder(s, maxBytes)
	fields, err := newWrittenReader(s, w, d.limits)
	if err != nil {
		return nil, err
	}
	d.fields = fields
	return d, nil
}

// Decode appends the event in r to b: one value to every column, or none and
// an error, which is always a *[Rejection].
func (d *Decoder) Decode(r Record, b *Block) (Key, error) {
	switch {
	case len(r.Value) == 0:
		return Key{}, reject(ReasonEmpty, "the record has no value")
	case len(r.Value) > d.maxBytes:
		return Key{}, reject(ReasonTooLarge, "the record has %d bytes; at most %d are decoded", len(r.Value), d.maxBytes)
	}
	extra, rej := d.fields.read(r.Value, b)
	if rej != nil {
		return Key{}, rej
	}
	at := b.time.last()
	if len(d.conversions) > 0 {
		extra, rej = d.convert(b, extra)
	}
	if rej == nil {
		rej = d.identified(b)
	}
	if rej == nil {
		rej = d.credible(r, at)
		if t := d.schema.Time; rej != nil && t.Ahead == AheadClamp && at > r.Time && r.Time >= t.NotBefore.UnixMilli() {
			extra, rej = d.clamp(r, at, extra, b), nil
		}
	}
	if rej == nil && len(extra) > d.limits.ExtraBytes {
		rej = d.limits.tooMuchExtra()
	}
	if rej != nil {
		for i := range d.schema.Fields {
			b.columns[i].undo()
		}
		return Key{}, rej
	}
	b.extra.append(extra)
	b.topic.append([]byte(r.Topic))
	b.partition.append(r.Partition)
	b.offset.append(r.Offset)
	b.ingestedAt.append(r.Time)
	b.index.append(r.Index)
	key := b.lastKey()
	key.Time = at
	return key, nil
}

// clamp gives the last event the record's time for its own, and returns extra
// with what the device said.
func (d *Decoder) clamp(r Record, at int64, extra []byte, b *Block) []byte {
	b.time.undo()
	b.time.append(min(r.Time, lastMilli))
	d.clamped = append(d.clamped[:0], bytes.TrimSuffix(extra, []byte{'}'})...)
	d.clamped = appendMember(d.clamped, strconv.Quote(d.schema.Time.Field), strconv.AppendInt(nil, at, 10))
	d.clamped = append(d.clamped, '}')
	return d.clamped
}

// identified checks that the event says which one it is: the events of all
// devices that know no name of theirs would be resends of each other.
func (d *Decoder) identified(b *Block) *Rejection {
	const empty = "field %s is an empty string; it has to tell events apart"
	if len(b.device.last()) == 0 {
		return reject(ReasonMissing, empty, d.schema.Device)
	}
	if b.id != nil && len(b.id.last()) == 0 {
		return reject(ReasonMissing, empty, d.schema.Identity[0])
	}
	return nil
}

// credible checks the event's own time.
func (d *Decoder) credible(r Record, millis int64) *Rejection {
	t := d.schema.Time
	latest := min(min(r.Time, lastMilli)+t.MaxAhead.Milliseconds(), lastMilli)
	if millis >= t.NotBefore.UnixMilli() && millis <= latest {
		return nil
	}
	format := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	return reject(ReasonTime, "field %s is %s; want %s to %s, the record's timestamp and %v",
		t.Field, format(millis), format(t.NotBefore.UnixMilli()), format(latest), t.MaxAhead)
}
