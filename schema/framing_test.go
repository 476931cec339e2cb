package schema_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/schema"
)

func TestSplit(t *testing.T) {
	f := func(value string, want ...string) {
		t.Helper()
		events, rej := schema.NewSplitter(schema.Batched, 200).Split([]byte(value))
		var got []string
		for _, e := range events {
			got = append(got, string(e))
		}
		if rej != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", value, got, rej, want)
		}
	}
	f(`{"a":1}`, `{"a":1}`)
	f(" {\"a\":1}\r\n\n\t{\"a\":2} \n", `{"a":1}`, `{"a":2}`)
	f(`[{"a":1}]`, `{"a":1}`)
	f("\n[ {\"a\":[1,{\"b\":2}]} ,\n{\"a\":2}\n] ", `{"a":[1,{"b":2}]}`, `{"a":2}`)
	f(`[{"a":"],\"{"},{"a":"\\"},{"a":"\\\""}]`, `{"a":"],\"{"}`, `{"a":"\\"}`, `{"a":"\\\""}`)
	// What is no event takes no other with it.
	f(`[{"a":1},2,null,{"a":1],{"a" 1}]`, `{"a":1}`, `2`, `null`, `{"a":1]`, `{"a" 1}`)
	f("{\"a\":1}\n{\"a\n[1]", `{"a":1}`, `{"a`, `[1]`)

	r := func(value string, want schema.Reason) {
		t.Helper()
		events, rej := schema.NewSplitter(schema.Batched, 200).Split([]byte(value))
		if rej == nil || rej.Reason != want || events != nil {
			t.Errorf("%.50s: %q, %v; want %s", value, events, rej, want)
		}
	}
	r("", schema.ReasonEmpty)
	r(" \n", schema.ReasonMalformed)
	r("[]", schema.ReasonEmpty)
	r("[ ]", schema.ReasonEmpty)
	r("[", schema.ReasonMalformed)
	r(`[{"a":1}`, schema.ReasonMalformed)
	r(`[{"a":1},`, schema.ReasonMalformed)
	r(`[{"a":1},]`, schema.ReasonMalformed)
	r(`[,{"a":1}]`, schema.ReasonMalformed)
	r(`[{"a":1}}`, schema.ReasonMalformed)
	r(`[{"a":1}] {"a":2}`, schema.ReasonMalformed)
	r(`[{"a":"1}]`, schema.ReasonMalformed)
	r(`[{"a":"\`, schema.ReasonMalformed)
	r(strings.Repeat(" ", 201), schema.ReasonTooLarge)
}

// A record of one event is not looked into, and not copied.
func TestSplitSingle(t *testing.T) {
	for _, value := range []string{"", `[{"a":1},{"a":2}]`, strings.Repeat("x", 300)} {
		events, rej := schema.NewSplitter(schema.Single, 200).Split([]byte(value))
		if rej != nil || len(events) != 1 || string(events[0]) != value {
			t.Errorf("%.20q: %q, %v", value, events, rej)
		}
	}
}

// Every event of a record has an index of its own.
func TestSplitMany(t *testing.T) {
	f := func(n int, whole bool) {
		t.Helper()
		for _, value := range []string{strings.Repeat("1\n", n), "[" + strings.Repeat("1,", n-1) + "1]"} {
			events, rej := schema.NewSplitter(schema.Batched, 1<<20).Split([]byte(value))
			if whole != (rej == nil) || whole && len(events) != n || !whole && rej.Reason != schema.ReasonTooLarge {
				t.Errorf("%d events: %d, %v", n, len(events), rej)
			}
		}
	}
	f(1<<16, true)
	f(1<<16+1, false)
}

func TestSplitAllocatesNothing(t *testing.T) {
	value := []byte("[" + strings.Repeat(`{"device":"d","seq":1,"at":1793000000000},`, 50) + `{"device":"d"}]`)
	s := schema.NewSplitter(schema.Batched, 1<<20)
	if n := testing.AllocsPerRun(100, func() {
		if events, rej := s.Split(value); rej != nil || len(events) != 51 {
			t.Fatal(len(events), rej)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// FuzzSplit holds the splitter against a full parser: what that takes for an array
// is split into its values, and of what it does not, some event is invalid.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{`[{"a":1},{"b":[1,"],"]}]`, "{\"a\":1}\n{\"b\":2}", `[{"a":1]`, `["\\"]`, `[1 2]`, "[\n]", `[[]]`, `[{"a":"é\u0000\""},]`} {
		f.Add([]byte(seed))
	}
	s := schema.NewSplitter(schema.Batched, 1<<20)
	f.Fuzz(func(t *testing.T, value []byte) {
		events, rej := s.Split(value)
		var want [][]byte
		valid := true
		if text := bytes.TrimLeft(value, " \t\r\n"); len(text) > 0 && text[0] == '[' {
			want, valid = elements(value)
		} else {
			for line := range bytes.Lines(value) {
				if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
					want = append(want, line)
				}
			}
		}
		if valid && len(want) > 0 && (rej != nil || !slices.EqualFunc(events, want, bytes.Equal)) {
			t.Fatalf("%q: %q, %v; want %q", value, events, rej, want)
		}
		if !valid && rej == nil && !slices.ContainsFunc(events, func(e []byte) bool { return !isValue(e) }) {
			t.Fatalf("%q is no array, and has only valid values: %q", value, events)
		}
	})
}

var lax = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

func isValue(v []byte) bool { return jsontext.Value(v).IsValid(lax...) }

// elements returns the values of a JSON array, as they are written, and whether
// value is one.
func elements(value []byte) (all [][]byte, valid bool) {
	if !isValue(value) {
		return nil, false
	}
	d := jsontext.NewDecoder(bytes.NewReader(value), lax...)
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	for d.PeekKind() != jsontext.KindEndArray {
		v, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		all = append(all, bytes.Clone(v))
	}
	return all, true
}

// The events of a record are read as predicted from each other, like records.
func TestDecodeSplit(t *testing.T) {
	s := everyType(t)
	d, b := schema.NewDecoder(s, schema.JSON, 1<<20), schema.NewBlock(s)
	value := fmt.Sprintf(`[{"device":"d","seq":1,"at":%d}, {"device":"d","seq":2}, {"device":"d","seq":3,"at":%[1]d}]`, int64(noon))
	events, rej := schema.NewSplitter(schema.Batched, 1<<20).Split([]byte(value))
	if rej != nil {
		t.Fatal(rej)
	}
	for i, e := range events {
		_, err := d.Decode(schema.Record{Topic: "t", Partition: 1, Offset: 7, Index: uint16(i), Time: noon, Value: e}, b)
		if missing := (&schema.Rejection{}); i == 1 != (errors.As(err, &missing) && missing.Reason == schema.ReasonMissing) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if b.Rows() != 2 || b.Origin(0) != (schema.Origin{Partition: 1, Offset: 7}) || b.Origin(1) != (schema.Origin{Partition: 1, Offset: 7, Index: 2}) {
		t.Errorf("%d rows", b.Rows())
	}
}

func BenchmarkSplit(b *testing.B) {
	event := `{"device_id":"press-000001","seq":1,"ts":1793000000000,"firmware":"4.2.1","temperature":41.25,"humidity":48.20,"pressure":101.325,"door_open":false}`
	for name, value := range map[string]string{"array": "[" + strings.Repeat(event+",", 99) + event + "]", "lines": strings.Repeat(event+"\n", 100)} {
		b.Run(name, func(b *testing.B) {
			s := schema.NewSplitter(schema.Batched, 1<<20)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			text := []byte(value)
			for b.Loop() {
				if events, rej := s.Split(text); rej != nil || len(events) != 100 {
					b.Fatal(len(events), rej)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100), "ns/event")
		})
	}
}
