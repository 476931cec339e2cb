package schema_test

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"penstock/schema"

	"pgregory.net/rapid"
)

const noon = 1_793_000_000_000 // a credible time, in 2026

// compare fails unless the block holds exactly the rows wanted.
func compare(t rapid.TB, s *schema.Schema, b *schema.Block, want []row) {
	t.Helper()
	if b.Rows() != len(want) {
		t.Fatalf("block has %d rows, want %d", b.Rows(), len(want))
	}
	got := read(t, s, b)
	for i := range want {
		if o := b.Origin(i); o.Partition != want[i][schema.ColPartition] || o.Offset != want[i][schema.ColOffset] || o.Index != want[i][schema.ColIndex] {
			t.Fatalf("row %d: origin is %+v, want %v", i, o, want[i])
		}
		for _, c := range s.Columns() {
			if g, w := got[i][c.Name], want[i][c.Name]; !same(g, w) {
				t.Fatalf("row %d: %s is %#v, want %#v", i, c.Name, g, w)
			}
		}
	}
}

func TestBlockOnTheWire(t *testing.T) {
	s := everyType(t)
	b, d := schema.NewBlock(s), schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	compare(t, s, b, nil)

	var want []row
	add := func(members string, w row) {
		t.Helper()
		offset := int64(len(want))
		full := row{
			"device": "d", "seq": uint64(1), "at": int64(noon), "str": "", "str_null": nil, "dict": "", "yes": false, "yes_null": nil,
			"i8": int8(0), "i16": nil, "i32": int32(0), "i64": nil, "u8": nil, "u16": uint16(0), "u32": nil, "u64": uint64(0),
			"f32": nil, "f64": 0.0, "time": int64(0), "late": nil, "extra": "",
			"_topic": "t", "_partition": int32(7), "_offset": offset, "_ingested_at": int64(noon), "_index": uint16(0),
		}
		for k, v := range w {
			full[k] = v
		}
		value := fmt.Sprintf(`{"device":"d","seq":1,"at":%d%s}`, noon, members)
		if _, err := d.Decode(schema.Record{Topic: "t", Partition: 7, Offset: offset, Time: noon, Value: []byte(value)}, b); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		want = append(want, full)
	}
	// nothing but what is required
	add("", nil)
	// NULL and a zero are different values
	add(`,"str_null":"","yes_null":false,"i16":0,"f32":0,"late":0`, row{"str_null": "", "yes_null": false, "i16": int16(0), "f32": float32(0), "late": int64(0)})
	add(`,"str_null":null,"str":null,"dict":null,"f64":null`, nil)
	// the ends of every range
	add(`,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808`,
		row{"i8": int8(math.MinInt8), "i16": int16(math.MinInt16), "i32": int32(math.MinInt32), "i64": int64(math.MinInt64)})
	add(`,"i8":127,"i16":32767,"i32":2147483647,"i64":9223372036854775807`,
		row{"i8": int8(math.MaxInt8), "i16": int16(math.MaxInt16), "i32": int32(math.MaxInt32), "i64": int64(math.MaxInt64)})
	add(`,"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615`,
		row{"u8": uint8(math.MaxUint8), "u16": uint16(math.MaxUint16), "u32": uint32(math.MaxUint32), "u64": uint64(math.MaxUint64)})
	add(`,"f32":3.4028235e38,"f64":-1.7976931348623157e308`, row{"f32": float32(math.MaxFloat32), "f64": -math.MaxFloat64})
	// strings longer than one byte of length, and a dictionary of several values
	long := strings.Repeat("x", 300)
	add(`,"str":"`+long+`","str_null":"`+long+`","dict":"`+long+`"`, row{"str": long, "str_null": long, "dict": long})
	add(`,"dict":"a","yes":true,"yes_null":true`, row{"dict": "a", "yes": true, "yes_null": true})
	add(`,"dict":"`+long+`"`, row{"dict": long})
	// a value of the dictionary that goes with its row
	add(`,"dict":"last"`, row{"dict": "last"})
	compare(t, s, b, want)

	for lo := range len(want) + 1 {
		for hi := lo; hi <= len(want); hi++ {
			part := b.Slice(lo, hi)
			compare(t, s, part, want[lo:hi])
			if lo < hi {
				part.Undo()
				compare(t, s, part, want[lo:hi-1])
			}
		}
	}
	for len(want) > 0 {
		b.Undo()
		want = want[:len(want)-1]
		compare(t, s, b, want)
	}
}

// TestBlockAgainstModel takes random steps on two blocks and on two slices of
// rows.
func TestBlockAgainstModel(t *testing.T) {
	s := everyType(t)
	rapid.Check(t, func(t *rapid.T) {
		d := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
		blocks := []*schema.Block{schema.NewBlock(s), schema.NewBlock(s)}
		models := make([][]row, 2)
		offset := int64(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "block")
			b, n := blocks[i], len(models[i])
			step := rapid.SampledFrom([]string{"decode", "decode", "decode", "undo", "move", "slice", "where", "reset"}).Draw(t, "step")
			switch {
			case step == "decode":
				offset++
				r := schema.Record{Topic: rapid.SampledFrom([]string{"t", "u"}).Draw(t, "topic"), Offset: offset, Time: noon, Value: anEvent(t, s)}
				want, extra, reasons := reference(s, r, schema.DefaultMaxRecordBytes)
				_, err := d.Decode(r, b)
				if (err != nil) != (len(reasons) > 0) {
					t.Fatalf("%s: error %v, want one of %v", r.Value, err, reasons)
				}
				if err == nil {
					got := read(t, s, b.Slice(n, n+1))[0]
					checkExtra(t, got[schema.ColExtra].(string), extra)
					want[schema.ColExtra] = got[schema.ColExtra]
					models[i] = append(models[i], want)
				}
			case step == "reset":
				b.Reset()
				models[i] = nil
			case step == "slice":
				lo := rapid.IntRange(0, n).Draw(t, "lo")
				hi := rapid.IntRange(lo, n).Draw(t, "hi")
				blocks[1-i], models[1-i] = b.Slice(lo, hi), slices.Clone(models[i][lo:hi])
			case step == "where":
				keep := map[int64]bool{}
				var kept []row
				for _, r := range models[i] {
					o := r[schema.ColOffset].(int64)
					if _, drawn := keep[o]; !drawn {
						keep[o] = rapid.Bool().Draw(t, "keep")
					}
					if keep[o] {
						kept = append(kept, r)
					}
				}
				blocks[1-i] = b.Where(func(o schema.Origin) bool { return o.Partition == 0 && keep[o.Offset] })
				models[1-i] = kept
			case n == 0: // the rest needs a row
			case step == "undo":
				b.Undo()
				models[i] = models[i][:n-1]
			case step == "move":
				b.MoveLast(blocks[1-i])
				models[1-i] = append(models[1-i], models[i][n-1])
				models[i] = models[i][:n-1]
			}
			// Not after every step: a block that was sent has said what it puts off.
			if rapid.IntRange(0, 3).Draw(t, "look") == 0 {
				for i := range blocks {
					compare(t, s, blocks[i], models[i])
				}
			}
		}
		for i := range blocks {
			compare(t, s, blocks[i], models[i])
		}
	})
}

// TestCopiesAfterUndo copies rows out of a block, takes back some of them, and
// copies what came in their place.
func TestCopiesAfterUndo(t *testing.T) {
	s := everyType(t)
	d, b := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
	add := func(device string) {
		t.Helper()
		value := fmt.Sprintf(`{"device":"%s","seq":1,"at":%d}`, device, int64(noon))
		if _, err := d.Decode(schema.Record{Topic: "t", Time: noon, Value: []byte(value)}, b); err != nil {
			t.Fatal(err)
		}
	}
	devices := func(lo, hi int) (out []string) {
		for _, r := range read(t, s, b.Slice(lo, hi)) {
			out = append(out, r[s.Device].(string))
		}
		return out
	}
	f := func(lo, hi int, want ...string) {
		t.Helper()
		if got := devices(lo, hi); !slices.Equal(got, want) {
			t.Errorf("rows [%d, %d) are of %q, want %q", lo, hi, got, want)
		}
	}
	add("a")
	add("of a long name")
	f(0, 2, "a", "of a long name")
	b.Undo()
	add("b")
	add("c")
	add("d")
	f(2, 4, "c", "d")
	f(1, 3, "b", "c")
	b.Reset()
	add("e")
	add("f")
	add("g")
	f(1, 2, "f")
	f(0, 1, "e")
	f(1, 3, "f", "g")
}

// TestWhere holds it against the slices it is made of.
func TestWhere(t *testing.T) {
	s := everyType(t)
	rapid.Check(t, func(t *rapid.T) {
		d, b := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(s)
		for i := range rapid.IntRange(0, 40).Draw(t, "rows") {
			value := fmt.Sprintf(`{"device":"%s","seq":%d,"at":%d,"dict":"%d"}`, strings.Repeat("d", 1+i%3*100), i, int64(noon), i%4)
			if _, err := d.Decode(schema.Record{Topic: "t", Partition: int32(i % 2), Offset: int64(i / 4), Index: uint16(i / 2 % 2), Time: noon, Value: []byte(value)}, b); err != nil {
				t.Fatal(err)
			}
		}
		want := []row{}
		keep := map[schema.Origin]bool{}
		for i := range b.Rows() {
			o := b.Origin(i)
			if keep[o] = rapid.Bool().Draw(t, "keep"); keep[o] {
				want = append(want, read(t, s, b.Slice(i, i+1))...)
			}
		}
		compare(t, s, b.Where(func(o schema.Origin) bool { return keep[o] }), want)
	})
}

// anEvent draws a record: its members in any order, some missing, some of
// another type, some unknown, and sometimes cut off.
func anEvent(t *rapid.T, s *schema.Schema) []byte {
	values := []string{`null`, `true`, `false`, `""`, `"a"`, `"b\u00e9\n"`, `"😀"`, `0`, `-0`, `1`, `-1`, `200`, `70000`, `5000000000`, `1e3`, `0.1`,
		`1e39`, `18446744073709551615`, `[1,{"a":"b"}]`, `{}`, `"2026-11-23T10:00:00.5+01:00"`}
	var members []string
	for _, c := range s.Fields {
		if !c.Required && rapid.Bool().Draw(t, "absent") {
			continue
		}
		value := rapid.SampledFrom(values).Draw(t, "value")
		if c.Required && rapid.IntRange(0, 9).Draw(t, "spoil") > 0 {
			value = map[schema.Type]string{schema.String: `"device"`, schema.UInt64: `42`, schema.TimestampMS: fmt.Sprint(noon)}[c.Type]
		}
		members = append(members, quoted(c.Name)+":"+value)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "unknown") {
		members = append(members, fmt.Sprintf(`"new\u005f%d" : %s`, i, rapid.SampledFrom(values).Draw(t, "value")))
	}
	members = rapid.Permutation(members).Draw(t, "order")
	event := []byte("{" + strings.Join(members, " ,") + "}")
	if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
		event = event[:rapid.IntRange(0, len(event)).Draw(t, "at")]
	}
	return event
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string has JSON: " + err.Error())
	}
	return string(text)
}

// What a batch may hold is counted by Memory: what a hostile fleet can make a
// block hold has to be in it.
func TestMemoryIsWhatABlockHolds(t *testing.T) {
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	f := func(name string, blocks, rows int, value func(i int) string) {
		t.Helper()
		s := schema.Telemetry()
		d := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
		before := heap()
		all := make([]*schema.Block, blocks)
		counted := 0
		for i := range all {
			all[i] = schema.NewBlock(s)
			for j := range rows {
				if _, err := d.Decode(schema.Record{Topic: "t", Time: int64(noon), Value: []byte(value(j))}, all[i]); err != nil {
					t.Fatal(err)
				}
			}
			counted += all[i].Memory()
		}
		held := heap() - before
		runtime.KeepAlive(all)
		t.Logf("%s: holds %d, counts %d", name, held, counted)
		// A slice that grows has up to a quarter to spare, a map up to twice.
		if held > counted*3/2 || counted > held*3/2 {
			t.Errorf("%s: blocks that hold %d bytes count for %d", name, held, counted)
		}
	}
	event := func(rest string) string {
		return fmt.Sprintf(`{"device_id":"d","seq":1,"ts":%d%s}`, int64(noon), rest)
	}
	f("a day each", 1000, 1, func(int) string { return event("") })
	f("the same values", 1, 50_000, func(int) string { return event(`,"firmware":"1.2.3","site":"oslo"`) })
	f("new values", 1, 50_000, func(i int) string {
		return event(fmt.Sprintf(`,"firmware":"f%08d","site":"s%08d","line":"l%08d","status":"x%08d"`, i, i, i, i))
	})
}
