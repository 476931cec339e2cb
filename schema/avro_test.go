package schema_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"penstock/schema"

	"github.com/twmb/avro"
)

// What Schema.Avro declares is what another implementation writes and we read:
// every column has its value, and nothing is left to extra.
func TestAvroOfTheSchemaIsReadIntoItsColumns(t *testing.T) {
	s := everyType(t)
	codec, err := avro.Parse(s.Avro())
	if err != nil {
		t.Fatal(err)
	}
	w, err := schema.PlainAvro(s.Avro())
	if err != nil {
		t.Fatal(err)
	}
	d, err := schema.NewWrittenDecoder(s, w, schema.DefaultMaxRecordBytes)
	if err != nil {
		t.Fatal(err)
	}
	want := row{"device": "d", "seq": uint64(7), "at": int64(noon), "str": "é", "str_null": "x", "dict": "ok", "yes": true, "yes_null": false,
		"i8": int8(-128), "i16": int16(-3), "i32": int32(math.MinInt32), "i64": int64(math.MinInt64), "u8": uint8(255), "u16": uint16(65535),
		"u32": uint32(math.MaxUint32), "u64": uint64(math.MaxInt64), "f32": float32(0.1), "f64": 0.1, "time": int64(noon) + 1, "late": int64(-1)}
	values := map[string]any{}
	for name, v := range want {
		values[name] = v
	}
	value, err := codec.Encode(values)
	if err != nil {
		t.Fatal(err)
	}
	empty := map[string]any{"device": "d", "seq": int64(8), "at": int64(noon)}
	for _, c := range s.Fields {
		if !c.Required {
			empty[c.Name] = nil
		}
	}
	least, err := codec.Encode(empty)
	if err != nil {
		t.Fatal(err)
	}
	b := schema.NewBlock(s)
	for _, v := range [][]byte{value, least} {
		if _, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: v}, b); err != nil {
			t.Fatal(err)
		}
	}
	rows := read(t, s, b)
	for _, c := range s.Fields {
		if !same(rows[0][c.Name], want[c.Name]) {
			t.Errorf("%s is %#v, want %#v", c.Name, rows[0][c.Name], want[c.Name])
		}
		if zero, _ := goValue(c.Type, nil); !c.Required && (c.Nullable && rows[1][c.Name] != nil || !c.Nullable && !same(rows[1][c.Name], zero)) {
			t.Errorf("%s is %#v where it was null", c.Name, rows[1][c.Name])
		}
	}
	if rows[0][schema.ColExtra] != "" || rows[1][schema.ColExtra] != "" {
		t.Errorf("extra is %q and %q", rows[0][schema.ColExtra], rows[1][schema.ColExtra])
	}
}

func TestDecodeAvro(t *testing.T) {
	r := newRecords(t)
	d, b := r.decoder(t, schema.DefaultMaxRecordBytes), schema.NewBlock(r.schema)
	f := func(values map[string]any, extra string) {
		t.Helper()
		if _, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: r.encode(t, values)}, b); err != nil {
			t.Errorf("%v: %v", values, err)
			return
		}
		rows := read(t, r.schema, b)
		if got := rows[len(rows)-1][schema.ColExtra]; got != extra {
			t.Errorf("extra is\n%s\nwant\n%s", got, extra)
		}
	}
	f(nil, ``)
	// what the schema has no column for
	f(map[string]any{"more": "a\"\n"}, `{"more":"a\"\n"}`)
	f(map[string]any{"more": float32(42)}, `{"more":42.0}`)
	f(map[string]any{"more": []byte{0x41, 0xff}}, `{"more":"Aÿ"}`)
	f(map[string]any{"more": []any{nil, int32(1), "x"}}, `{"more":[null,1,"x"]}`)
	f(map[string]any{"more": map[string]any{"a": []any{nil}}}, `{"more":{"a":[null]}}`)
	f(map[string]any{"more": map[string]any{"value": float32(1.5), "next": nil}}, `{"more":{"value":1.5,"next":null}}`)
	// what does not fit its column
	f(map[string]any{"i8": int32(300), "f32": math.NaN()}, `{"i8":300,"f32":"NaN"}`)
	f(map[string]any{"f32": -1e39, "u8": int64(-1)}, `{"f32":-1e+39,"u8":-1}`)
	f(map[string]any{"late": int64(5), "time": "yesterday"}, `{"time":"yesterday","late":5}`)

	rejected := func(value []byte, want string) {
		t.Helper()
		rows := b.Rows()
		_, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: value}, b)
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) || rejection.Error() != want || b.Rows() != rows {
			t.Errorf("error is\n%v\nwant\n%s", err, want)
		}
	}
	plain := r.encode(t, nil)
	head := string(plain[:len(plain)-1])
	const which = "; was it written by another schema?"
	rejected(nil, "empty: the record has no value")
	rejected(plain[:len(plain)-1], "malformed: at byte 24: a union of 13 has no such branch"+which)
	rejected(append(plain, 1, 2), "malformed: 2 bytes follow the record, which ends at byte 25"+which)
	rejected([]byte(head+"\x0c\x06\xffab"), "malformed: at byte 25: it is text with invalid UTF-8"+which)
	rejected([]byte(head+"\x0c\x08ab"), "malformed: at byte 25: a length of 4"+which)
	rejected([]byte(head+"\x16\x04\x02a\x00\x02a\x00\x00"), `malformed: at byte 30: a map has the key "a" twice`+which)
	rejected([]byte(head+"\x16\x02\x02a\xfe\xff\x0f\x00"), "malformed: at byte 28: a block claims more items than the record has bytes"+which)
	rejected([]byte(head+"\x14\x03\x06\x00\x00\x00"), "malformed: at byte 25: a block claims 3 bytes and has 2"+which)
	rejected(r.encode(t, map[string]any{"seq": int64(-1)}), `type: field "seq" is -1; want a uint64`)
	rejected(r.encode(t, map[string]any{"device_name": ""}), "missing: field device is an empty string; it has to tell events apart")
	rejected(linked(r, t, 65), "nesting: the record is nested deeper than 64 levels")
}

// A writer's schema that can be no event's is told of before a record comes.
func TestAvroWriterThatFits(t *testing.T) {
	s := everyType(t)
	f := func(text, want string) {
		t.Helper()
		w, err := schema.PlainAvro(text)
		if err == nil {
			_, err = schema.NewWrittenDecoder(s, w, schema.DefaultMaxRecordBytes)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	record := func(fields string) string { return `{"type":"record","name":"r","fields":[` + fields + `]}` }
	const device, seq, at = `{"name":"device","type":"string"}`, `{"name":"seq","type":"long"}`, `{"name":"at","type":"long"}`
	f(record(device+","+seq+","+at), "")
	f(record(device+","+at), "record r, has no field seq, which is required")
	f(record(device+","+at+`,{"name":"number","aliases":["seq"],"type":["null","int"]}`), "")
	f(record(device+","+at+`,{"name":"seq","type":"string"}`), "field seq of the writer's schema is of type string, which is never a uint64, and required")
	f(record(device+","+seq+`,{"name":"at","type":{"type":"int","logicalType":"date"}}`), "which is never a timestamp_ms")
	f(`"long"`, "is of type long; want a record")
	f(`{"type":"record"`, "it is no Avro schema: ")
}
