package schema_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"penstock/schema"

	"github.com/cespare/xxhash/v2"
)

// decodeTest decodes a record into a block that holds a row already.
type decodeTest struct {
	schema  *schema.Schema
	decoder *schema.Decoder
	block   *schema.Block
}

func newDecodeTest(t *testing.T, s *schema.Schema) *decodeTest {
	t.Helper()
	d := &decodeTest{s, schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)}
	if _, err := d.decode(event("")); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *decodeTest) decode(value string) (schema.Key, error) {
	return d.decoder.Decode(schema.Record{Topic: "t", Time: noon, Value: []byte(value)}, d.block)
}

// event is a complete event with more members.
func event(members string) string {
	return fmt.Sprintf(`{"device":"d","seq":1,"at":%d%s}`, noon, members)
}

func TestDecodeRejects(t *testing.T) {
	d := newDecodeTest(t, everyType(t))
	f := func(value, want string) {
		t.Helper()
		bytes := d.block.Bytes()
		_, err := d.decode(value)
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("error is %v, want a rejection", err)
		}
		if rejection.Error() != want {
			t.Errorf("rejected as\n%s\nwant\n%s", rejection, want)
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
	// nothing there
	f("", "empty: the record has no value")
	f(" \n", "malformed: the record is blank")
	// a 2 MiB record
	f(event(`,"new":"`+strings.Repeat("x", 2<<20)+`"`), "too_large: the record has 2097202 bytes; at most 1048576 are decoded")
	// not JSON
	f(`hello`, `malformed: invalid character 'h' at start of value`)
	f(`{"device":"d","seq":1`, `malformed: unexpected EOF after offset 21`)
	f(`{"device":"d",}`, `malformed: invalid character ',' at start of value after offset 13`)
	f(`{"device":'d'}`, `malformed: invalid character '\'' at start of value within "/device" after offset 10`)
	f(event(`,"f64":NaN`), `malformed: invalid character 'N' at start of value within "/f64" after offset 47`)
	f(event(`,"i8":01`), `malformed: invalid character '1' after object value (expecting ',' or '}') after offset 47`)
	f("\ufeff"+event(""), `malformed: invalid character '\ufeff' at start of value`)
	f(event("")+`{}`, "malformed: something follows the object, which ends at byte 41")
	f(event("")+`x`, "malformed: something follows the object, which ends at byte 41")
	// invalid UTF-8, also as half a surrogate pair
	f(event(",\"str\":\"\xff\""), `malformed: invalid UTF-8 within "/str" after offset 48`)
	f(event(`,"str":"\ud83d"`), "malformed: invalid surrogate pair `\\ud83d\"}` in string within \"/str\" after offset 48")
	// duplicate names, known, unknown, spelled in two ways, and further in
	f(event(`,"seq":2`), `malformed: duplicate object member name "seq"`)
	f(event(`,"dict":"new to the dictionary","seq":2`), `malformed: duplicate object member name "seq"`)
	f(event(`,"new":1,"new":1`), `malformed: duplicate object member name "new"`)
	f(event(`,"s\u0065q":2`), `malformed: duplicate object member name "seq"`)
	f(event(`,"new":1,"n\u0065w":1`), `malformed: duplicate object member name "new"`)
	f(event(`,"i8":"misfit","i8":1`), `malformed: duplicate object member name "i8"`)
	f(event(`,"new":{"a":1,"a":2}`), `malformed: duplicate object member name "a" within "/new"`)
	// nesting: kept up to 64 levels
	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	f(event(`,"new":`+deep(65)), `nesting: field "new" is nested deeper than 64 levels`)
	f(event(`,"i8":`+deep(1_000)), `nesting: field "i8" is nested deeper than 64 levels`)
	f(event(`,"new":`+deep(10_000)), "nesting: the record is nested deeper than 64 levels")
	f(event(`,"new":`+strings.Repeat(`{"a":`, 10_000)), "nesting: the record is nested deeper than 64 levels")
	f(deep(20_000), "nesting: the record is nested deeper than 64 levels")
	// JSON, but no object
	f(`null`, "not_object: the value is a JSON null, not an object")
	f(`[{"device":"d"}]`, "not_object: the value is a JSON [, not an object")
	f(`"text"`, "not_object: the value is a JSON string, not an object")
	f(`12`, "not_object: the value is a JSON number, not an object")
	// no identity
	f(`{}`, "missing: field device is required and absent or null")
	f(`{"device":"d","at":1793000000000}`, "missing: field seq is required and absent or null")
	f(`{"device":null,"seq":1,"at":1793000000000}`, "missing: field device is required and absent or null")
	f(`{"device":"","seq":1,"at":1793000000000}`, "missing: field device is an empty string; it has to tell events apart")
	// identity of another type
	f(`{"device":17,"seq":1,"at":1793000000000}`, "type: field device is 17; want a string")
	f(`{"device":"d","seq":-1,"at":1793000000000}`, "type: field seq is -1; want a uint64")
	f(`{"device":"d","seq":"1","at":1793000000000}`, `type: field seq is "1"; want a uint64`)
	f(`{"device":"d","seq":1e3,"at":1793000000000}`, "type: field seq is 1e3; want a uint64")
	f(`{"device":"d","seq":18446744073709551616,"at":1793000000000}`, "type: field seq is 18446744073709551616; want a uint64")
	f(`{"device":["x`+strings.Repeat("é", 99)+`"]}`, `type: field device is ["x`+strings.Repeat("é", 30)+`...; want a string`)
	f(`{"device":"d","seq":1,"at":"yesterday"}`, `type: field at is "yesterday"; want a timestamp_ms`)
	f(`{"device":"d","seq":1,"at":1793000000.5}`, `type: field at is 1793000000.5; want a timestamp_ms`)
	// a clock that was never set, one ten years ahead, and one that counts nanoseconds
	f(`{"device":"d","seq":1,"at":0}`, "time: field at is 1970-01-01T00:00:00Z; want 2015-01-01T00:00:00Z to 2026-10-27T07:33:20Z, the record's timestamp and 24h0m0s")
	f(`{"device":"d","seq":1,"at":"2036-10-26T00:00:00Z"}`, "time: field at is 2036-10-26T00:00:00Z; want 2015-01-01T00:00:00Z to 2026-10-27T07:33:20Z, the record's timestamp and 24h0m0s")
	f(`{"device":"d","seq":1,"at":1793000000000000000}`, "time: field at is 56819878-02-21T19:33:20Z; want 2015-01-01T00:00:00Z to 2026-10-27T07:33:20Z, the record's timestamp and 24h0m0s")
}

func TestDecodeTimeBounds(t *testing.T) {
	s := everyType(t)
	d, b := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	f := func(at, recordTime int64, credible bool) {
		t.Helper()
		value := fmt.Appendf(nil, `{"device":"d","seq":1,"at":%d}`, at)
		key, err := d.Decode(schema.Record{Time: recordTime, Value: value}, b)
		if (err == nil) != credible {
			t.Errorf("time %d in a record of %d: %v, want credible %v", at, recordTime, err, credible)
		}
		if err == nil && (key.Time != at || key.Day != schema.DayOf(at)) {
			t.Errorf("time is %d of %v, want %d of %v", key.Time, key.Day, at, schema.DayOf(at))
		}
	}
	day := (24 * time.Hour).Milliseconds()
	first := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	last := time.Date(2149, 6, 7, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
	f(first, noon, true)
	f(first-1, noon, false)
	f(noon+day, noon, true)
	f(noon+day+1, noon, false)
	// the record's own clock is broken too
	f(last, last, true)
	f(last+1, last, false)
	f(last, math.MaxInt64, true)
	f(last+1, math.MaxInt64, false)
	f(noon, -1, false)
	f(noon, math.MinInt64, false)
}

func TestDecodeStores(t *testing.T) {
	d := newDecodeTest(t, everyType(t))
	// f expects the column to hold want, and extra to hold what it says.
	f := func(members, column string, want any, extra string) {
		t.Helper()
		key, err := d.decode(event(members))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			return
		}
		got := read(t, d.schema, d.block)[d.block.Rows()-1]
		if !same(got[column], want) {
			t.Errorf("%s: %s is %#v, want %#v", members, column, got[column], want)
		}
		if got[schema.ColExtra] != extra || key.Extra != (extra != "") {
			t.Errorf("%s: extra is %s and the key says %v, want %s", members, got[schema.ColExtra], key.Extra, extra)
		}
	}
	// escapes, in a value and in a name
	f(`,"str":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é😀"`, "str", "a\"\\/\b\f\n\r\té😀 é😀", "")
	f(`,"str":"\u0000"`, "str", "\x00", "")
	f(`,"dict":"\u006Fk"`, "dict", "ok", "")
	f(`,"d\u0069ct":"x"`, "dict", "x", "")
	// numbers
	f(`,"i32":-0`, "i32", int32(0), "")
	f(`,"f64":-0`, "f64", math.Copysign(0, -1), "")
	f(`,"f32":-0.0`, "f32", float32(math.Copysign(0, -1)), "")
	f(`,"f64":1e3`, "f64", 1000.0, "")
	f(`,"f64":1e-400`, "f64", 0.0, "")
	f(`,"f64":0.1000000000000000055511151231257827`, "f64", 0.1, "")
	f(`,"f32":16777217`, "f32", float32(16777216), "")
	// an optional value that does not fit: NULL or zero, and kept
	f(`,"i32":1e3`, "i32", int32(0), `{"i32":1e3}`)
	f(`,"i32":1.0`, "i32", int32(0), `{"i32":1.0}`)
	f(`,"i8":128`, "i8", int8(0), `{"i8":128}`)
	f(`,"u8":-1`, "u8", nil, `{"u8":-1}`)
	f(`,"u64":-0`, "u64", uint64(0), `{"u64":-0}`)
	f(`,"i64":9223372036854775808`, "i64", nil, `{"i64":9223372036854775808}`)
	f(`,"f32":1e39`, "f32", nil, `{"f32":1e39}`)
	f(`,"f64":1e400`, "f64", 0.0, `{"f64":1e400}`)
	f(`,"f32":"1.5"`, "f32", nil, `{"f32":"1.5"}`)
	f(`,"f32":"NaN"`, "f32", nil, `{"f32":"NaN"}`)
	f(`,"yes_null":1`, "yes_null", nil, `{"yes_null":1}`)
	f(`,"yes_null":"true"`, "yes_null", nil, `{"yes_null":"true"}`)
	f(`,"str_null":5`, "str_null", nil, `{"str_null":5}`)
	f(`,"dict":["x"]`, "dict", "", `{"dict":["x"]}`)
	f(`,"i8":{"a":1}`, "i8", int8(0), `{"i8":{"a":1}}`)
	// timestamps
	f(`,"late":"2026-11-23T10:00:00.1239+01:00"`, "late", int64(1795424400123), "")
	f(`,"late":"2026-11-23T09:00:00\u005a"`, "late", int64(1795424400000), "")
	f(`,"late":-1`, "late", int64(-1), "")
	f(`,"late":"1969-12-31T23:59:59.9995Z"`, "late", int64(-1), "")
	f(`,"late":"2026-11-23 09:00:00"`, "late", nil, `{"late":"2026-11-23 09:00:00"}`)
	f(`,"late":"2026-02-30T00:00:00Z"`, "late", nil, `{"late":"2026-02-30T00:00:00Z"}`)
	f(`,"late":""`, "late", nil, `{"late":""}`)
	// null is as absent, also of an unknown field's
	f(`,"i8":null`, "i8", int8(0), "")
	f(`,"str_null":null`, "str_null", nil, "")
	// unknown fields, in the order and the words they came in
	f(`,"new":1`, "str", "", `{"new":1}`)
	f(`,"b":{"c":[1, {"d":null}]} , "a" : "\u00e9" ,"i8":"x","":0`, "i8", int8(0), `{"b":{"c":[1, {"d":null}]},"a":"\u00e9","i8":"x","":0}`)
	f(`,"new":null`, "str", "", `{"new":null}`)
	f(`,"new":"[[\"{{"`, "str", "", `{"new":"[[\"{{"}`)
	braces := `"\"` + strings.Repeat("{", 65) + `\\"` // a string, whatever is in it
	f(`,"new":`+braces, "str", "", `{"new":`+braces+`}`)
	f(`,"Device":"other"`, "device", "d", `{"Device":"other"}`)
	// our own columns are not for the sender
	f(`,"extra":"{"`, "str", "", `{"extra":"{"}`)
	f(`,"_offset":5`, schema.ColOffset, int64(0), `{"_offset":5}`)
	// nesting as deep as it may be
	deep := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	f(`,"new":`+deep, "str", "", `{"new":`+deep+`}`)
	// a text as long as it may be
	long := strings.Repeat("x", schema.DefaultBounds().TextBytes)
	f(`,"str":"`+long+`"`, "str", long, "")
}

func TestDecodeClamp(t *testing.T) {
	s := everyType(t)
	s.Time.Ahead = schema.AheadClamp
	d, b := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	day := (24 * time.Hour).Milliseconds()
	f := func(at, recordTime int64, more string, wantTime int64, wantExtra string) {
		t.Helper()
		b.Reset()
		key, err := d.Decode(schema.Record{Time: recordTime, Value: fmt.Appendf(nil, `{"device":"d","seq":1,"at":%d%s}`, at, more)}, b)
		if err != nil {
			t.Fatal(err)
		}
		if key.Time != at || key.Day != schema.DayOf(wantTime) || key.Extra != (wantExtra != "") {
			t.Errorf("key is %+v, want the device's time %d on %v", key, at, schema.DayOf(wantTime))
		}
		got := read(t, s, b)[0]
		if got["at"] != wantTime || got[schema.ColExtra] != wantExtra {
			t.Errorf("stored %v with extra %q, want %d with %q", got["at"], got[schema.ColExtra], wantTime, wantExtra)
		}
	}
	f(noon+day, noon, "", noon+day, "")
	f(noon+day+1, noon, "", noon, fmt.Sprintf(`{"at":%d}`, noon+day+1))
	f(noon+4000*day, noon, `,"new":{"a":1}`, noon, fmt.Sprintf(`{"new":{"a":1},"at":%d}`, noon+4000*day))

	// What is too early has no better time, and neither has a record of 1970.
	for _, r := range []schema.Record{
		{Time: noon, Value: []byte(`{"device":"d","seq":1,"at":0}`)},
		{Time: 0, Value: []byte(`{"device":"d","seq":1,"at":1793000000000}`)},
	} {
		if _, err := d.Decode(r, b); err == nil || !strings.HasPrefix(err.Error(), "time: ") {
			t.Errorf("%s: error is %v, want one for its time", r.Value, err)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	text := func(identity string) string {
		return `
name: e
version: 1
identity: ` + identity + `
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
  - {id: 4, name: uid, type: string, required: true}
`
	}
	f := func(identity string, want schema.Identity) {
		t.Helper()
		s, err := schema.Parse([]byte(text(identity)))
		if err != nil {
			t.Fatal(err)
		}
		d, b := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
		key, err := d.Decode(schema.Record{Time: noon, Value: []byte(event(`,"uid":"u\u0031"`))}, b)
		if err != nil {
			t.Fatal(err)
		}
		if want := (schema.Key{Identity: want, Time: noon, Day: schema.DayOf(noon)}); key != want {
			t.Errorf("identity %s: key is %+v, want %+v", identity, key, want)
		}
	}
	f("[device, seq]", schema.Identity{Device: xxhash.Sum64String("d"), Seq: 1})
	f("[seq]", schema.Identity{Seq: 1})
	f("[uid]", schema.Identity{Seq: xxhash.Sum64String("u1")})

	s, err := schema.Parse([]byte(text("[uid]")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes).Decode(
		schema.Record{Time: noon, Value: []byte(event(`,"uid":""`))}, schema.NewBlock(s))
	if want := "missing: field uid is an empty string; it has to tell events apart"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}
