package schema

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// keptField is one occurrence of a field that extra has to hold.
//
// In extra a field the schema does not know stands under its number, as an
// object of one member that says how it was read: {"27":{"double":41.5}}. The
// wire type decides what can be told without a schema:
//
//	varint    varint: the unsigned number; of a sint it is still in zigzag
//	8 bytes   double: the number; or fixed64: its bits, where it is NaN or infinite
//	4 bytes   float: the number; or fixed32: its bits, likewise
//	length    string: the text; or bytes: base64, where it is not UTF-8
//	group     group: what it encloses, in base64
//
// A field that occurs more than once has an array of its values, in their
// order. No bit of any value is lost. A value that does not fit its column
// stands under the field's name, as one of JSON would: {"battery":300}. See
// docs/adr/0009.
type keptField struct {
	number     protowire.Number
	wire       protowire.Type
	column     int // of the field the value does not fit; noColumn if it is unknown
	begin, end int // what follows the tag, in the record
}

const noColumn = -1

// raw returns the value, without its length or the tag that ends it.
func (f keptField) raw(record []byte) []byte {
	raw := record[f.begin:f.end]
	switch f.wire {
	case protowire.BytesType:
		raw, _ = protowire.ConsumeBytes(raw)
	case protowire.StartGroupType:
		raw, _ = protowire.ConsumeGroup(f.number, raw)
	}
	return raw
}

// wireReadings is how the values of a wire type are read: all in the first
// way, or in the second if the first would lose a bit of one.
var wireReadings = map[protowire.Type]struct{ name, plain, exact string }{
	protowire.VarintType:     {"varint", "varint", "varint"},
	protowire.Fixed64Type:    {"eight bytes", "double", "fixed64"},
	protowire.Fixed32Type:    {"four bytes", "float", "fixed32"},
	protowire.BytesType:      {"bytes of a length", "string", "bytes"},
	protowire.StartGroupType: {"a group", "group", "group"},
}

// keep makes extra of the fields that were kept from value; or it returns that
// a required one does not fit.
func (d *protobufReader) keep(value []byte) *Rejection {
	if i := d.present.missing(); i >= 0 {
		c := d.schema.Fields[i]
		for _, f := range d.kept {
			if f.number == d.numbers[i] {
				return reject(ReasonType, "field %s came as %s; want a %s, which is %s",
					c.Name, wireReadings[f.wire].name, c.Type, wireReadings[typeViews[c.Type].wire].name)
			}
		}
	}
	slices.SortFunc(d.kept, func(a, b keptField) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(b.column, a.column), cmp.Compare(a.wire, b.wire), cmp.Compare(a.begin, b.begin))
	})
	for rest := d.kept; len(rest) > 0; {
		first := rest[0]
		n := 1
		for n < len(rest) && rest[n].number == first.number && rest[n].column == first.column {
			n++
		}
		if first.column == noColumn {
			d.keepUnknown(value, rest[:n])
		} else if d.misfit[first.column] {
			if rej := d.keepMisfit(value, rest[n-1]); rej != nil {
				return rej
			}
		}
		if rest = rest[n:]; len(d.extra) > d.limits.ExtraBytes {
			return d.limits.tooMuchExtra()
		}
	}
	if len(d.extra) > 0 {
		d.extra = append(d.extra, '}')
	}
	return nil
}

// open begins extra, or another member of it.
func (d *protobufReader) open() {
	if len(d.extra) == 0 {
		d.extra = append(d.extra, '{')
	} else {
		d.extra = append(d.extra, ',')
	}
}

// keepMisfit appends to extra the value of a field that does not fit its column.
func (d *protobufReader) keepMisfit(value []byte, f keptField) *Rejection {
	c := d.schema.Fields[f.column]
	d.open()
	d.extra = append(append(append(d.extra, '"'), c.Name...), `":`...)
	begin := len(d.extra)
	switch raw := f.raw(value); c.Type {
	case Float32:
		d.extra = appendNotFinite(d.extra, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
	case Float64:
		d.extra = appendNotFinite(d.extra, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
	case Int8, Int16:
		v, _ := protowire.ConsumeVarint(raw)
		d.extra = strconv.AppendInt(d.extra, int64(zigzag32(v)), 10)
	case UInt8, UInt16:
		v, _ := protowire.ConsumeVarint(raw)
		d.extra = strconv.AppendUint(d.extra, uint64(uint32(v)), 10)
	default:
		panic("BUG: every value of protobuf fits type " + string(c.Type))
	}
	if c.Required {
		return reject(ReasonType, "field %s is %s; want a %s", c.Name, d.extra[begin:], c.Type)
	}
	return nil
}

// appendNotFinite appends what protobuf's JSON writes for a number JSON lacks.
func appendNotFinite(dst []byte, v float64) []byte {
	switch {
	case v > 0:
		return append(dst, `"Infinity"`...)
	case v < 0:
		return append(dst, `"-Infinity"`...)
	}
	return append(dst, `"NaN"`...)
}

// keepUnknown appends to extra all occurrences of one field.
func (d *protobufReader) keepUnknown(value []byte, all []keptField) {
	d.open()
	d.extra = append(d.extra, '"')
	d.extra = strconv.AppendUint(d.extra, uint64(all[0].number), 10)
	d.extra = append(d.extra, `":{`...)
	for i := 0; i < len(all); {
		same := all[i:]
		for n := range same {
			if same[n].wire != same[0].wire {
				same = same[:n]
				break
			}
		}
		if i > 0 {
			d.extra = append(d.extra, ',')
		}
		d.keepOccurrences(value, same)
		i += len(same)
	}
	d.extra = append(d.extra, '}')
}

// keepOccurrences appends to extra the occurrences of one field in one wire type.
func (d *protobufReader) keepOccurrences(value []byte, all []keptField) {
	reading := wireReadings[all[0].wire].plain
	for _, f := range all {
		if !isPlain(f.raw(value), f.wire) {
			reading = wireReadings[f.wire].exact
		}
	}
	d.extra = append(append(append(d.extra, '"'), reading...), `":`...)
	if len(all) > 1 {
		d.extra = append(d.extra, '[')
	}
	for i, f := range all {
		if len(d.extra) > d.limits.ExtraBytes {
			return // the event is a reject
		}
		if i > 0 {
			d.extra = append(d.extra, ',')
		}
		d.extra = appendReading(d.extra, f.raw(value), reading)
	}
	if len(all) > 1 {
		d.extra = append(d.extra, ']')
	}
}

// isPlain says whether the plain reading of raw has all its bits.
func isPlain(raw []byte, wire protowire.Type) bool {
	switch wire {
	case protowire.Fixed64Type:
		return isFinite64(binary.LittleEndian.Uint64(raw))
	case protowire.Fixed32Type:
		return isFinite32(binary.LittleEndian.Uint32(raw))
	case protowire.BytesType:
		return utf8.Valid(raw)
	}
	return true
}

// appendReading appends raw as JSON.
func appendReading(dst, raw []byte, reading string) []byte {
	switch reading {
	case "varint":
		v, _ := protowire.ConsumeVarint(raw)
		return strconv.AppendUint(dst, v, 10)
	case "double":
		return appendFraction(dst, math.Float64frombits(binary.LittleEndian.Uint64(raw)), 64)
	case "fixed64":
		return strconv.AppendUint(dst, binary.LittleEndian.Uint64(raw), 10)
	case "float":
		return appendFraction(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), 32)
	case "fixed32":
		return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(raw)), 10)
	case "string":
		dst, err := jsontext.AppendQuote(dst, raw)
		if err != nil {
			panic("BUG: a string that is not UTF-8 is read as bytes: " + err.Error())
		}
		return dst
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}

// appendFraction appends a number with a point or an exponent. Of an object
// with a whole number that needs more than 64 bits ClickHouse reads nothing at
// all, and a zero without a point has no sign.
func appendFraction(dst []byte, v float64, bits int) []byte {
	begin := len(dst)
	dst = jsontext.AppendFloat(dst, v, bits)
	if !bytes.ContainsAny(dst[begin:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}
