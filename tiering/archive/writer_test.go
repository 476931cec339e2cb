package archive_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
)

// The same rows make the same bytes, in whatever blocks they come: an export
// that is repeated after a crash finds its files.
func TestBytesDoNotDependOnBlocks(t *testing.T) {
	s := everyType(t)
	rapid.Check(t, func(rt *rapid.T) {
		const rows = 90
		group := rapid.IntRange(7, 120).Draw(rt, "group")
		inBlocks := func(size int) []byte {
			var blocks []*archive.Block
			for i := range rows {
				if i%size == 0 {
					blocks = append(blocks, archive.NewBlock(s))
				}
				archivetest.Append(blocks[len(blocks)-1], row(s, fmt.Sprintf("d%02d", i/9), i, func(c int) int { return (i + c) % 3 })...)
			}
			file, _ := write(t, s, group, nil, blocks...)
			return file
		}
		if size := rapid.IntRange(1, rows).Draw(rt, "size"); !bytes.Equal(inBlocks(size), inBlocks(rows)) {
			rt.Fatalf("blocks of %d rows and one of all make other files", size)
		}
	})
}

// Long strings end a row group before its rows do, at the same row whatever the
// blocks, and a page before its rows do.
func TestLongStringsBoundMemory(t *testing.T) {
	s := everyType(t)
	long := strings.Repeat("x", 4<<20)
	groups := func(sizes ...int) (rows []int64) {
		var buf bytes.Buffer
		w := archive.NewWriter(&buf, s, 1000)
		archive.BoundText(w, 25<<20)
		n := 0
		for _, size := range sizes {
			b := archive.NewBlock(s)
			for range size {
				values := row(s, "d", n, func(int) int { return 0 })
				for i, c := range s.Columns() {
					if c.Name == "v_string" {
						values[i] = long
					}
				}
				archivetest.Append(b, values...)
				n++
			}
			writeAll(t, w, b, []archive.Run{{From: 0, To: size}})
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range f.RowGroups() {
			rows = append(rows, g.NumRows())
		}
		for i, c := range s.Columns() {
			if pages := len(f.OffsetIndexes()[i].PageLocations); c.Name == "v_string" && pages != 7 {
				t.Errorf("%s: %d pages of 7 rows of 4 MiB, want one a row", c.Name, pages)
			}
		}
		return rows
	}
	if got := groups(9, 1); !slices.Equal(got, []int64{7, 3}) {
		t.Errorf("10 rows of 4 MiB are in groups of %v rows, want 7 (the first beyond 25 MiB) and 3", got)
	}
}

// What has two zeros, or NaNs of several kinds, has no dictionary: arrow-go would
// take one for the other.
func TestEveryBitOfAFloatStays(t *testing.T) {
	s := everyType(t)
	zero := map[schema.Type][]any{
		schema.Float32: {float32(0), float32(math.Copysign(0, -1)), math.Float32frombits(0x7fc00000), math.Float32frombits(0x7fc00001)},
		schema.Float64: {0.0, math.Copysign(0, -1), math.Float64frombits(0x7ff8000000000000), math.Float64frombits(0x7ff8000000000001)},
	}
	b := archive.NewBlock(s)
	for i := range 400 {
		values := row(s, "d", i, func(int) int { return 0 })
		for at, c := range s.Columns() {
			if of := zero[c.Type]; of != nil {
				values[at] = of[i%len(of)]
			}
		}
		archivetest.Append(b, values...)
	}
	file, summary := write(t, s, 1000, nil, b)
	got, err := archive.Read(bytes.NewReader(file), int64(len(file)), s.Columns())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range s.Columns() {
		if got.Sums[i] != summary.Sums[i] {
			t.Errorf("%s: read %v, written %v", c.Name, got.Sums[i], summary.Sums[i])
		}
	}
}

// A file is full by its bytes, and those are known when a row group ends.
func TestBytesOfAnOpenFile(t *testing.T) {
	s := everyType(t)
	w := archive.NewWriter(io.Discard, s, 10)
	b := archive.NewBlock(s)
	for i := range 25 {
		archivetest.Append(b, row(s, "d", i, func(int) int { return 0 })...)
	}
	var sizes []int64
	for runs := []archive.Run{{From: 0, To: 4}, {From: 4, To: 25}}; len(runs) > 0; {
		rest, err := w.Write(b, runs)
		if err != nil {
			t.Fatal(err)
		}
		runs, sizes = rest, append(sizes, w.Bytes())
	}
	if len(sizes) != 3 || sizes[0] < 1000 || sizes[1] < sizes[0]+1000 || sizes[2] != sizes[1] {
		t.Errorf("the file grows to %v bytes, want it to by two row groups", sizes)
	}
}
