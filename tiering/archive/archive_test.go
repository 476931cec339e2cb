package archive_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// everyType is a schema with a column of each type, once plain and once
// nullable, and a string of low cardinality.
func everyType(t testing.TB) *schema.Schema {
	t.Helper()
	var b strings.Builder
	b.WriteString(`name: every
version: 1
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
`)
	id := 4
	for _, typ := range schema.Types() {
		fmt.Fprintf(&b, "  - {id: %d, name: v_%s, type: %s}\n", id, typ, typ)
		fmt.Fprintf(&b, "  - {id: %d, name: n_%s, type: %s, nullable: true}\n", id+1, typ, typ)
		id += 2
	}
	fmt.Fprintf(&b, "  - {id: %d, name: l_string, type: string, low_cardinality: true}\n", id)
	s, err := schema.Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// extremes are two values of each type that are easily confused with another.
var extremes = map[schema.Type][2]any{
	schema.String:      {"", "ünïcode \x00 and bytes"},
	schema.Bool:        {false, true},
	schema.Int8:        {int8(math.MinInt8), int8(math.MaxInt8)},
	schema.Int16:       {int16(math.MinInt16), int16(math.MaxInt16)},
	schema.Int32:       {int32(math.MinInt32), int32(math.MaxInt32)},
	schema.Int64:       {int64(math.MinInt64), int64(math.MaxInt64)},
	schema.UInt8:       {uint8(0), uint8(math.MaxUint8)},
	schema.UInt16:      {uint16(0), uint16(math.MaxUint16)},
	schema.UInt32:      {uint32(0), uint32(math.MaxUint32)},
	schema.UInt64:      {uint64(0), uint64(math.MaxUint64)},
	schema.Float32:     {float32(math.Copysign(0, -1)), float32(math.NaN())},
	schema.Float64:     {math.Inf(-1), math.SmallestNonzeroFloat64},
	schema.TimestampMS: {int64(-1), int64(4102444800000)},
}

// row returns a row of s; what is picked for a value column is pick's choice:
// 0 and 1 are the extremes, 2 is NULL where that is possible.
func row(s *schema.Schema, device string, seq int, pick func(column int) int) []any {
	var out []any
	for i, c := range s.Columns() {
		switch c.Name {
		case "device_id":
			out = append(out, device)
		case "seq":
			out = append(out, uint64(seq))
		case "ts", schema.ColIngestedAt:
			out = append(out, int64(1_790_000_000_000)+int64(seq))
		case schema.ColExtra:
			out = append(out, `{"new":1}`)
		case schema.ColTopic:
			out = append(out, "telemetry")
		case schema.ColPartition:
			out = append(out, int32(3))
		case schema.ColOffset:
			out = append(out, int64(seq))
		default:
			switch p := pick(i); {
			case p == 2 && c.Nullable:
				out = append(out, nil)
			default:
				out = append(out, extremes[c.Type][p%2])
			}
		}
	}
	return out
}

func write(t testing.TB, s *schema.Schema, groupRows int, runs []archive.Run, blocks ...*archive.Block) ([]byte, archive.Summary) {
	t.Helper()
	var buf bytes.Buffer
	w := archive.NewWriter(&buf, s, groupRows)
	for _, b := range blocks {
		r := runs
		if r == nil {
			r = []archive.Run{{From: 0, To: b.Rows()}}
		}
		writeAll(t, w, b, r)
	}
	summary, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), summary
}

// writeAll writes runs over as many row groups as it takes.
func writeAll(t testing.TB, w *archive.Writer, b *archive.Block, runs []archive.Run) {
	t.Helper()
	for len(runs) > 0 {
		rest, err := w.Write(b, runs)
		if err != nil {
			t.Fatal(err)
		}
		runs = rest
	}
}

// What one library writes, the other reads: every type, its extremes and NULL,
// over several row groups and pages, whichever rows are picked.
func TestRoundTrip(t *testing.T) {
	s := everyType(t)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.IntRange(1, 300).Draw(rt, "rows")
		b := archive.NewBlock(s)
		picks := rapid.SliceOfN(rapid.IntRange(0, 2), 40, 40)
		for i := range rows {
			p := picks.Draw(rt, "picks")
			archivetest.Append(b, row(s, fmt.Sprintf("d%03d", i/10), i, func(c int) int { return p[c] })...)
		}
		cut := rapid.IntRange(0, rows).Draw(rt, "cut")
		skip := rapid.IntRange(cut, rows).Draw(rt, "skip")
		runs := []archive.Run{{From: 0, To: cut}, {From: skip, To: rows}}
		file, summary := write(t, s, rapid.IntRange(40, 400).Draw(rt, "group"), runs, b, b)
		if want := 2 * uint64(cut+rows-skip); summary.Rows != want {
			rt.Fatalf("wrote %d rows, want %d", summary.Rows, want)
		}
		got, err := archive.Read(bytes.NewReader(file), int64(len(file)), s.Columns())
		if err != nil {
			rt.Fatal(err)
		}
		if got.Rows != summary.Rows || fmt.Sprint(got.Sums) != fmt.Sprint(summary.Sums) {
			rt.Fatalf("read %d rows %v, wrote %d rows %v", got.Rows, got.Sums, summary.Rows, summary.Sums)
		}
	})
}

// One value changed shows in its column's checksum, and in no other's.
func TestOneFlippedValueShows(t *testing.T) {
	s := everyType(t)
	build := func(flip, to int) archive.Sums {
		b := archive.NewBlock(s)
		for i := range 50 {
			archivetest.Append(b, row(s, "d", i, func(c int) int {
				if i == 31 && c == flip {
					return to
				}
				return 0
			})...)
		}
		return b.Sums([]archive.Run{{From: 0, To: 50}})
	}
	base := build(-1, 0)
	for i, c := range s.Columns() {
		if !strings.Contains(c.Name, string(c.Type)) {
			continue
		}
		for to := 1; to <= 2 && (to == 1 || c.Nullable); to++ {
			for j, sum := range build(i, to) {
				if (sum != base[j]) != (i == j) {
					t.Errorf("flip %s to %d: checksum of %s changed: %t", c.Name, to, s.Columns()[j].Name, sum != base[j])
				}
			}
		}
	}
}

// Two values that changed rows are the same set of values: only their places
// tell.
func TestSwappedValuesShow(t *testing.T) {
	s := everyType(t)
	build := func(first, second int) archive.Sums {
		b := archive.NewBlock(s)
		archivetest.Append(b, row(s, "d", 1, func(int) int { return first })...)
		archivetest.Append(b, row(s, "d", 2, func(int) int { return second })...)
		return b.Sums([]archive.Run{{From: 0, To: 2}})
	}
	a, b := build(0, 1), build(1, 0)
	for i, c := range s.Columns() {
		if strings.Contains(c.Name, string(c.Type)) && a[i] == b[i] {
			t.Errorf("%s: values swapped between two rows have the checksum of the original, %v", c.Name, a[i])
		}
	}
}

// NULL is neither 0 nor the empty string.
func TestNullShows(t *testing.T) {
	s := everyType(t)
	build := func(pick int) archive.Sums {
		b := archive.NewBlock(s)
		archivetest.Append(b, row(s, "d", 1, func(int) int { return pick })...)
		return b.Sums([]archive.Run{{From: 0, To: 1}})
	}
	low, high, null := build(0), build(1), build(2)
	for i, c := range s.Columns() {
		if c.Nullable && strings.HasPrefix(c.Name, "n_") && (null[i] == low[i] || null[i] == high[i] || low[i] == high[i]) {
			t.Errorf("%s: %v is %v, %v is %v, NULL is %v", c.Name, extremes[c.Type][0], low[i], extremes[c.Type][1], high[i], null[i])
		}
	}
}

func TestSumsAddUp(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	for i := range 10 {
		archivetest.Append(b, row(s, "d", i, func(c int) int { return (i + c) % 3 })...)
	}
	parts := b.Sums([]archive.Run{{From: 6, To: 10}})
	parts.Add(b.Sums([]archive.Run{{From: 0, To: 6}}))
	if whole := b.Sums([]archive.Run{{From: 0, To: 10}}); fmt.Sprint(whole) != fmt.Sprint(parts) {
		t.Errorf("sum of parts %v, of the whole %v", parts, whole)
	}
}

// A byte of the file flipped is found: by the checksum, or because the file
// can no longer be read. For what stands beside the data see TestWrongIndexes.
func TestFlippedByteInData(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	for i := range 200 {
		archivetest.Append(b, row(s, "d", i, func(c int) int { return (i + c) % 3 })...)
	}
	data, summary := write(t, s, 1000, nil, b)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range f.Metadata().RowGroups[0].Columns {
		start := chunk.MetaData.DataPageOffset
		if d := chunk.MetaData.DictionaryPageOffset; d != 0 {
			start = d
		}
		at := start + chunk.MetaData.TotalCompressedSize - 3
		data[at] ^= 0x40
		got, err := readQuietly(data, s)
		if err == nil && fmt.Sprint(got.Sums) == fmt.Sprint(summary.Sums) {
			t.Errorf("column %v: a flipped byte in its last page reads as if whole", chunk.MetaData.PathInSchema)
		}
		data[at] ^= 0x40
	}
}

func readQuietly(data []byte, s *schema.Schema) (archive.Content, error) {
	return archive.Read(bytes.NewReader(data), int64(len(data)), s.Columns())
}

// Readers skip by these.
func TestFileHasWhatQueriesSkipBy(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	for i := range 3000 {
		archivetest.Append(b, row(s, fmt.Sprintf("device-%04d", i/10), i, func(c int) int { return (i + c) % 3 })...)
	}
	data, summary := write(t, s, 1000, nil, b)
	if summary.MinDevice != "device-0000" || summary.MaxDevice != "device-0299" || summary.MaxTime-summary.MinTime != 2999 {
		t.Errorf("summary %+v", summary)
	}
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRowGroups() != 3 {
		t.Fatalf("%d row groups, want 3", r.NumRowGroups())
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for g, group := range f.RowGroups() {
		bloom := group.ColumnChunks()[0].BloomFilter()
		if bloom == nil {
			t.Fatalf("row group %d: device_id has no bloom filter", g)
		}
		hit, err := bloom.Check(parquet.ValueOf(fmt.Sprintf("device-%04d", g*100)))
		if err != nil || !hit {
			t.Errorf("row group %d: its own device is not in the bloom filter: %v", g, err)
		}
		miss, err := bloom.Check(parquet.ValueOf("no such device"))
		if err != nil || miss {
			t.Errorf("row group %d: a device that is not there is in the bloom filter: %v", g, err)
		}
		sorting := f.Metadata().RowGroups[g].SortingColumns
		if len(sorting) != 2 || sorting[0].ColumnIdx != 0 || sorting[1].ColumnIdx != 2 {
			t.Errorf("row group %d: sorting columns %+v, want device and time", g, sorting)
		}
		for c, chunk := range f.Metadata().RowGroups[g].Columns {
			if len(chunk.MetaData.Statistics.MinValue) == 0 && s.Columns()[c].Type != schema.String && s.Columns()[c].Type != schema.Float32 {
				t.Errorf("row group %d: %v has no statistics", g, chunk.MetaData.PathInSchema)
			}
		}
	}
	if len(f.ColumnIndexes()) == 0 || len(f.OffsetIndexes()) == 0 {
		t.Error("the file has no page index")
	}
}

// A file of another schema is refused with every difference named.
func TestReadRefusesAnotherSchema(t *testing.T) {
	s := everyType(t)
	b := archive.NewBlock(s)
	archivetest.Append(b, row(s, "d", 1, func(int) int { return 0 })...)
	data, _ := write(t, s, 10, nil, b)

	f := func(old, new string, want ...string) {
		t.Helper()
		other := everyType(t)
		for i := range other.Fields {
			if other.Fields[i].Name == old {
				switch new {
				case "nullable":
					other.Fields[i].Nullable = true
				case "id":
					other.Fields[i].ID = 500
				case "name":
					other.Fields[i].Name = "renamed"
				default:
					other.Fields[i].Type = schema.Type(new)
				}
			}
		}
		_, err := archive.Read(bytes.NewReader(data), int64(len(data)), other.Columns())
		if err == nil {
			t.Fatalf("%s, %s: no error", old, new)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s, %s: error %q does not say %q", old, new, err, w)
			}
		}
	}
	f("v_int8", "nullable", "v_int8 is optional: false; the schema says nullable: true")
	f("v_int8", "id", "no column with field id 500 (v_int8)")
	f("v_int8", "name", "Parquet column v_int8 has field id", "renamed in the schema")
	f("v_uint32", "int32", "Parquet column v_uint32 has type", "the schema says int32")
	f("v_int64", "timestamp_ms", "the schema says timestamp_ms")
}
