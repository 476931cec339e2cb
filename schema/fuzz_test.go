package schema_test

import (
	"bytes"
	"errors"
	"slices"
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
	const maxBytes = 4 << 10
	d := schema.NewDecoder(s, schema.JSON, maxBytes)
	before := schema.Record{Topic: "t", Offset: 1, Time: noon, Value: []byte(`{"device":"d","seq":1,"at":1793000000000}`)}
	f.Fuzz(func(t *testing.T, value []byte) {
		b := schema.NewBlock(s)
		if _, err := d.Decode(before, b); err != nil {
			t.Fatal(err)
		}
		// In a fetch the next record stands behind the value.
		fetched := slices.Concat(value, []byte("next"))
		r := schema.Record{Topic: "t", Partition: 3, Offset: 2, Time: noon, Value: fetched[:len(value)]}
		want, extra, reasons := reference(s, r, maxBytes)
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
	})
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
