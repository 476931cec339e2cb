package schema_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"penstock/schema"

	"pgregory.net/rapid"
)

// oddAvro are values by field at the edges of what fits.
var oddAvro = map[string][]any{
	"seq":         {int64(0), int64(-1), int64(math.MaxInt64)},
	"at":          {int64(0), int64(noon)*1000 + 999, int64(-1)},
	"device_name": {"", "é", "a long name of a device, of more than one line of a cache or of what fits in a varint's first byte, which is 64 and was 63"},
	"i8":          {nil, int32(127), int32(128), int32(-129), "12", ""},
	"f32":         {nil, 0.1, 1e39, -1e39, 1e-50, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)},
	"f64":         {nil, float32(0.1), float32(math.Inf(1)), int32(-7)},
	"str":         {nil, "text", "", []byte("bytes"), []byte{0xff, 0, '"'}},
	"dict":        {"ok", "fault"},
	"str_null":    {nil, "ok", []byte("abcd"), []byte{0, 1, 0xfe, 0xff}},
	"yes":         {true, false},
	"yes_null":    {nil, true, int32(1)},
	"i16":         {int32(32767), int32(32768), int32(-32769), int32(math.MinInt32)},
	"u8":          {nil, int64(255), int64(256), int64(-1), int64(math.MinInt64)},
	"u64":         {nil, int64(math.MaxInt64), int64(-1)},
	"time":        {nil, int64(-1), "2026-10-26T10:13:20.0019Z", "yesterday"},
	"late":        {nil, int64(noon)},
	"more": {nil, int32(-5), int64(1) << 62, float32(1), 1e300, false, "a\"\n", []byte{0x80}, []byte("four"), "warn",
		[]any{}, []any{nil, int32(1), "x"}, map[string]any{}, map[string]any{"a": []any{nil, nil}, "é\"": []any{}},
		map[string]any{"value": float32(1.5), "next": map[string]any{"value": float32(-0.1), "next": nil}}},
}

// linked returns a record of nodes, each inside the one before.
func linked(r records, t rapid.TB, nodes int) []byte {
	head := r.encode(t, nil)
	head = head[:len(head)-1] // the branch of more, which is null
	node := []byte{0, 0, 0x80, 0x3f}
	return slices.Concat(head, []byte{12 << 1}, slices.Repeat(append(node, 1<<1), nodes-1), append(node, 0))
}

// FuzzDecodeAvro holds the decoder against another implementation, for any bytes.
func FuzzDecodeAvro(f *testing.F) {
	r := newRecords(f)
	for name, values := range oddAvro {
		for _, v := range values {
			f.Add(r.encode(f, map[string]any{name: v}))
		}
	}
	plain := r.encode(f, nil)
	head := plain[:len(plain)-1]
	for _, more := range []string{
		"\x14\x04\x00\x00\x00",                                 // an array of two nulls
		"\x14\x03\x04\x00\x00\x00",                             // as a block with its length
		"\x14\x03\x06\x00\x00\x00",                             // with another
		"\x14\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",     // so many items that their number is the largest
		"\x14\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", // the least number
		"\x16\x04\x02a\x00\x02a\x00\x00",                       // a map with a key twice
		"\x16\x02\x02a\xfe\xff\x0f\x00",                        // a flood of nulls
		"\x0c\x02\xff", "\x0c\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "\x1a", "\x01", "\x0a\x02", "\x00\x00",
	} {
		f.Add(slices.Concat(head, []byte(more)))
	}
	f.Add(linked(r, f, 64))
	f.Add(linked(r, f, 65))
	d := r.decoder(f, fuzzMaxBytes)
	f.Fuzz(func(t *testing.T, value []byte) {
		r.hold(t, d, schema.Record{Topic: "t", Partition: 3, Offset: 2, Time: noon, Value: value}, fuzzMaxBytes)
	})
}

// TestDecodeAvroAgainstReference does so for what is nearly an event: odd values,
// some bytes of it changed, and sometimes cut off or followed by others.
func TestDecodeAvroAgainstReference(t *testing.T) {
	r := newRecords(t)
	d := r.decoder(t, schema.DefaultMaxRecordBytes)
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]any{}
		for name := range least() {
			if rapid.Bool().Draw(t, "odd") {
				values[name] = rapid.SampledFrom(oddAvro[name]).Draw(t, name)
			}
		}
		value := r.encode(t, values)
		for range max(0, rapid.IntRange(-8, 3).Draw(t, "changes")) {
			value[rapid.IntRange(0, len(value)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		switch rapid.IntRange(0, 9).Draw(t, "end") {
		case 0:
			value = value[:rapid.IntRange(0, len(value)).Draw(t, "cut")]
		case 1:
			value = append(value, strings.Repeat("\x00", rapid.IntRange(1, 3).Draw(t, "more"))...)
		}
		r.hold(t, d, schema.Record{Topic: "t", Time: noon, Value: value}, schema.DefaultMaxRecordBytes)
	})
}
