package schema

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// avroReader is the reader of Avro's binary encoding, for records of one writer
// schema. There is nothing to look up: the writer's schema says which field
// comes next, and the program which column that is.
//
// It is stricter than Avro's readers are with each other where two of them could
// disagree: text has to be UTF-8, a boolean 0 or 1, a map must not have a key twice, the length a
// block of items claims has to be its length, and nothing may follow the record.
type avroReader struct {
	program *avroProgram
	schema  *Schema
	limits  *limits

	// Of the record that is read.
	value []byte
	items int // how many items its arrays and maps may still have
	keys  int // how many keys its maps may still have
	// texts: one of the record's may be too long.
	texts bool
	extra []byte // scratch of the extra column
	text  []byte // scratch of bytes as text
}

// read implements reader.
func (d *avroReader) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	d.value, d.items, d.extra = value, len(value), d.extra[:0]
	d.keys, d.texts = d.limits.Fields, len(value) > d.limits.TextBytes
	at := 0
	for i := range d.program.fields {
		if at, rej = d.field(&d.program.fields[i], at, b); rej != nil {
			d.undo(i, b)
			return nil, rej
		}
	}
	if at < len(value) {
		d.undo(len(d.program.fields), b)
		return nil, reject(ReasonMalformed, "%d bytes follow the record, which ends at byte %d; was it written by another schema?", len(value)-at, at)
	}
	for _, column := range d.program.absent {
		b.columns[column].appendZero()
	}
	if len(d.extra) > 0 {
		d.extra = append(d.extra, '}')
	}
	return d.extra, nil
}

// undo takes back the values of the first fields.
func (d *avroReader) undo(fields int, b *Block) {
	for _, f := range d.program.fields[:fields] {
		if f.column != unknownColumn {
			b.columns[f.column].undo()
		}
	}
}

// field reads the field at value[at:], gives its column one value, and returns
// where it ends; or it gives none and returns why.
func (d *avroReader) field(f *avroField, at int, b *Block) (int, *Rejection) {
	t, begin := f.typ, at
	if t.kind == avroUnion {
		if t, at = d.branch(t, at); at < 0 {
			return 0, d.malformed(begin, "a union of %d has no such branch", len(f.typ.branches))
		}
	}
	if t.kind == avroNull {
		switch {
		case f.required:
			return 0, reject(ReasonMissing, "field %s is required and null", f.name)
		case f.column != unknownColumn:
			b.columns[f.column].appendZero()
		}
		return at, nil // in extra as if absent: a writer that has a field says so in every record
	}
	if f.column == unknownColumn {
		return d.keep(f, t, at)
	}
	if d.texts && (t.kind == avroString || t.kind == avroBytes) {
		if n, p := avroVarint(d.value, at); p > 0 && n > int64(d.limits.TextBytes) && n <= int64(len(d.value)-p) {
			return 0, d.limits.tooLong(p, int(n))
		}
	}
	col := b.columns[f.column]
	if end := appendAvro(t, f.kind, col, d.value, at); end >= 0 {
		return end, nil
	}
	before := len(d.extra)
	end, rej := d.keep(f, t, at)
	switch {
	case rej != nil:
		return 0, rej
	case f.required:
		written := d.extra[before+len(f.name)+2:] // behind a comma or brace, and the colon
		return 0, reject(ReasonType, "field %s is %s; want a %s", f.name, shorten(written), d.schema.Fields[f.column].Type)
	}
	col.appendZero()
	return end, nil
}

// branch reads which type of a union comes, and returns where its value begins,
// or -1.
func (d *avroReader) branch(t *avroType, at int) (*avroType, int) {
	i, at := avroVarint(d.value, at)
	if at < 0 || i < 0 || i >= int64(len(t.branches)) {
		return nil, -1
	}
	return t.branches[i], at
}

// appendAvro appends the value at v[p:] to its column and returns where it ends;
// or it appends nothing and returns -1: the value is malformed, or does not fit.
func appendAvro(t *avroType, k kind, col column, v []byte, p int) int {
	switch t.kind {
	case avroFloat:
		if len(v)-p < 4 || !appendReal(k, col, float64(math.Float32frombits(binary.LittleEndian.Uint32(v[p:])))) {
			return -1
		}
		return p + 4
	case avroDouble:
		if len(v)-p < 8 || !appendReal(k, col, math.Float64frombits(binary.LittleEndian.Uint64(v[p:]))) {
			return -1
		}
		return p + 8
	case avroBoolean:
		if k != kindBool || p >= len(v) || v[p] > 1 {
			return -1
		}
		col.(*fixed[uint8]).append(v[p])
		return p + 1
	case avroNull, avroFixed, avroArray, avroMap, avroRecord, avroUnion:
		return -1
	}
	n, p := avroVarint(v, p)
	if p < 0 {
		return -1
	}
	switch t.kind {
	case avroInt, avroLong:
		if t.kind == avroInt && n != int64(int32(n)) || !appendWhole(t, k, col, n) {
			return -1
		}
		return p
	case avroEnum:
		if n < 0 || n >= int64(len(t.symbols)) || k != kindString && k != kindDict {
			return -1
		}
		appendText(k, col, t.symbols[n])
		return p
	}
	if n < 0 || n > int64(len(v)-p) { // a string, or bytes
		return -1
	}
	end := p + int(n)
	switch text := v[p:end]; {
	case k == kindTime && t.kind == avroString:
		at, err := time.Parse(time.RFC3339, string(text))
		if err != nil {
			return -1
		}
		col.(*fixed[int64]).append(at.UnixMilli())
		return end
	case k != kindString && k != kindDict || !appendText(k, col, text):
		return -1
	}
	return end
}

// appendText appends text if it is UTF-8.
func appendText(k kind, col column, text []byte) bool {
	if k == kindDict {
		// What the dictionary has is UTF-8.
		dict := col.(*dictColumn)
		if dict.append(text); dict.fresh && !utf8.Valid(text) {
			dict.undo()
			return false
		}
		return true
	}
	if !utf8.Valid(text) {
		return false
	}
	col.(*stringColumn).append(text)
	return true
}

// appendReal appends a number that is neither NaN nor infinite, and does not
// become so in its column.
func appendReal(k kind, col column, v float64) bool {
	switch k {
	case kindFloat32:
		narrow := float32(v)
		if !isFinite32(math.Float32bits(narrow)) {
			return false
		}
		col.(*fixed[float32]).append(narrow)
		return true
	case kindFloat64:
		if !isFinite64(math.Float64bits(v)) {
			return false
		}
		col.(*fixed[float64]).append(v)
		return true
	}
	return false
}

// appendWhole appends an int or long to a column of numbers. As Avro promotes
// it, a float takes the number that is nearest.
func appendWhole(t *avroType, k kind, col column, n int64) bool {
	switch k {
	case kindFloat32:
		col.(*fixed[float32]).append(float32(n))
		return true
	case kindFloat64:
		col.(*fixed[float64]).append(float64(n))
		return true
	case kindTime:
		if t.ticks == 0 {
			return false
		}
		millis := n / t.ticks
		if n%t.ticks < 0 {
			millis-- // finer than a millisecond is cut off, also before 1970
		}
		col.(*fixed[int64]).append(millis)
		return true
	case kindString, kindDict, kindBool:
		return false
	}
	return appendInteger(k, col, n, false)
}

// avroVarint reads an int or long at v[p:] and returns where it ends, or -1.
func avroVarint(v []byte, p int) (n int64, end int) {
	if p < len(v) && v[p] < 0x80 { // nearly always
		u := v[p]
		return int64(u>>1) ^ -int64(u&1), p + 1
	}
	n, size := binary.Varint(v[min(p, len(v)):])
	if size <= 0 {
		return 0, -1
	}
	return n, p + size
}
