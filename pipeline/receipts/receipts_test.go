package receipts

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"pgregory.net/rapid"

	"penstock/schema"
)

func TestOffsets(t *testing.T) {
	o := NewOffsets(map[int32][]int64{1: {5, 3, 5, 4, 3}, 2: {7}})
	if got := o.Of(1); !slices.Equal(got, []int64{3, 4, 5}) || len(o.Of(3)) != 0 {
		t.Errorf("partition 1 has %v and partition 3 %v", got, o.Of(3))
	}
	if got := slices.Sorted(o.Partitions()); !slices.Equal(got, []int32{1, 2}) || o.Count() != 4 {
		t.Errorf("%d offsets of partitions %v", o.Count(), got)
	}
	f := func(p int32, offset int64, want bool) {
		t.Helper()
		if o.Has(p, offset) != want {
			t.Errorf("offset %d of partition %d is in the set: %v", offset, p, !want)
		}
	}
	f(1, 3, true)
	f(1, 5, true)
	f(1, 2, false)
	f(1, 6, false)
	f(2, 3, false)
	f(3, 3, false)
	if none := (Offsets{}); none.Has(1, 3) || none.Count() != 0 {
		t.Error("the zero value is not empty")
	}
}

// Pieces make up the spans, and an answer by partition is one by piece.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(1, 10).Draw(t, "most")
		spans := map[Span]int64{}
		for range rapid.IntRange(0, 20).Draw(t, "spans") {
			first := rapid.Int64Range(0, 30).Draw(t, "first")
			s := Span{rapid.Int32Range(0, 3).Draw(t, "partition"), first, first + rapid.Int64Range(0, 30).Draw(t, "length")}
			spans[s] = s.First
		}
		at := spans // what follows the pieces so far
		for _, group := range pack(keys(spans), most) {
			partitions, size := map[int32]bool{}, int64(0)
			if len(group) == 0 {
				t.Fatal("a group of nothing")
			}
			for _, p := range group {
				if partitions[p.Partition] {
					t.Fatalf("%v has two pieces of partition %d", group, p.Partition)
				}
				partitions[p.Partition] = true
				if size += p.Next - p.First; size > most || p.First >= p.Next {
					t.Fatalf("%v has more than %d offsets, or a piece of none", group, most)
				}
				if at[p.of] != p.First || p.Partition != p.of.Partition {
					t.Fatalf("piece %v follows %d", p, at[p.of])
				}
				at[p.of] = p.Next
			}
		}
		for s, end := range at {
			if end != s.Next {
				t.Fatalf("%v is packed up to %d", s, end)
			}
		}
	})
}

func keys(spans map[Span]int64) func(func(Span) bool) {
	var all []Span
	for s := range spans {
		all = append(all, s)
	}
	return slices.Values(all)
}

func TestWithin(t *testing.T) {
	got := within([]Span{{1, 2, 3}, {4, 5, 6}})
	if want := "(`_partition` = 1 AND `_offset` >= 2 AND `_offset` < 3) OR (`_partition` = 4 AND `_offset` >= 5 AND `_offset` < 6)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// The longest a statement may get, with room for what else it has.
	longest := slices.Repeat([]Span{{1<<31 - 1, 1<<63 - 1, 1<<63 - 1}}, rangesAtOnce)
	if size := len(within(longest)); size > 64<<10 {
		t.Errorf("%d ranges take %d bytes", rangesAtOnce, size)
	}
}

// Opening needs no server, and an error names the one that is missing.
func TestNoServer(t *testing.T) {
	r, err := Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}, DialTimeout: time.Second}, schema.Telemetry(), schema.Tables{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err = r.Stored(t.Context(), []Span{{0, 0, 1}})
	if err == nil || !strings.Contains(err.Error(), "receipts at 127.0.0.1:1: read stored offsets: ") {
		t.Errorf("error is %v", err)
	}
	if got, err := r.Stored(t.Context(), nil); err != nil || got.Count() != 0 {
		t.Errorf("nothing asked, and the answer is %v, %v", got, err)
	}
}

func TestReplicasAreAsked(t *testing.T) {
	for _, replicated := range []bool{false, true} {
		r, err := Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}}, schema.Telemetry(), schema.Tables{Replicated: replicated})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := r.settings["select_sequential_consistency"]; ok != replicated {
			t.Errorf("replicated %v: settings are %v", replicated, r.settings)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
