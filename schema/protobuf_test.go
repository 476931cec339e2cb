package schema_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"penstock/schema"

	"google.golang.org/protobuf/encoding/protowire"
)

// protobufTest decodes messages into a block that holds a row already.
type protobufTest struct {
	*decodeTest
	whole []byte // an event with all an event has to have
}

func newProtobufTest(t *testing.T) *protobufTest {
	t.Helper()
	s := everyType(t)
	d := &protobufTest{&decodeTest{s, schema.NewDecoder(s, schema.Protobuf, schema.DefaultMaxRecordBytes), schema.NewBlock(s)},
		newMessages(t, s).encode(t, row{"device": "d", "seq": uint64(1), "at": int64(noon)})}
	if _, err := d.decode(string(d.whole)); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecodeProtobufRejects(t *testing.T) {
	d := newProtobufTest(t)
	f := func(value []byte, want string) {
		t.Helper()
		bytes := d.block.Bytes()
		_, err := d.decode(string(value))
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("%x: error is %v, want a rejection", value, err)
		}
		if rejection.Error() != want {
			t.Errorf("%x: rejected as\n%s\nwant\n%s", value, rejection, want)
		}
		for _, c := range d.block.Input() {
			if c.Data.Rows() != 1 {
				t.Errorf("column %s has %d rows after a rejected record, want 1", c.Name, c.Data.Rows())
			}
		}
		if d.block.Bytes() != bytes {
			t.Errorf("the block has %d bytes after a rejected record, %d before it", d.block.Bytes(), bytes)
		}
	}
	with := func(more ...byte) []byte { return slices.Concat(d.whole, more) }
	// nothing there: an event without fields is no event
	f(nil, "empty: the record has no value")
	f(make([]byte, 2<<20), "too_large: the record has 2097152 bytes; at most 1048576 are decoded")
	// cut off in a tag, a varint, a number, a length, a text, a group
	f(with(0x80), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x10, 0xff), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x8d, 0x01, 0, 0, 0), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x91, 0x01, 0, 0, 0, 0, 0, 0, 0), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x22), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x22, 5, 'x'), "malformed: the field at byte 12: unexpected EOF")
	f(with(0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), "malformed: the field at byte 12: unexpected EOF")
	f(with(0xda, 0x01, 5, 'x'), "malformed: the field at byte 12: unexpected EOF")
	f(with(0xdb, 0x01, 0x08, 0x01), "malformed: the field at byte 12: unexpected EOF")
	// a varint of more than 64 bits, and one of more than ten bytes
	f(with(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02), "malformed: the field at byte 12: variable length integer overflow")
	f(with(0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0), "malformed: the field at byte 12: variable length integer overflow")
	// numbers no field has, wire types nobody knows, groups that end where none began
	f(with(0x00, 0x01), "malformed: the field at byte 12: invalid field number")
	f(with(protowire.AppendVarint(nil, 1<<29<<3)...), "malformed: the field at byte 12: unexpected EOF")
	f(with(append(protowire.AppendVarint(nil, 1<<29<<3), 1)...), "malformed: the field at byte 12 has an invalid number")
	f(with(0xde, 0x01), "malformed: the field at byte 12: cannot parse reserved wire type")
	f(with(0xdc, 0x01), "malformed: the field at byte 12: mismatching end group marker")
	f(with(0xdb, 0x01, 0xe4, 0x01), "malformed: the field at byte 12: mismatching end group marker")
	// text that is not UTF-8, as a value, a dictionary's and NULL's
	f(with(textField(4, "\xff")...), "malformed: field str has invalid UTF-8")
	f(with(textField(5, "\xed\xa0\x80")...), "malformed: field str_null has invalid UTF-8")
	f(with(textField(6, "a\xc3")...), "malformed: field dict has invalid UTF-8")
	// a value taken back, and then a fault
	f(with(slices.Concat(textField(1, "e"), textField(6, "new to the dictionary"), []byte{0x0a, 5})...), "malformed: the field at byte 38: unexpected EOF")
	// JSON
	f([]byte(event("")), `malformed: the field at byte 0: unexpected EOF`)
	// no identity, one of another wire type, one without a name
	f(slices.Concat(varintField(2, 1), varintField(3, noon)), "missing: field device is required and absent or null")
	f(slices.Concat(textField(1, "d"), doubleField(2, 1), varintField(3, noon)), "type: field seq came as eight bytes; want a uint64, which is varint")
	f(slices.Concat(varintField(1, 7), varintField(2, 1), varintField(3, noon)), "type: field device came as varint; want a string, which is bytes of a length")
	f(slices.Concat(textField(1, ""), varintField(2, 1), varintField(3, noon)), "missing: field device is an empty string; it has to tell events apart")
	// the last value counts
	f(with(varintField(3, 0)...), "time: field at is 1970-01-01T00:00:00Z; want 2015-01-01T00:00:00Z to 2026-10-27T07:33:20Z, the record's timestamp and 24h0m0s")
}

func TestDecodeProtobufStores(t *testing.T) {
	d := newProtobufTest(t)
	// f expects the column to hold want, and extra to hold what it says.
	f := func(more []byte, column string, want any, extra string) {
		t.Helper()
		key, err := d.decode(string(d.whole) + string(more))
		if err != nil {
			t.Errorf("%x: %v", more, err)
			return
		}
		got := read(t, d.schema, d.block)[d.block.Rows()-1]
		if !same(got[column], want) {
			t.Errorf("%x: %s is %#v, want %#v", more, column, got[column], want)
		}
		if got[schema.ColExtra] != extra || key.Extra != (extra != "") {
			t.Errorf("%x: extra is %s and the key says %v, want %s", more, got[schema.ColExtra], key.Extra, extra)
		}
	}
	join := slices.Concat[[]byte]
	// texts; one whose length is written longer than it need be
	f(textField(4, "é\x00😀"), "str", "é\x00😀", "")
	f(textField(6, strings.Repeat("x", 300)), "dict", strings.Repeat("x", 300), "")
	f(textField(5, ""), "str_null", "", "")
	f([]byte{0x22, 0x81, 0x80, 0x00, 'x'}, "str", "x", "")
	// the ends of every range; what is wider than its type is cut as protobuf says
	f(varintField(9, 254), "i8", int8(127), "")
	f(varintField(9, 255), "i8", int8(-128), "")
	f(varintField(11, 1<<32-1), "i32", int32(math.MinInt32), "")
	f(varintField(11, 1<<40+2), "i32", int32(1), "")
	f(varintField(12, math.MaxUint64), "i64", int64(math.MinInt64), "")
	f(varintField(14, 65535), "u16", uint16(65535), "")
	f(varintField(13, 1<<32+255), "u8", uint8(255), "")
	f(varintField(15, 1<<40+5), "u32", uint32(5), "")
	f(varintField(16, math.MaxUint64), "u64", uint64(math.MaxUint64), "")
	f(varintField(20, math.MaxUint64), "late", int64(-1), "")
	f(varintField(7, 2), "yes", true, "")
	f(varintField(8, 0), "yes_null", false, "")
	f(floatField(17, float32(math.Copysign(0, -1))), "f32", float32(math.Copysign(0, -1)), "")
	f(doubleField(18, math.MaxFloat64), "f64", math.MaxFloat64, "")
	// the last value wins, also over one that does not fit
	f(join(textField(4, "a"), textField(4, "b"), textField(4, "c")), "str", "c", "")
	f(join(textField(1, "d"), varintField(2, 7)), "seq", uint64(7), "") // of two in the schema's order, too
	f(join(textField(6, "a"), textField(6, "b"), textField(6, "a")), "dict", "a", "")
	f(join(varintField(13, 300), varintField(13, 7)), "u8", uint8(7), "")
	f(join(varintField(13, 7), varintField(13, 300)), "u8", nil, `{"u8":300}`)
	f(join(varintField(13, 300), varintField(13, 301)), "u8", nil, `{"u8":301}`)
	f(join(varintField(13, 300), varintField(13, 1), varintField(13, 302)), "u8", nil, `{"u8":302}`)
	f(textField(1, "other"), "device", "other", "")
	// an optional value that does not fit: NULL or zero, and kept by name
	f(varintField(9, 256), "i8", int8(0), `{"i8":128}`)
	f(varintField(10, 65537), "i16", nil, `{"i16":-32769}`)
	f(varintField(14, 65536), "u16", uint16(0), `{"u16":65536}`)
	f(floatField(17, float32(math.NaN())), "f32", nil, `{"f32":"NaN"}`)
	f(doubleField(18, math.Inf(1)), "f64", 0.0, `{"f64":"Infinity"}`)
	f(doubleField(18, math.Inf(-1)), "f64", 0.0, `{"f64":"-Infinity"}`)
	// fields nobody knows, by number, in ascending order
	f(varintField(27, math.MaxUint64), "str", "", `{"27":{"varint":18446744073709551615}}`)
	f(doubleField(27, 41.5), "str", "", `{"27":{"double":41.5}}`)
	f(doubleField(27, 42), "str", "", `{"27":{"double":42.0}}`)
	f(doubleField(27, math.Copysign(0, -1)), "str", "", `{"27":{"double":-0.0}}`)
	f(doubleField(27, 1e20), "str", "", `{"27":{"double":100000000000000000000.0}}`)
	f(doubleField(27, 1e300), "str", "", `{"27":{"double":1e+300}}`)
	f(doubleField(27, math.Inf(1)), "str", "", `{"27":{"fixed64":9218868437227405312}}`)
	f(floatField(27, 0.1), "str", "", `{"27":{"float":0.1}}`)
	f(floatField(27, float32(math.Inf(-1))), "str", "", `{"27":{"fixed32":4286578688}}`)
	f(textField(28, `{"a":"b"}`), "str", "", `{"28":{"string":"{\"a\":\"b\"}"}}`)
	f(textField(28, "\x00\xff"), "str", "", `{"28":{"bytes":"AP8="}}`)
	f(groupField(29, varintField(1, 150)), "str", "", `{"29":{"group":"CJYB"}}`)
	f(join(textField(30, "z"), varintField(27, 1)), "str", "", `{"27":{"varint":1},"30":{"string":"z"}}`)
	// more than once, and as more than one type
	f(join(varintField(27, 2), textField(30, ""), varintField(27, 1)), "str", "", `{"27":{"varint":[2,1]},"30":{"string":""}}`)
	f(join(textField(28, "a"), textField(28, "\xff")), "str", "", `{"28":{"bytes":["YQ==","/w=="]}}`)
	f(join(doubleField(27, 1), varintField(27, 1), doubleField(27, 2)), "str", "", `{"27":{"varint":1,"double":[1.0,2.0]}}`)
	// a known field in another wire type is another field, and beside its own
	f(textField(13, "97"), "u8", nil, `{"13":{"string":"97"}}`)
	f(join(varintField(13, 97), textField(13, "98")), "u8", uint8(97), `{"13":{"string":"98"}}`)
	f(join(varintField(13, 300), textField(13, "98")), "u8", nil, `{"u8":300,"13":{"string":"98"}}`)
	f(doubleField(2, 5), "seq", uint64(1), `{"2":{"double":5.0}}`)
	// our own columns are not for the sender
	f(textField(900, "{"), "str", "", `{"900":{"string":"{"}}`)
}

// Fields may come in any order, after one that was rejected, and be more than
// any word has bits.
func TestDecodeProtobufWide(t *testing.T) {
	s := wide(t)
	d := &decodeTest{s, schema.NewDecoder(s, schema.Protobuf, schema.DefaultMaxRecordBytes), schema.NewBlock(s)}
	_, err := d.decode(string(slices.Concat(varintField(64, 1), textField(1, "d"), varintField(3, noon), varintField(2, 1))))
	if want := "missing: field last is required and absent or null"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	want := row{
		"device": "d", "seq": uint64(1), "at": int64(noon), "last": "x", "extra": "",
		"_topic": "t", "_partition": int32(0), "_offset": int64(0), "_ingested_at": int64(noon), "_index": uint16(0),
	}
	for _, c := range s.Fields[3:139] {
		want[c.Name] = nil
	}
	value := slices.Concat(textField(140, "x"), textField(1, "d"), varintField(2, 1), varintField(3, noon))
	for _, id := range []int{4, 64, 65, 127, 128, 139} {
		want[s.Fields[id-1].Name] = int32(id)
		value = append(value, varintField(id, uint64(id)*2)...)
	}
	if _, err := d.decode(string(value)); err != nil {
		t.Fatal(err)
	}
	compare(t, s, d.block, []row{want})
}
