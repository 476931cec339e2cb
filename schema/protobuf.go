package schema

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// protobufReader is the reader of protobuf: messages as [Schema.Proto] declares
// them, of which it accepts what Google's parser does. The last value of a
// field wins. What the schema does not know is kept, see keptField.
//
// Encoders write fields in the order of their numbers, so nearly all of a
// message is read by inOrder, which knows by where it is what the event has and
// has not. The first field that is out of order, unknown or does not fit, and
// what follows it, is left to rest.
type protobufReader struct {
	schema *Schema
	// numbers are those of the columns' fields, 0 for a column without one.
	numbers []protowire.Number
	// byTag is the field of each tag, which is a number and a wire type in
	// one. A field that comes with another wire type than its own is unknown.
	byTag []protobufField
	// required is the first required column from each on, or their number.
	required []int
	limits   *limits

	// Of the event that is left to rest.
	present presence
	kept    []keptField
	misfit  []bool // whether a column has no value but its zero, because its last did not fit
	extra   []byte // scratch of the extra column
}

// protobufField is the field a tag announces.
type protobufField struct {
	kind   kind
	column uint16
}

// newProtobufReader returns a reader of messages as [Schema.Proto] declares them.
func newProtobufReader(s *Schema, limits *limits) *protobufReader {
	numbers := make([]protowire.Number, len(s.Fields))
	for i, c := range s.Fields {
		if c.sent() {
			numbers[i] = protowire.Number(c.ID)
		}
	}
	return newProtobufReaderBy(s, numbers, limits)
}

// newProtobufReaderBy returns a reader of messages that have the columns' fields
// under these numbers. It takes memory by the largest of them.
func newProtobufReaderBy(s *Schema, numbers []protowire.Number, limits *limits) *protobufReader {
	n := len(s.Fields)
	d := &protobufReader{schema: s, numbers: numbers, limits: limits, present: newPresence(s), misfit: make([]bool, n), required: make([]int, n+1)}
	d.required[n] = n
	for i := n - 1; i >= 0; i-- {
		d.required[i] = d.required[i+1]
		if s.Fields[i].Required {
			d.required[i] = i
		}
	}
	for i, c := range s.Fields {
		if numbers[i] == 0 {
			continue
		}
		tag := protowire.EncodeTag(numbers[i], typeViews[c.Type].wire)
		if grow := int(tag) + 1 - len(d.byTag); grow > 0 {
			d.byTag = append(d.byTag, make([]protobufField, grow)...)
		}
		d.byTag[tag] = protobufField{c.kind(), uint16(i)}
	}
	return d
}

// read implements reader.
func (d *protobufReader) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	if len(value) > d.limits.harmless {
		if rej := d.limits.protobuf(value); rej != nil {
			return nil, rej
		}
	}
	at, next := d.inOrder(value, b.columns)
	if fields := len(d.misfit); at == len(value) && d.required[next] == fields {
		for ; next < fields; next++ {
			b.columns[next].appendZero()
		}
		return nil, nil
	}
	d.present.clear()
	d.present.setRange(0, next)
	d.kept, d.extra = d.kept[:0], d.extra[:0]
	clear(d.misfit)
	rej = d.rest(value, at, b)
	if rej == nil && len(d.kept) > 0 {
		rej = d.keep(value)
	}
	if rej == nil {
		rej = d.present.complete(b)
	}
	if rej != nil {
		d.present.undo(b)
		return nil, rej
	}
	return d.extra, nil
}

// inOrder reads fields into their columns as long as they are those of the
// columns in order, perhaps not all of them. It returns where it stopped in
// value, and the first column that has no value yet.
func (d *protobufReader) inOrder(value []byte, columns []column) (at, next int) {
	for at < len(value) {
		tag, p := uint(value[at]), at+1
		if tag >= 0x80 {
			if p >= len(value) || value[p] >= 0x80 {
				return at, next
			}
			tag += uint(value[p])<<7 - 0x80
			p++
		}
		if tag >= uint(len(d.byTag)) {
			return at, next
		}
		field := d.byTag[tag]
		i := int(field.column)
		if i != next {
			if i < next || d.required[next] < i {
				return at, next
			}
			for ; next < i; next++ {
				columns[next].appendZero()
			}
		}
		if p = appendField(field.kind, columns[i], value, p); p < 0 {
			return at, next
		}
		at, next = p, i+1
	}
	return at, next
}

// rest reads what is left of value.
func (d *protobufReader) rest(value []byte, at int, b *Block) *Rejection {
	for at < len(value) {
		number, wire, n := protowire.ConsumeTag(value[at:])
		size := -1
		if n > 0 && number <= protowire.MaxValidNumber {
			size = protowire.ConsumeFieldValue(number, wire, value[at+n:])
		}
		if size < 0 {
			return malformedMessage(value, at)
		}
		f := keptField{number: number, wire: wire, column: noColumn, begin: at + n, end: at + n + size}
		at = f.end
		tag := protowire.EncodeTag(number, wire)
		if tag >= uint64(len(d.byTag)) || d.byTag[tag].kind == kindUnknown {
			d.kept = append(d.kept, f)
			continue
		}
		field := d.byTag[tag]
		i := int(field.column)
		if d.present.has(i) {
			b.columns[i].undo()
			d.present.unset(i)
		}
		d.misfit[i] = appendField(field.kind, b.columns[i], value, f.begin) < 0
		if d.misfit[i] {
			if wire == protowire.BytesType {
				return reject(ReasonMalformed, "field %s has invalid UTF-8", d.schema.Fields[i].Name)
			}
			b.columns[i].appendZero()
			f.column = i
			d.kept = append(d.kept, f)
		}
		d.present.set(i)
	}
	return nil
}

// appendField appends the value at v[p:] to its column and returns where it
// ends; or it appends nothing and returns -1: the value is malformed, or does
// not fit.
func appendField(k kind, col column, v []byte, p int) int {
	switch k {
	case kindFloat32:
		if len(v)-p < 4 {
			return -1
		}
		bits := binary.LittleEndian.Uint32(v[p:])
		if !isFinite32(bits) {
			return -1
		}
		col.(*fixed[float32]).append(math.Float32frombits(bits))
		return p + 4
	case kindFloat64:
		if len(v)-p < 8 {
			return -1
		}
		bits := binary.LittleEndian.Uint64(v[p:])
		if !isFinite64(bits) {
			return -1
		}
		col.(*fixed[float64]).append(math.Float64frombits(bits))
		return p + 8
	case kindUnknown:
		return -1
	}
	if p >= len(v) {
		return -1
	}
	n := uint64(v[p])
	if p++; n >= 0x80 {
		var size int
		if n, size = protowire.ConsumeVarint(v[p-1:]); size < 0 {
			return -1
		}
		p += size - 1
	}
	switch k {
	case kindString, kindDict:
		if n > uint64(len(v)-p) {
			return -1
		}
		text := v[p : p+int(n)]
		if k == kindDict {
			// What the dictionary has is UTF-8.
			dict := col.(*dictColumn)
			if dict.append(text); dict.fresh && !utf8.Valid(text) {
				dict.undo()
				return -1
			}
			return p + len(text)
		}
		if !utf8.Valid(text) {
			return -1
		}
		col.(*stringColumn).append(text)
		return p + len(text)
	case kindBool:
		col.(*fixed[uint8]).append(uint8(min(n, 1)))
	case kindUInt64:
		col.(*fixed[uint64]).append(n)
	case kindUInt32:
		col.(*fixed[uint32]).append(uint32(n)) // its upper half is cut off, as protobuf has it
	case kindUInt16:
		if uint32(n) > math.MaxUint16 {
			return -1
		}
		col.(*fixed[uint16]).append(uint16(n))
	case kindUInt8:
		if uint32(n) > math.MaxUint8 {
			return -1
		}
		col.(*fixed[uint8]).append(uint8(n))
	case kindTime:
		col.(*fixed[int64]).append(int64(n))
	case kindInt64:
		col.(*fixed[int64]).append(protowire.DecodeZigZag(n))
	case kindInt32:
		col.(*fixed[int32]).append(zigzag32(n))
	case kindInt16:
		i := zigzag32(n)
		if i != int32(int16(i)) {
			return -1
		}
		col.(*fixed[int16]).append(int16(i))
	case kindInt8:
		i := zigzag32(n)
		if i != int32(int8(i)) {
			return -1
		}
		col.(*fixed[int8]).append(int8(i))
	}
	return p
}

// malformedMessage is the rejection of a message that cannot be read from the
// byte at on.
func malformedMessage(value []byte, at int) *Rejection {
	_, _, n := protowire.ConsumeField(value[at:])
	if n >= 0 { // which takes numbers no message can have
		return reject(ReasonMalformed, "the field at byte %d has an invalid number", at)
	}
	why := strings.TrimSpace(strings.TrimPrefix(protowire.ParseError(n).Error(), "proto:"))
	return reject(ReasonMalformed, "the field at byte %d: %s", at, why)
}

// zigzag32 is how a sint32 is read from a varint, whatever its upper half.
func zigzag32(v uint64) int32 { return int32(uint32(v)>>1) ^ -int32(v&1) }

// isFinite32 and isFinite64 say of a number's bits whether it is one: neither
// NaN nor infinite, of which no JSON, rollup or checksum knows what to make.
func isFinite32(bits uint32) bool { return bits&(0xff<<23) != 0xff<<23 }
func isFinite64(bits uint64) bool { return bits&(0x7ff<<52) != 0x7ff<<52 }
