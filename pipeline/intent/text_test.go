package intent

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	const example = "penstock/1 1204500 r7-41:east:1204500+5000@1795544815 r7-42/2:east:1209600+4800@1795544816"
	good := func(offset int64, metadata string, want State) {
		t.Helper()
		got, err := Parse(offset, metadata)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d %q: got %+v, %v; want %+v", offset, metadata, got, err, want)
		}
	}
	// Offsets that version 1 leaves out between spans have no record.
	good(1204500, example, State{Offset: 1204500, Pending: []Intent{
		{Batch: "r7-41", Shard: "east", First: 1204500, Next: 1209500, At: 1795544815},
		{Batch: "r7-42", Step: 2, Shard: "east", First: 1209500, Next: 1214400, At: 1795544816},
	}})
	good(0, "penstock/1 0", State{})
	good(100, "penstock/1 100 b:s:105+1@0", State{Offset: 100, Pending: []Intent{{Batch: "b", Shard: "s", First: 100, Next: 106}}})
	// Those of version 2 are still to be read. Spans are in the order of reading.
	good(100, "penstock/2 100 b:s:105+1@0", State{Offset: 100, Pending: []Intent{{Batch: "b", Shard: "s", First: 105, Next: 106}}})
	good(100, "penstock/2 100 900+50 990+10 h:s:950+30@9 g:s:100+60@9", State{Offset: 100, Done: []Range{{900, 950}, {990, 1000}}, Pending: []Intent{
		{Batch: "h", Shard: "s", First: 950, Next: 980, At: 9},
		{Batch: "g", Shard: "s", First: 100, Next: 160, At: 9},
	}})
	// A position set by hand.
	good(42, "", State{Offset: 42})

	bad := func(offset int64, metadata string, is error, says ...string) {
		t.Helper()
		got, err := Parse(offset, metadata)
		if !errors.Is(err, is) {
			t.Fatalf("%d %q: got %+v, %v; want %v", offset, metadata, got, err, is)
		}
		for _, part := range append(says, "--to-current") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if len(err.Error()) > 700 {
			t.Errorf("%d bytes: %q", len(err.Error()), err)
		}
	}
	// Another program's.
	bad(5, "consumer-7", ErrForeign, "offset 5", `"consumer-7"`, "kafka.group")
	bad(5, " penstock/1 5", ErrForeign)
	bad(5, "penstock", ErrForeign)
	bad(5, strings.Repeat("x", 5000), ErrForeign, "5000 bytes")
	// A newer version's.
	bad(5, "penstock/3 whatever it says", ErrNewer, "penstock/3", "reads version 2", "run the newer program")
	bad(5, "penstock/10", ErrNewer)
	// Ours, as nobody wrote it.
	for _, metadata := range []string{
		"penstock/", "penstock/0 5", "penstock/x 5", "penstock/01 5", "penstock/1", "penstock/1 ", "penstock/1 5 ", "penstock/1  5", "penstock/1 +5", "penstock/1 05",
		"penstock/1 5 b", "penstock/1 5 b:s", "penstock/1 5 b:s:5+1", "penstock/1 5 b:s:5@1", "penstock/1 5 b:s:5+1@1:x", "penstock/1 5 b:s:5+01@1", "penstock/1 5 b:s:+5+1@1",
		"penstock/1 5 b/0:s:5+1@1", "penstock/1 5 b/-1:s:5+1@1", "penstock/1 5 b/:s:5+1@1", "penstock/1 5 b:s:5+1@-1",
		"penstock/1 5 :s:5+1@1", "penstock/1 5 b::5+1@1", "penstock/1 5 ü:s:5+1@1", "penstock/1 5 b:a,b:5+1@1",
		"penstock/1 5 7+3", "penstock/2", "penstock/2 5", "penstock/2 5 b:s:5+3@1", "penstock/2 5 b:s:7+3@1 20+3", "penstock/2 5 7+03", "penstock/2 5 7",
		"penstock/1 5 " + strings.Repeat("b", 97) + ":s:5+1@1", "penstock/1 5 b:" + strings.Repeat("s", 65) + ":5+1@1",
	} {
		bad(5, metadata, ErrBroken, "offset 5")
	}
	bad(5, "penstock/1 5 b:s:5+0@1", ErrBroken, "empty")
	bad(5, "penstock/1 5 b:s:5+-1@1", ErrBroken, "empty")
	bad(5, "penstock/1 5 b:s:5+9223372036854775807@1", ErrBroken, "empty")
	bad(5, "penstock/1 5 b:s:4+3@1", ErrBroken, "batch b begins at 4, before 5")
	bad(5, "penstock/1 5 b:s:5+3@1 c:s:7+3@1", ErrBroken, "batch c begins at 7, before 8")
	bad(5, "penstock/1 5 b:s:7+3@1 c:s:5+2@1", ErrBroken, "batch c begins at 5")
	bad(5, "penstock/1 5 b:s:5+3@1 b:s:8+3@1", ErrBroken, "batch b is there twice")
	bad(5, "penstock/2 5 5+3", ErrBroken, "not apart from 5")
	bad(5, "penstock/2 5 7+3 10+3", ErrBroken, "not apart from 10")
	bad(5, "penstock/2 5 7+0", ErrBroken, "empty")
	bad(5, "penstock/2 5 7+9223372036854775807", ErrBroken, "empty")
	bad(5, "penstock/2 5 7+3 b:s:9+3@1", ErrBroken, "[9,12) begins before 10")
	bad(5, "penstock/2 5 7+3 b:s:4+1@1", ErrBroken, "[4,5) begins before 5")
	bad(5, "penstock/2 5 c:s:20+9@1 b:s:15+6@1", ErrBroken, "[20,29) begins before 21")
	bad(5, "penstock/2 5 c:s:20+9@1 c:s:15+3@1", ErrBroken, "batch c is there twice")
	bad(-1, "", ErrBroken, "negative")
	bad(-1, "penstock/1 -1", ErrBroken, "negative")
	// Moved by a tool that keeps metadata, or translated for another cluster.
	bad(6, "penstock/1 5", ErrBroken, "written for offset 5")
	bad(6, "penstock/1 5 b:s:5+3@1", ErrBroken, "written for offset 5")
	bad(5, "penstock/1 5"+strings.Repeat(" b:s:5+1@1", 500), ErrBroken, "at most 4096")
}

// TestMetadataFits: whatever the names and the numbers, sixteen intents, the
// step that a settlement adds and what is done beyond gaps are no longer than a
// broker takes.
func TestMetadataFits(t *testing.T) {
	const far = math.MaxInt64 - 2*maxPending - 2*maxDone
	s := State{Offset: far}
	for i := range int64(maxDone) {
		first := far + 2*maxPending + 2*i
		s.Done = append(s.Done, Range{first, first + 1})
	}
	for i := range int64(maxPending) {
		name := string(rune('a'+i)) + strings.Repeat("b", maxBatch-1)
		s.Pending = append(s.Pending, Intent{Batch: name, Shard: strings.Repeat("s", maxShard), First: far + i, Next: far + i + 1, At: math.MaxInt64})
	}
	// The longest span a partition can have, at the longest of numbers.
	s.Pending[0] = Intent{Batch: s.Pending[0].Batch, Step: math.MaxInt, Shard: s.Pending[0].Shard, First: far, Next: far + 1, At: math.MaxInt64}
	if n := len(s.Metadata()) + (maxPending-1+maxDone)*len("9223372036854775807"); n > maxMetadata {
		t.Errorf("up to %d bytes", n)
	}
}

func TestMetadataRefuses(t *testing.T) {
	for _, s := range []State{
		{Offset: -1},
		{Pending: []Intent{{Batch: "", Shard: "s", Next: 1}}},
		{Pending: []Intent{{Batch: "a b", Shard: "s", Next: 1}}},
		{Pending: []Intent{{Batch: "b", Shard: "", Next: 1}}},
		{Pending: []Intent{{Batch: "b", Shard: "s", First: 1, Next: 1}}},
		{Offset: 2, Pending: []Intent{{Batch: "b", Shard: "s", First: 1, Next: 3}}},
	} {
		func() {
			defer func() {
				if r, _ := recover().(string); !strings.HasPrefix(r, "BUG: ") {
					t.Errorf("%+v is printed", s)
				}
			}()
			_ = s.Metadata()
		}()
	}
}

func TestToken(t *testing.T) {
	in := Intent{Batch: "r7-41"}
	if got := in.Token(3); got != "r7-41" {
		t.Error(got)
	}
	in.Step = 2
	if got := in.Token(3); got != "r7-41/p3/2" {
		t.Error(got)
	}
}

// TestRoundTrip: what is printed parses as what it was.
func TestRoundTrip(t *testing.T) {
	name := func(most int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("aZ09._-")), 1, most, -1)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := State{Offset: rapid.Int64Range(0, 1<<60).Draw(t, "offset")}
		for range rapid.IntRange(0, maxDone).Draw(t, "done") {
			first := s.End() + rapid.Int64Range(1, 1<<40).Draw(t, "apart")
			s.Done = append(s.Done, Range{first, first + rapid.Int64Range(1, 1<<40).Draw(t, "long")})
		}
		used := map[string]bool{}
		for range rapid.IntRange(0, maxPending).Draw(t, "pending") {
			first := s.End() + rapid.Int64Range(0, 1).Draw(t, "apart")*rapid.Int64Range(0, 1<<40).Draw(t, "gap")
			in := Intent{
				Batch: name(maxBatch).Draw(t, "batch"), Step: rapid.IntRange(0, 99).Draw(t, "step"), Shard: name(maxShard).Draw(t, "shard"),
				First: first, Next: first + rapid.Int64Range(1, 1<<40).Draw(t, "count"), At: rapid.Int64Min(0).Draw(t, "at"),
			}
			if !used[in.Batch] {
				s.Pending = append(s.Pending, in)
			}
			used[in.Batch] = true
		}
		rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "order"))).Shuffle(len(s.Pending), func(i, j int) { s.Pending[i], s.Pending[j] = s.Pending[j], s.Pending[i] })
		got, err := Parse(s.Offset, s.Metadata())
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%s: got %+v, %v; want %+v", s.Metadata(), got, err, s)
		}
	})
}

// FuzzParse: nothing makes Parse panic, and what it takes for ours is exactly
// what we would have written.
func FuzzParse(f *testing.F) {
	f.Add(int64(0), "")
	f.Add(int64(100), "penstock/1 100")
	f.Add(int64(100), "penstock/1 100 b1:s1:100+10@1795544815")
	f.Add(int64(100), "penstock/1 100 b1/3:s1:105+10@9 b2.4:s-2:120+1@10")
	f.Add(int64(100), "penstock/2 100 b1")
	f.Add(int64(100), "penstock/2 100 b2:s1:200+10@9 b1:s1:100+10@9")
	f.Add(int64(100), "penstock/2 100 900+50 990+10 h:s:950+30@9 g:s:100+60@9")
	f.Add(int64(100), "penstock/3 100")
	f.Add(int64(100), "penstock/1 100 b1:s1:9223372036854775807+1@0")
	f.Add(int64(-1), "penstock/1 -1")
	f.Add(int64(7), "someone else's")
	f.Fuzz(func(t *testing.T, offset int64, metadata string) {
		s, err := Parse(offset, metadata)
		if err != nil {
			if !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrBroken) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if again := s.Metadata(); strings.HasPrefix(metadata, "penstock/2") && again != metadata {
			t.Fatalf("%q is printed as %q", metadata, again)
		} else if !strings.HasPrefix(metadata, "penstock/2") && !s.isPlain() {
			t.Fatalf("%q is taken for %+v", metadata, s)
		}
		if again, err := Parse(s.Offset, s.Metadata()); err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q: got %+v, %v; want %+v", metadata, again, err, s)
		}
		if s.Offset != offset || s.End() < offset {
			t.Fatalf("%d %q: %+v", offset, metadata, s)
		}
	})
}
