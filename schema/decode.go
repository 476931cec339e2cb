package schema

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Record is one Kafka record, as a decoder needs it.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      int64 // Kafka's timestamp, milliseconds since 1970 UTC
	Value     []byte
}

// Limits bound what a single record may cost.
const (
	// DefaultMaxRecordBytes is the largest record decoded. An event is some
	// 500 bytes; Kafka's own default for a batch is 1 MiB.
	DefaultMaxRecordBytes = 1 << 20
	// maxNesting is how deep a value kept in extra may be nested: the JSON
	// readers of ClickHouse, DuckDB and Trino all bear this much.
	maxNesting = 64
)

// Decoder appends JSON events to blocks. It is strict where two parsers could
// disagree (duplicate keys, invalid UTF-8, anything after the object: all
// rejected) and lossless where they cannot: a field the schema does not know,
// or an optional one whose value does not fit its column, is kept in extra.
//
// A decoder is used by one goroutine at a time.
type Decoder struct {
	schema   *Schema
	maxBytes int
	byName   map[string]int // name of a field to its column
	seen     []bool         // whether the column has its value of this record
	json     *jsontext.Decoder
	value    bytes.Buffer
	name     []byte // scratch of an escaped name
	extra    []byte // scratch of the extra column
}

// NewDecoder returns a decoder for events of s that rejects records of more
// than maxBytes.
func NewDecoder(s *Schema, maxBytes int) *Decoder {
	d := &Decoder{schema: s, maxBytes: maxBytes, byName: map[string]int{}, json: new(jsontext.Decoder)}
	for i, c := range s.Fields {
		d.byName[c.Name] = i
	}
	d.seen = make([]bool, len(s.Fields))
	return d
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
	clear(d.seen)
	d.extra = d.extra[:0]
	rej := d.object(r.Value, b)
	if rej == nil {
		rej = d.complete(b)
	}
	if rej == nil {
		rej = d.credible(r, b.time.last())
	}
	if rej != nil {
		for i, seen := range d.seen {
			if seen {
				b.columns[i].undo()
			}
		}
		return Key{}, rej
	}
	b.extra.append(d.extra)
	b.topic.append([]byte(r.Topic))
	b.partition.append(r.Partition)
	b.offset.append(r.Offset)
	b.ingestedAt.append(r.Time)
	return b.lastKey(), nil
}

// object reads the record's one JSON object into the columns it names.
func (d *Decoder) object(value []byte, b *Block) *Rejection {
	// The three-index slice keeps the decoder from writing behind the value,
	// where the next record of the fetch stands.
	d.value = *bytes.NewBuffer(value[:len(value):len(value)])
	d.json.Reset(&d.value)
	if kind := d.json.PeekKind(); kind != jsontext.KindBeginObject {
		if _, err := d.json.ReadValue(); err != nil {
			return malformed(err)
		}
		return reject(ReasonNotObject, "the value is a JSON %v, not an object", kind)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return malformed(err)
	}
	for d.json.PeekKind() == jsontext.KindString {
		rawName, err := d.json.ReadValue()
		if err != nil {
			return malformed(err)
		}
		// Reading the value may move rawName's memory; the name is needed after.
		d.name = append(d.name[:0], rawName...)
		raw, err := d.json.ReadValue()
		if err != nil {
			return malformed(err)
		}
		if rej := d.field(d.name, raw, b); rej != nil {
			return rej
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return malformed(err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return reject(ReasonMalformed, "something follows the object at byte %d", d.json.InputOffset())
	}
	if len(d.extra) > 0 {
		d.extra = append(d.extra, '}')
	}
	return nil
}

// field gives one member of the object to its column, or to extra.
func (d *Decoder) field(rawName, raw jsontext.Value, b *Block) *Rejection {
	name := rawName[1 : len(rawName)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		unescaped, err := jsontext.AppendUnquote(nil, rawName)
		if err != nil {
			return malformed(err)
		}
		name = unescaped
	}
	if i, known := d.byName[string(name)]; known {
		if raw.Kind() == jsontext.KindNull {
			return nil // as if absent
		}
		if b.columns[i].appendJSON(raw) {
			d.seen[i] = true
			return nil
		}
		if c := d.schema.Fields[i]; c.Required {
			return reject(ReasonType, "field %s is %s; want a %s", c.Name, shorten(raw), c.Type)
		}
	}
	if depth(raw) > maxNesting {
		return reject(ReasonNesting, "field %s is nested deeper than %d levels", shorten(rawName), maxNesting)
	}
	open := byte(',')
	if len(d.extra) == 0 {
		open = '{'
	}
	d.extra = append(d.extra, open)
	d.extra = append(d.extra, rawName...)
	d.extra = append(d.extra, ':')
	d.extra = append(d.extra, raw...)
	return nil
}

// complete gives a zero to every field the object did not name.
func (d *Decoder) complete(b *Block) *Rejection {
	for i, seen := range d.seen {
		if seen {
			continue
		}
		if c := d.schema.Fields[i]; c.Required {
			return reject(ReasonMissing, "field %s is required and absent or null", c.Name)
		}
		b.columns[i].appendZero()
		d.seen[i] = true
	}
	return nil
}

// credible checks the event's own time.
func (d *Decoder) credible(r Record, millis int64) *Rejection {
	t := d.schema.Time
	latest := r.Time + t.MaxAhead.Milliseconds()
	if millis >= t.NotBefore.UnixMilli() && millis <= latest {
		return nil
	}
	format := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	return reject(ReasonTime, "field %s is %s; want %s to %s, which is %v after the record's timestamp",
		t.Field, format(millis), t.NotBefore.Format(time.RFC3339), format(latest), t.MaxAhead)
}

func malformed(err error) *Rejection { return reject(ReasonMalformed, "%v", err) }

// shorten keeps a value from filling the log.
func shorten(raw []byte) []byte {
	const most = 64
	if len(raw) > most {
		return append(bytes.Clone(raw[:most]), "..."...)
	}
	return raw
}

// depth returns how deep raw, valid JSON, is nested.
func depth(raw jsontext.Value) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// parseTimestamp reads milliseconds since 1970 UTC, as a number or RFC 3339
// text; finer than a millisecond is cut off.
func parseTimestamp(raw jsontext.Value) (int64, bool) {
	if raw.Kind() != jsontext.KindString {
		return parseMillis(raw)
	}
	t, err := time.Parse(time.RFC3339, text(raw[1:len(raw)-1]))
	return t.UnixMilli(), err == nil
}

var parseMillis = parseInt[int64](64)
