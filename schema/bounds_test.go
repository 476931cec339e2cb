package schema_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// tight are bounds that a short event can be beyond.
var tight = schema.Bounds{Fields: 6, TextBytes: 20, ExtraBytes: 60, Nesting: 3, Events: 2}

// boundsTest decodes events of one encoding into a block.
type boundsTest struct {
	*testing.T
	d *schema.Decoder
	b *schema.Block
}

// f decodes the event, and expects that it is stored if want is empty.
func (t *boundsTest) f(name string, value []byte, want schema.Reason) {
	t.Helper()
	t.b.Reset()
	_, err := t.d.Decode(schema.Record{Time: noon, Value: value}, t.b)
	var why *schema.Rejection
	errors.As(err, &why)
	switch {
	case want == "" && err != nil, want != "" && (why == nil || why.Reason != want):
		t.Errorf("%s: %v; want %q", name, err, want)
	case want != "" && t.b.Rows() != 0:
		t.Errorf("%s: %d rows after a rejected event", name, t.b.Rows())
	}
}

func TestBoundsOfJSON(t *testing.T) {
	s := everyType(t)
	test := &boundsTest{t, schema.NewDecoder(s, schema.JSON, 10_000).Within(tight), schema.NewBlock(s)}
	f := func(name, more string, want schema.Reason) {
		t.Helper()
		// Twice, since the second time all but the values is predicted.
		for range 2 {
			test.f(name, []byte(`{"device":"d","seq":1,"at":1793000000000`+more+`}`), want)
		}
	}
	f("as many fields as may be", `,"a":1,"b":2,"c":3`, "")
	f("one more", `,"a":1,"b":2,"c":3,"d":4`, schema.ReasonFields)
	f("as many, some inside", `,"a":{"b":[{"c":3}]}`, "")
	f("one more inside", `,"a":{"b":[{"c":3}],"d":1}`, schema.ReasonFields)
	f("colons in a text", `,"str":"::::::::::"`, "")
	f("a text as long as may be", `,"str":"`+strings.Repeat("x", 20)+`"`, "")
	f("one byte more", `,"str":"`+strings.Repeat("x", 21)+`"`, schema.ReasonTooLong)
	f("of a column with a dictionary", `,"dict":"`+strings.Repeat("x", 21)+`"`, schema.ReasonTooLong)
	f("of a field that is unknown", `,"new":"`+strings.Repeat("x", 21)+`"`, schema.ReasonTooLong)
	f("inside of one", `,"new":["`+strings.Repeat("x", 21)+`"]`, schema.ReasonTooLong)
	f("a name as long as may be", `,"`+strings.Repeat("n", 20)+`":1`, "")
	f("one byte more of a name", `,"`+strings.Repeat("n", 21)+`":1`, schema.ReasonTooLong)
	f("a number as long as may be", `,"f64":0.`+strings.Repeat("1", 18), "")
	f("one digit more", `,"f64":0.`+strings.Repeat("1", 19), schema.ReasonTooLong)
	f("as much extra as may be", `,"a":"`+strings.Repeat("x", 20)+`","b":"`+strings.Repeat("x", 18)+`","c":10`, "")
	f("one byte more of extra", `,"a":"`+strings.Repeat("x", 20)+`","b":"`+strings.Repeat("x", 19)+`","c":10`, schema.ReasonTooLarge)
	f("nested as deep as may be", `,"new":[[[1]]]`, "")
	f("one level more", `,"new":[[[[1]]]]`, schema.ReasonNesting)
}

func TestBoundsOfProtobuf(t *testing.T) {
	s := everyType(t)
	d := newProtobufTest(t)
	test := &boundsTest{t, schema.NewDecoder(s, schema.Protobuf, 10_000).Within(tight), schema.NewBlock(s)}
	varints := func(fields int) (more []byte) {
		for i := range fields {
			more = protowire.AppendVarint(protowire.AppendTag(more, protowire.Number(1000+i), protowire.VarintType), 1)
		}
		return more
	}
	text := func(number protowire.Number, length int) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), strings.Repeat("x", length))
	}
	f := func(name string, more []byte, want schema.Reason) {
		t.Helper()
		test.f(name, slices.Concat(d.whole, more), want)
	}
	f("as many fields as may be", varints(2), "")
	f("one more", varints(4), schema.ReasonFields)
	f("one field again and again", slices.Repeat(varints(1), 4), schema.ReasonFields)
	f("a text as long as may be", text(1000, 20), "")
	f("one byte more", text(1000, 21), schema.ReasonTooLong)
	f("a group that is too long", slices.Concat(protowire.AppendTag(nil, 1000, protowire.StartGroupType), text(1, 18), protowire.AppendTag(nil, 1000, protowire.EndGroupType)), schema.ReasonTooLong)
	f("more extra than may be", slices.Concat(protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), strings.Repeat("\x01", 9)), varints(1)), schema.ReasonTooLarge)
	f("a length that is not there", append(protowire.AppendTag(nil, 1000, protowire.BytesType), 0xff, 0xff, 0xff, 0xff, 0x7f), schema.ReasonMalformed)
}

// wideAvro has fields that no column is named after: nulls that take no bytes, each
// with a name, and twice as many of them on every level.
func wideAvro(levels int) string {
	text := `{"type":"record","name":"R0","fields":[{"name":"nothing","type":"null"}]}`
	for i := 1; i <= levels; i++ {
		text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"one","type":%s},{"name":"two","type":"R%d"}]}`, i, text, i-1)
	}
	return fmt.Sprintf(`{"type":"record","name":"E","fields":[{"name":"device","type":"string"},{"name":"seq","type":"long"},{"name":"at","type":"long"},
		{"name":"more","type":["null",{"type":"array","items":"null"},{"type":"map","values":"int"},"string",%s]}]}`, text)
}

func newAvroBounds(t *testing.T, levels int) *boundsTest {
	t.Helper()
	s := everyType(t)
	w, err := schema.PlainAvro(wideAvro(levels))
	if err != nil {
		t.Fatal(err)
	}
	d, err := schema.NewWrittenDecoder(s, w, schema.DefaultMaxRecordBytes)
	if err != nil {
		t.Fatal(err)
	}
	return &boundsTest{t, d, schema.NewBlock(s)}
}

// avroEvent is an event of wideAvro with this device, and more of this branch.
func avroEvent(device string, branch int64, more ...byte) []byte {
	b := append(binary.AppendVarint(nil, int64(len(device))), device...)
	b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, 1), noon), branch)
	return append(b, more...)
}

func avroMap(keys int) []byte {
	b := binary.AppendVarint(nil, int64(keys))
	for i := range keys {
		key := fmt.Sprintf("k%06d", i)
		b = binary.AppendVarint(append(binary.AppendVarint(b, int64(len(key))), key...), 1)
	}
	return append(b, 0)
}

func TestBoundsOfAvro(t *testing.T) {
	test := newAvroBounds(t, 2)
	test.d.Within(tight)
	test.f("as many keys as may be", avroEvent("d", 2, avroMap(4)...), "")
	test.f("a device as long as may be", avroEvent(strings.Repeat("x", 20), 0), "")
	test.f("one byte more", avroEvent(strings.Repeat("x", 21), 0), schema.ReasonTooLong)
	test.f("a text in extra", avroEvent("d", 3, append([]byte{42}, strings.Repeat("x", 21)...)...), schema.ReasonTooLong)
	test.f("more extra than may be", avroEvent("d", 2, avroMap(6)...), schema.ReasonTooLarge)
	test.d.Within(schema.Bounds{Fields: 3, TextBytes: 1000, ExtraBytes: 1000, Nesting: 3, Events: 1})
	test.f("more keys than may be", avroEvent("d", 2, avroMap(4)...), schema.ReasonFields)
	test.f("nested as deep as may be", avroEvent("d", 4), "")
	test.d.Within(schema.Bounds{Fields: 3, TextBytes: 1000, ExtraBytes: 1000, Nesting: 2, Events: 1})
	test.f("one level more", avroEvent("d", 4), schema.ReasonNesting)
	test.f("a length that is not there", avroEvent("d", 3, 0xff, 0xff, 0xff, 0xff, 0x7f), schema.ReasonMalformed)
}

func TestBoundsOfEvents(t *testing.T) {
	split := schema.NewSplitter(schema.Batched, 100).Within(tight)
	for value, want := range map[string]schema.Reason{"1\n2": "", "1\n2\n3": schema.ReasonTooLarge, "[1,2]": "", "[1,2,3]": schema.ReasonTooLarge} {
		if events, why := split.Split([]byte(value)); want == "" && why != nil || want != "" && (why == nil || why.Reason != want) {
			t.Errorf("%q: %q, %v; want %q", value, events, why, want)
		}
	}
}

// hostile are records as large as one may be, each made to cost as much as it can.
func hostile(t *testing.T) map[string]func() (*boundsTest, []byte) {
	s := everyType(t)
	const size = schema.DefaultMaxRecordBytes
	fill := func(head, unit string, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail)
	}
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-100; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	event := `{"device":"d","seq":1,"at":1793000000000,`
	json := func(value []byte) func() (*boundsTest, []byte) {
		return func() (*boundsTest, []byte) {
			return &boundsTest{t, schema.NewDecoder(s, schema.JSON, size), schema.NewBlock(s)}, value
		}
	}
	proto := newProtobufTest(t)
	message := func(more []byte) func() (*boundsTest, []byte) {
		return func() (*boundsTest, []byte) {
			return &boundsTest{t, schema.NewDecoder(s, schema.Protobuf, size), schema.NewBlock(s)}, append(slices.Clone(proto.whole), more...)[:min(size, len(proto.whole)+len(more))]
		}
	}
	avro := func(levels int, value []byte) func() (*boundsTest, []byte) {
		return func() (*boundsTest, []byte) { return newAvroBounds(t, levels), value }
	}
	const room = size - 100 // beside what an event has to have
	return map[string]func() (*boundsTest, []byte){
		"arrays in arrays":           json(fill(event+`"new":`, "[", "")),
		"objects in objects":         json(fill(event+`"new":`, `{"a":`, "")),
		"names":                      json([]byte(event + strings.TrimSuffix(numbered(`"n%d":0,`), ",") + "}")),
		"names inside":               json([]byte(event + `"new":{` + strings.TrimSuffix(numbered(`"n%d":0,`), ",") + "}}")),
		"one name again and again":   json(fill(event, `"n":0,`, `"n":0}`)),
		"a text":                     json(fill(event+`"str":"`, "x", `"}`)),
		"a text of escapes":          json(fill(event+`"str":"`, `\u0000`, `"}`)),
		"a text of quotes":           json(fill(event+`"str":"`, `\"`, `"}`)),
		"a text without end":         json(fill(event+`"str":"`, `\\`, ``)),
		"a number":                   json(fill(event+`"f64":`, "9", "}")),
		"a fraction":                 json(fill(event+`"f32":0.`, "3", "}")),
		"an exponent":                json(fill(event+`"f64":1e`, "9", "}")),
		"a number for a column of 8": json(fill(event+`"i8":`, "1", "}")),
		"numbers in an array":        json(fill(event+`"new":[`, "1,", "1]}")),
		"blanks":                     json(fill(event, " ", `"i8":1}`)),
		"fields nobody knows":        message([]byte(strings.Repeat("\xc0\x3e\x01", room/3))),
		"fields, each another": message(func() (b []byte) {
			for i := protowire.Number(1 << 20); len(b) < room; i++ {
				b = protowire.AppendVarint(protowire.AppendTag(b, i, protowire.VarintType), 1)
			}
			return b
		}()),
		"groups in groups":     message([]byte(strings.Repeat("\xc3\x3e", room/2))),
		"control characters":   message(protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), strings.Repeat("\x01", room))),
		"texts of characters":  message([]byte(strings.Repeat(string(protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), strings.Repeat("\x01", 200_000))), 5))),
		"the same field again": message([]byte(strings.Repeat(string(proto.whole), room/len(proto.whole)))),
		"a length of 2^62":     message(append(protowire.AppendTag(nil, 1000, protowire.BytesType), binary.AppendUvarint(nil, 1<<62)...)),
		"keys":                 avro(2, avroEvent("d", 2, avroMap(room/10)...)),
		"nulls":                avro(2, avroEvent(strings.Repeat("d", 200_000), 1, append(binary.AppendVarint(nil, 200_000), 0)...)),
		"2^40 nulls":           avro(40, avroEvent("d", 4)),
		"2^62 items":           avro(2, avroEvent("d", 1, binary.AppendVarint(nil, 1<<62)...)),
		"a text of 2^62":       avro(2, avroEvent("d", 3, binary.AppendVarint(nil, 1<<62)...)),
	}
}

// However a record is made, decoding it allocates no more than a few times what the
// record has, and a decoder that has met it keeps no more.
func TestHostileRecordsTakeLittleMemory(t *testing.T) {
	const most = 12 << 20
	for name, make := range hostile(t) {
		test, value := make()
		if len(value) > schema.DefaultMaxRecordBytes {
			t.Fatalf("%s: %d bytes", name, len(value))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := test.d.Decode(schema.Record{Time: noon, Value: value}, test.b)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > most {
			t.Errorf("%s: %d MiB were allocated for a record of %d KiB (%.100v)", name, took>>20, len(value)>>10, err)
		}
	}
}

// BenchmarkHostile is what a byte of each costs: the same of a record a quarter as
// long, or it is not linear.
func BenchmarkHostile(b *testing.B) {
	s := schema.Telemetry()
	head := `{"device_id":"d","seq":1,"ts":1793000000000,`
	for name, unit := range map[string]string{"names": `"n%07d":0,`, "texts": `"n%07d":"\u0000\"\\",`, "nested": `"n%07d":[[[[{"a":[]}]]]],`, "digits": `"n%07d":123456789012345678901234567890,`} {
		for _, fields := range []int{500, 2000} {
			value := head
			for i := range fields {
				value += fmt.Sprintf(unit, i)
			}
			value = value[:len(value)-1] + "}"
			b.Run(fmt.Sprintf("%s/%d", name, fields), func(b *testing.B) {
				d, block := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
				b.SetBytes(int64(len(value)))
				for b.Loop() {
					block.Reset()
					if _, err := d.Decode(schema.Record{Time: noon, Value: []byte(value)}, block); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// What a device chose of a rejection's detail does nothing to a terminal or a log.
func TestDetailsAreHarmless(t *testing.T) {
	s := everyType(t)
	d, b := schema.NewDecoder(s, schema.JSON, 1<<20), schema.NewBlock(s)
	for _, value := range []string{
		"{\"device\":[\"\u009b31m\u202e\x7f\"]}",
		"{\"device\":\"d\",\"seq\":\"\u2028\u0085\"}",
		"{\"\x1b[2J\x1b]0;owned\x07\":1}",
		"{\"" + strings.Repeat("a/b", 10_000) + "\":[}",
		strings.Repeat(`{"`+strings.Repeat("n", 200)+`":`, 60) + "!",
	} {
		_, err := d.Decode(schema.Record{Time: noon, Value: []byte(value)}, b)
		var why *schema.Rejection
		if !errors.As(err, &why) {
			t.Fatalf("%.50q: %v; want a rejection", value, err)
		}
		if strings.ContainsFunc(why.Detail, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e }) || len(why.Detail) > 2000 {
			t.Errorf("%.50q: the detail is %.300q, of %d bytes", value, why.Detail, len(why.Detail))
		}
	}
	if detail := schema.Refused(errors.New("row \x1b[31m\nDB::Exception")).Detail; detail != `row \x1b[31m\nDB::Exception` {
		t.Errorf("refused: %q", detail)
	}
}
