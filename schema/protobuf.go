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
type protobufReader struct {
	schema *Schema
	// byTag is the field of each tag, which is a number and a wire type in
	// one. A field that comes with another wire type than its own is unknown.
	byTag   []protobufField
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

func newProtobufReader(s *Schema) *protobufReader {
	d := &protobufReader{schema: s, present: newPresence(s), misfit: make([]bool, len(s.Fields))}
	for i, c := range s.Fields {
		tag := protowire.EncodeTag(protowire.Number(c.ID), typeViews[c.Type].wire)
		if grow := int(tag) + 1 - len(d.byTag); grow > 0 {
			d.byTag = append(d.byTag, make([]protobufField, grow)...)
		}
		d.byTag[tag] = protobufField{c.kind(), uint16(i)}
	}
	return d
}

// read implements reader.
func (d *protobufReader) read(value []byte, b *Block) (extra []byte, rej *Rejection) {
	d.present.clear()
	if len(d.kept) > 0 {
		d.kept, d.extra = d.kept[:0], d.extra[:0]
		clear(d.misfit)
	}
	rej = d.message(value, b)
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

// message reads the fields of value into their columns.
//
// Encoders write fields in the order of their numbers, so the one that comes is
// nearly always the next of the schema: while that is so, which fields are there
// is a range of columns, and it is noted only where the range ends.
func (d *protobufReader) message(value []byte, b *Block) *Rejection {
	first, next, ordered := 0, 0, true // columns [first, next) have their values, beside those noted
	rej := (*Rejection)(nil)
	at := 0
	for at < len(value) {
		start := at
		tag := uint64(value[at])
		at++
		if tag >= 0x80 {
			if at < len(value) && value[at] < 0x80 {
				tag += uint64(value[at])<<7 - 0x80
				at++
			} else if tag, at = uvarint(value, start); at < 0 {
				rej = malformedMessage(value, start)
				break
			}
		}
		if tag >= uint64(len(d.byTag)) || d.byTag[tag].kind == kindUnknown {
			if at = d.unknown(value, start); at < 0 {
				rej = malformedMessage(value, start)
				break
			}
			continue
		}
		field := d.byTag[tag]
		i := int(field.column)
		if i != next || !ordered {
			d.present.setRange(first, next)
			if d.present.has(i) {
				b.columns[i].undo()
				d.present.unset(i)
				d.misfit[i] = false
			}
			ordered = ordered && i > next
			first = i
		}
		next = i // until its value is there
		col := b.columns[i]
		fits := true
		begin := at
		switch field.kind {
		case kindFloat32:
			if at += 4; at > len(value) {
				at = -1
				break
			}
			bits := binary.LittleEndian.Uint32(value[begin:])
			if fits = isFinite32(bits); fits {
				col.(*fixed[float32]).append(math.Float32frombits(bits))
			}
		case kindFloat64:
			if at += 8; at > len(value) {
				at = -1
				break
			}
			bits := binary.LittleEndian.Uint64(value[begin:])
			if fits = isFinite64(bits); fits {
				col.(*fixed[float64]).append(math.Float64frombits(bits))
			}
		case kindString, kindDict:
			var size uint64
			size, at = uvarint(value, at)
			if at < 0 || size > uint64(len(value)-at) {
				at = -1
				break
			}
			text := value[at : at+int(size)]
			at += int(size)
			if !utf8.Valid(text) {
				rej = reject(ReasonMalformed, "field %s has invalid UTF-8", d.schema.Fields[i].Name)
			} else if field.kind == kindDict {
				col.(*dictColumn).append(text)
			} else {
				col.(*stringColumn).append(text)
			}
		default:
			var v uint64
			if v, at = uvarint(value, at); at >= 0 {
				fits = appendVarint(field.kind, col, v)
			}
		}
		if at < 0 {
			rej = malformedMessage(value, start)
		}
		if rej != nil {
			break
		}
		next++
		if !fits {
			col.appendZero()
			d.misfit[i] = true
			d.kept = append(d.kept, keptField{number: protowire.Number(tag >> 3), wire: protowire.Type(tag & 7), column: i, begin: begin, end: at})
		}
	}
	d.present.setRange(first, next)
	return rej
}

// appendVarint appends the number if it fits the column. Of 32-bit numbers the
// upper half is cut off, as protobuf has it.
func appendVarint(k kind, col column, v uint64) bool {
	switch k {
	case kindBool:
		col.(*fixed[uint8]).append(uint8(min(v, 1)))
	case kindUInt64:
		col.(*fixed[uint64]).append(v)
	case kindUInt32:
		col.(*fixed[uint32]).append(uint32(v))
	case kindUInt16:
		return appendIn(col.(*fixed[uint16]), int64(uint32(v)), 0, math.MaxUint16)
	case kindUInt8:
		return appendIn(col.(*fixed[uint8]), int64(uint32(v)), 0, math.MaxUint8)
	case kindTime:
		col.(*fixed[int64]).append(int64(v))
	case kindInt64:
		col.(*fixed[int64]).append(protowire.DecodeZigZag(v))
	case kindInt32:
		col.(*fixed[int32]).append(zigzag32(v))
	case kindInt16:
		return appendIn(col.(*fixed[int16]), int64(zigzag32(v)), math.MinInt16, math.MaxInt16)
	case kindInt8:
		return appendIn(col.(*fixed[int8]), int64(zigzag32(v)), math.MinInt8, math.MaxInt8)
	default:
		panic("BUG: not a kind that is a varint")
	}
	return true
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

// uvarint reads the varint at value[at:] and returns where it ends, or -1.
func uvarint(value []byte, at int) (v uint64, end int) {
	if at < len(value) && value[at] < 0x80 {
		return uint64(value[at]), at + 1
	}
	v, n := protowire.ConsumeVarint(value[at:])
	if n < 0 {
		return 0, -1
	}
	return v, at + n
}
