package schema

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNesting is how deep a value kept in extra may be nested: the JSON readers
// of ClickHouse, DuckDB and Trino all bear this much.
const maxNesting = 64

// parser is the reader of JSON by a full parser, strict where two parsers could
// disagree: duplicate keys, invalid UTF-8 and anything after the object are
// rejected.
type parser struct {
	schema *Schema
	byName map[string]int // name of a field to its column
	seen   presence
	limits *limits
	json   *jsontext.Decoder
	value  bytes.Buffer
	name   []byte // scratch of a name as it is written
	plain  []byte // scratch of a name without its escapes
	extra  []byte // scratch of the extra column
	// members are those of the record that was read last, in their order.
	members []parsed
}

// parsed is a member of an object: where its value stands, and its column.
type parsed struct {
	begin, end int
	column     int
}

// unknownColumn is the column of a field the schema does not know.
const unknownColumn = -1

func newParser(s *Schema, limits *limits) *parser {
	d := &parser{schema: s, byName: map[string]int{}, seen: newPresence(s), limits: limits, json: new(jsontext.Decoder)}
	for i, c := range s.Fields {
		if c.sent() {
			d.byName[c.Name] = i
		}
	}
	return d
}

// read implements reader.
func (d *parser) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	d.seen.clear()
	d.extra, d.members = d.extra[:0], d.members[:0]
	if rej = d.object(value, b); rej == nil {
		rej = d.seen.complete(b)
	}
	if rej != nil {
		d.seen.undo(b)
		return nil, rej
	}
	return d.extra, nil
}

// begin has the parser at the beginning of value.
func (d *parser) begin(value []byte) {
	// A bytes.Buffer, alone of all readers, is parsed where it lies.
	d.value = *bytes.NewBuffer(value)
	d.json.Reset(&d.value)
}

// one returns the one value that text begins with, whatever follows it.
func (d *parser) one(text []byte) (jsontext.Value, error) {
	d.begin(text)
	return d.json.ReadValue()
}

// object reads the record's one JSON object into the columns it names.
func (d *parser) object(value []byte, b *Block) *Rejection {
	d.begin(value)
	if kind := d.json.PeekKind(); kind != jsontext.KindBeginObject {
		if _, err := d.json.ReadValue(); err != nil {
			return d.malformed(value, err)
		}
		return reject(ReasonNotObject, "the value is a JSON %v, not an object", kind)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(value, err)
	}
	for d.json.PeekKind() == jsontext.KindString {
		rawName, err := d.json.ReadValue()
		if err != nil {
			return d.malformed(value, err)
		}
		// Reading the value may move rawName's memory; the name is needed after.
		d.name = append(d.name[:0], rawName...)
		raw, err := d.json.ReadValue()
		if err != nil {
			return d.malformed(value, err)
		}
		end := int(d.json.InputOffset())
		column, rej := d.field(d.name, raw, b)
		if rej != nil {
			return rej
		}
		d.members = append(d.members, parsed{end - len(raw), end, column})
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(value, err)
	}
	end := d.json.InputOffset()
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return reject(ReasonMalformed, "something follows the object, which ends at byte %d", end)
	}
	if len(d.extra) > 0 {
		d.extra = append(d.extra, '}')
	}
	return nil
}

// field gives one member of the object to its column, or to extra, and returns
// the column it has in the schema.
func (d *parser) field(rawName, raw jsontext.Value, b *Block) (column int, rej *Rejection) {
	name := rawName[1 : len(rawName)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		plain, err := jsontext.AppendUnquote(d.plain[:0], rawName)
		if err != nil {
			return 0, d.malformed(rawName, err)
		}
		d.plain, name = plain, plain
	}
	column, known := d.byName[string(name)]
	if !known {
		column = unknownColumn
	} else {
		if raw.Kind() == jsontext.KindNull {
			return column, nil // as if absent
		}
		if b.columns[column].appendJSON(raw) {
			d.seen.set(column)
			return column, nil
		}
		if c := d.schema.Fields[column]; c.Required {
			return 0, reject(ReasonType, "field %s is %s; want a %s", c.Name, shorten(raw), c.Type)
		}
	}
	if depth(raw) > d.limits.Nesting {
		return 0, reject(ReasonNesting, "field %s is nested deeper than %d levels", shorten(rawName), d.limits.Nesting)
	}
	d.extra = appendMember(d.extra, rawName, raw)
	return column, nil
}

// appendMember appends a member to extra, as it is written.
func appendMember[T ~string | ~[]byte](extra []byte, name T, value []byte) []byte {
	open := byte(',')
	if len(extra) == 0 {
		open = '{'
	}
	extra = append(extra, open)
	extra = append(extra, name...)
	extra = append(extra, ':')
	return append(extra, value...)
}

// malformed is the rejection for the parser's error in value. The parser has a
// bound of its own on nesting, above ours; that it met it, or anything
// else it refused as deep as that, is one fault to whoever sent it.
func (d *parser) malformed(value []byte, err error) *Rejection {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && depth(value[:syntax.ByteOffset]) > d.limits.Nesting {
		return d.limits.tooDeep()
	}
	if errors.Is(err, io.EOF) {
		return reject(ReasonMalformed, "the record is blank")
	}
	return reject(ReasonMalformed, "%s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

// shorten keeps a value from filling the log.
func shorten(raw []byte) []byte {
	const most = 64
	if len(raw) > most {
		return append(bytes.ToValidUTF8(raw[:most], nil), "..."...)
	}
	return raw
}

// depth returns how deep raw is nested: valid JSON, or the valid start of it.
func depth(raw []byte) int {
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
	var scratch []byte
	plain, ok := unquote(raw, &scratch)
	if !ok {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339, text(plain))
	return t.UnixMilli(), err == nil
}

var parseMillis = parseInt[int64](64)
