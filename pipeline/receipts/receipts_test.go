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

func TestOrigins(t *testing.T) {
	at := func(p int32, offset int64, index uint16) schema.Origin {
		return schema.Origin{Partition: p, Offset: offset, Index: index}
	}
	o := NewOrigins([]schema.Origin{at(1, 5, 0), at(1, 3, 1), at(2, 7, 0), at(1, 5, 0), at(1, 4, 9), at(1, 3, 0)})
	if o.Count() != 5 {
		t.Errorf("%d origins", o.Count())
	}
	f := func(origin schema.Origin, want bool) {
		t.Helper()
		if o.Has(origin) != want {
			t.Errorf("%v is in the set: %v", origin, !want)
		}
	}
	f(at(1, 3, 0), true)
	f(at(1, 3, 1), true)
	f(at(1, 5, 0), true)
	f(at(1, 3, 2), false)
	f(at(1, 4, 0), false)
	f(at(1, 6, 0), false)
	f(at(2, 3, 0), false)
	f(at(3, 3, 0), false)
	if none := (Origins{}); none.Has(at(1, 3, 0)) || none.Count() != 0 {
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
	if err == nil || !strings.Contains(err.Error(), "receipts at 127.0.0.1:1: read stored origins: ") {
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
