package schema_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/schema"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// FuzzDecode holds the decoder against the reference, for any bytes.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `{}`, `null`, `[1]`, `{"device":"d"`, `{"device":"d","device":"e"}`,
		`{"device":"d","seq":1,"at":1793000000000}`,
		`{"device":"d","seq":1,"at":"2026-10-26T10:13:20Z","str":"\ud83d\ude00","dict":"x","new":{"a":[1,2]}}`,
		`{"device":"d","seq":1,"at":1793000000000,"i8":128,"i16":-0,"u8":-0,"f32":1e39,"f64":1e-400,"yes":1}`,
		`{"device":"d","seq":1,"at":1793000000000,"dev\u0069ce":"e"}`,
		"{\"device\":\"d\",\"seq\":1,\"at\":1793000000000,\"str\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	s := everyType(f)
	f.Fuzz(func(t *testing.T, value []byte) {
		// The first time nothing is known of its shape, the second time all is.
		d := schema.NewDecoder(s, schema.JSON, fuzzMaxBytes)
		for range 2 {
			checkDecode(t, s, d, value)
		}
	})
}

// odd are values at the edges of what a reader may take for a number, a string
// or anything else.
var odd = []string{
	`0`, `-0`, `00`, `01`, `-01`, `-`, `+1`, `1.`, `.5`, `-.5`, `0.5`, `-0.0`, `00.5`, `1.5.5`, `12x`, `0x10`, `1_000`, `1e3`, `1E+3`, `1e`, `1e-`, `1e400`, `1e-400`, `-1e-7`,
	`127`, `128`, `-128`, `-129`, `255`, `256`, `32767`, `32768`, `-32769`, `65535`, `65536`, `2147483648`, `-2147483649`, `4294967295`, `4294967296`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `18446744073709551615`, `18446744073709551616`, `99999999999999999999999`,
	`16777216`, `16777217`, `16777219.5`, `6976442.49`, `0.00000000001`, `0.1`, `0.12345678901`, `1.00000017881393432617187499`, `9007199254740993`, `9007199254740993.0`, `0.30000000000000004`, `3.4028235677973366e38`, `123456789012345678.9`,
	`null`, `nul`, `nullx`, `true`, `trueish`, `false`, `fals`, `NaN`, `Infinity`,
	`""`, `"a`, `"a"b`, `"seven c"`, `"eight ch"`, `"nine char"`, `"é"`, `"a long text with é in it"`, `"\n"`, `"\u0041"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"tab\there\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\x80\"",
	`"2026-10-26T10:13:20Z"`, `"2026-10-26T10:13:20.5+02:00"`, `"yesterday"`, `'a'`,
	`{}`, `[]`, `{"a":1,"a":2}`, `{"a":[1,{"b":null}]}`, `[1,]`, `[1 2]`, strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	``, ` 1 `, "1\n", `1,"device":"e"`, `1,"more":1`, `1}`, `1}}`, `1 } `,
}

// FuzzPredicted has the decoder know all of an event but one value.
func FuzzPredicted(f *testing.F) {
	s := everyType(f)
	for _, c := range append(slices.Clone(s.Fields), schema.Column{Name: "new"}) {
		for _, value := range odd {
			f.Add(c.Name, []byte(value))
		}
	}
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		members := [][2]string{{"device", `"d"`}, {"seq", `1`}, {"at", `1793000000000`}}
		at := slices.IndexFunc(members, func(m [2]string) bool { return m[0] == name })
		if at < 0 {
			at = len(members)
			members = append(members, [2]string{name, "null"})
		}
		write := func() []byte {
			var b []byte
			for _, m := range members {
				b = fmt.Appendf(b, ",%q:%s", m[0], m[1])
			}
			b[0] = '{'
			return append(b, '}')
		}
		known := write()
		members[at][1] = string(value)
		d := schema.NewDecoder(s, schema.JSON, fuzzMaxBytes)
		checkDecode(t, s, d, known)
		checkDecode(t, s, d, write())
	})
}

const fuzzMaxBytes = 4 << 10

// checkDecode fails unless the decoder makes of value what the reference does.
func checkDecode(t *testing.T, s *schema.Schema, d *schema.Decoder, value []byte) {
	t.Helper()
	b := schema.NewBlock(s)
	before := schema.Record{Topic: "t", Offset: 1, Time: noon, Value: []byte(`{"device":"d","seq":1,"at":1793000000000}`)}
	if _, err := d.Decode(before, b); err != nil {
		t.Fatal(err)
	}
	// In a fetch the next record stands behind the value.
	fetched := slices.Concat(value, []byte("next"))
	r := schema.Record{Topic: "t", Partition: 3, Offset: 2, Time: noon, Value: fetched[:len(value)]}
	want, extra, reasons := reference(s, r, fuzzMaxBytes)
	key, err := d.Decode(r, b)
	if string(fetched) != string(value)+"next" {
		t.Fatalf("the fetch was written to: %q", fetched)
	}
	rows := 1
	if err == nil {
		rows = 2
	}
	for _, c := range b.Input() {
		if c.Data.Rows() != rows {
			t.Fatalf("column %s has %d rows, want %d", c.Name, c.Data.Rows(), rows)
		}
	}
	if err != nil {
		var rejection *schema.Rejection
		if !errors.As(err, &rejection) || !slices.Contains(reasons, rejection.Reason) {
			t.Fatalf("error is %v, want a rejection for one of %v", err, reasons)
		}
		return
	}
	if len(reasons) > 0 {
		t.Fatalf("accepted, want a rejection for one of %v", reasons)
	}
	got := read(t, s, b)[1]
	checkExtra(t, got[schema.ColExtra].(string), extra)
	want[schema.ColExtra] = got[schema.ColExtra]
	for _, c := range s.Columns() {
		if !same(got[c.Name], want[c.Name]) {
			t.Fatalf("%s is %#v, want %#v", c.Name, got[c.Name], want[c.Name])
		}
	}
	if day := schema.DayOf(want["at"].(int64)); key.Day != day || key.Identity.Seq != want["seq"] {
		t.Fatalf("key is %+v, want seq %v of %v", key, want["seq"], day)
	}
}

// checkExtra fails unless extra is empty, or an object of exactly these
// members and their very text.
func checkExtra(t rapid.TB, extra string, want map[string]jsontext.Value) {
	t.Helper()
	if extra == "" && len(want) == 0 {
		return
	}
	var got map[string]jsontext.Value
	if err := json.Unmarshal([]byte(extra), &got); err != nil {
		t.Fatalf("extra is %q: %v", extra, err)
	}
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("extra is %q, want members %v", extra, want)
	}
	for name, value := range want {
		if !bytes.Equal(got[name], value) {
			t.Fatalf("extra has %q: %s, want %s", name, got[name], value)
		}
	}
}
