package schema_test

import (
	"math"
	"slices"
	"testing"

	"penstock/schema"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// FuzzDecodeProtobuf holds the decoder against Google's, for any bytes.
func FuzzDecodeProtobuf(f *testing.F) {
	s := everyType(f)
	m := newMessages(f, s)
	whole := m.encode(f, row{"device": "d", "seq": uint64(1), "at": int64(noon)})
	for _, more := range [][]byte{
		nil, {0x00}, {0x08}, {0x80}, {0x0f}, {0x0c}, {0x0a, 0x05, 'd'}, {0x22, 0x01, 0xff},
		varintField(13, 256), varintField(9, 255), varintField(11, 1<<40), varintField(7, 7),
		doubleField(18, math.NaN()), floatField(17, float32(math.Inf(1))), doubleField(17, 1),
		textField(27, "new"), textField(28, "\xff"), groupField(29, varintField(1, 1)),
		{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
	} {
		f.Add(slices.Concat(whole, more))
		f.Add(slices.Concat(more, whole))
	}
	const maxBytes = 4 << 10
	d := schema.NewDecoder(s, schema.Protobuf, maxBytes)
	f.Fuzz(func(t *testing.T, value []byte) {
		m.hold(t, d, schema.Record{Topic: "t", Partition: 3, Offset: 2, Time: noon, Value: value}, maxBytes)
	})
}

// TestDecodeProtobufAgainstReference does so for what is nearly an event: its
// fields in any order, some twice, some not, some unknown, some of another
// wire type, and sometimes cut off.
func TestDecodeProtobufAgainstReference(t *testing.T) {
	s := everyType(t)
	m := newMessages(t, s)
	d := schema.NewDecoder(s, schema.Protobuf, schema.DefaultMaxRecordBytes)
	rapid.Check(t, func(t *rapid.T) {
		m.hold(t, d, schema.Record{Topic: "t", Time: noon, Value: aMessage(t, s)}, schema.DefaultMaxRecordBytes)
	})
}

func aMessage(t *rapid.T, s *schema.Schema) []byte {
	var fields [][]byte
	for _, c := range s.Fields {
		switch {
		case c.Required && rapid.IntRange(0, 19).Draw(t, "spoil") > 0:
			fields = append(fields, map[schema.Type][]byte{
				schema.String: textField(c.ID, "device"), schema.UInt64: varintField(c.ID, 42), schema.TimestampMS: varintField(c.ID, noon)}[c.Type])
		case rapid.Bool().Draw(t, "present"):
			fields = append(fields, aField(t, c.ID, fitting(c.Type)))
		}
	}
	for range rapid.IntRange(0, 6).Draw(t, "more") {
		wire := rapid.SampledFrom([]protowire.Type{protowire.VarintType, protowire.Fixed64Type, protowire.BytesType, protowire.StartGroupType, protowire.Fixed32Type}).Draw(t, "wire")
		fields = append(fields, aField(t, rapid.SampledFrom([]int{1, 2, 6, 13, 17, 20, 21, 22, 899, 900, 1<<29 - 1}).Draw(t, "id"), wire))
	}
	message := slices.Concat(rapid.Permutation(fields).Draw(t, "order")...)
	if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
		message = message[:rapid.IntRange(0, len(message)).Draw(t, "at")]
	}
	return message
}

// fitting returns the wire type of a type.
func fitting(t schema.Type) protowire.Type {
	switch t {
	case schema.String:
		return protowire.BytesType
	case schema.Float32:
		return protowire.Fixed32Type
	case schema.Float64:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

func aField(t *rapid.T, id int, wire protowire.Type) []byte {
	texts := []string{"", "a", "é\n😀", "\x00", "\xff", "\xed\xa0\x80", `{"a":1}`}
	switch wire {
	case protowire.VarintType:
		v := rapid.SampledFrom([]uint64{0, 1, 2, 127, 128, 254, 255, 256, 300, 65535, 65536, math.MaxInt32, math.MaxUint32, math.MaxUint32 + 1, noon, math.MaxInt64, math.MaxUint64}).Draw(t, "varint")
		return varintField(id, v)
	case protowire.Fixed64Type:
		return doubleField(id, rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 42, 41.5, 1e20, 1e300, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(-1), math.Float64frombits(0x7ff0000000000001)}).Draw(t, "double"))
	case protowire.Fixed32Type:
		return floatField(id, rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 42, 0.1, 1e20, math.SmallestNonzeroFloat32, float32(math.NaN()), float32(math.Inf(1))}).Draw(t, "float"))
	case protowire.StartGroupType:
		return groupField(id, slices.Concat(varintField(1, 1), groupField(2, nil), textField(3, "x")))
	}
	return textField(id, rapid.SampledFrom(texts).Draw(t, "text"))
}

func varintField(id int, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(id), protowire.VarintType), v)
}

func doubleField(id int, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, protowire.Number(id), protowire.Fixed64Type), math.Float64bits(v))
}

func floatField(id int, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, protowire.Number(id), protowire.Fixed32Type), math.Float32bits(v))
}

func textField(id int, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, protowire.Number(id), protowire.BytesType), v)
}

func groupField(id int, fields []byte) []byte {
	return protowire.AppendGroup(protowire.AppendTag(nil, protowire.Number(id), protowire.StartGroupType), protowire.Number(id), fields)
}
