package pipeline

import (
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/schema"
)

const unbounded = 1 << 30

func TestWindow(t *testing.T) {
	const span = 1000 // milliseconds
	type step struct {
		device, seq uint64
		at          int64
		dup         bool
	}
	f := func(name string, steps ...step) {
		t.Helper()
		w := newWindow(span * time.Millisecond)
		for i, s := range steps {
			if dup, _ := w.seen(schema.Identity{Device: s.device, Seq: s.seq}, s.at, unbounded); dup != s.dup {
				t.Errorf("%s: step %d: %+v is seen: %v", name, i, s, dup)
			}
		}
	}
	f("new, then seen", step{1, 7, 5000, false}, step{1, 7, 5000, true})
	f("devices have numbers of their own", step{1, 7, 5000, false}, step{2, 7, 5000, false})
	f("every bit of a block, and the block's neighbours",
		step{1, 511, 5000, false}, step{1, 512, 5000, false}, step{1, 0, 5000, false}, step{1, 63, 5000, false}, step{1, 64, 5000, false},
		step{1, 511, 5000, true}, step{1, 512, 5000, true}, step{1, 63, 5000, true}, step{1, 64, 5000, true}, step{1, 1023, 5000, false})
	f("the largest number", step{1, 1<<64 - 1, 5000, false}, step{1, 1<<64 - 1, 5000, true}, step{1, 1<<63 - 1, 5000, false})
	f("one span later", step{1, 7, 5000, false}, step{1, 7, 5999, true}, step{1, 7, 6000, true}, step{1, 7, 6999, true})
	f("two spans later", step{1, 7, 5000, false}, step{1, 7, 7000, false}, step{1, 7, 7000, true})
	f("two spans later, when the first has passed with others",
		step{1, 7, 5000, false}, step{1, 8, 6990, false}, step{1, 7, 7000, false}, step{1, 8, 7989, true}, step{1, 8, 8000, false})
	f("after a long silence", step{1, 7, 5000, false}, step{1, 7, 900_000, false})
	f("records out of order", step{1, 7, 5000, false}, step{1, 7, 4000, true}, step{1, 8, 4000, false}, step{1, 8, 5999, true})
}

// TestWindowRemembers holds the window against a map that forgets nothing: what
// was first seen less than a span ago is known, what was two spans ago is not,
// and in between either answer is right.
func TestWindowRemembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(1, 50).Draw(t, "span")
		w := newWindow(time.Duration(span) * time.Millisecond)
		first := map[schema.Identity]int64{} // when the window took it last for new
		at := rapid.Int64Range(1, 1<<40).Draw(t, "begin")
		for range rapid.IntRange(1, 200).Draw(t, "records") {
			at += rapid.SampledFrom([]int64{0, 0, 0, 1, span / 2, span - 1, span, 2*span - 1, 2 * span, 7 * span}).Draw(t, "passed")
			id := schema.Identity{Device: rapid.Uint64Range(0, 2).Draw(t, "device"), Seq: rapid.SampledFrom([]uint64{0, 1, 63, 64, 511, 512, 1 << 40}).Draw(t, "seq")}
			dup, shrunk := w.seen(id, at, unbounded)
			since, known := first[id]
			switch {
			case shrunk:
				t.Fatalf("shrunk without a bound")
			case dup && !known:
				t.Fatalf("%v at %d is new and was taken for a resend", id, at)
			case known && !dup && at-since < span:
				t.Fatalf("%v of %d was forgotten at %d, within the span of %d", id, since, at, span)
			case dup && at-since >= 2*span:
				t.Fatalf("%v of %d is still known at %d, past two spans of %d", id, since, at, span)
			}
			if !dup {
				first[id] = at
			}
		}
	})
}

func TestWindowKeepsItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		w := newWindow(time.Hour)
		shrinks := 0
		for range rapid.IntRange(1, 300).Draw(t, "records") {
			held := len(w.now)
			id := schema.Identity{Seq: rapid.Uint64Range(0, 40*512).Draw(t, "seq")}
			_, shrunk := w.seen(id, 1, most)
			if shrunk {
				shrinks++
			}
			if shrunk != (held >= most) {
				t.Fatalf("shrunk is %v with %d blocks of %d", shrunk, held, most)
			}
			if len(w.now) > most || len(w.before) > most {
				t.Fatalf("%d and %d blocks; at most %d each", len(w.now), len(w.before), most)
			}
			if dup, _ := w.seen(id, 1, unbounded); !dup {
				t.Fatalf("%v was forgotten at once", id)
			}
		}
	})
}

// What Dedup.Blocks says a block takes is what operators size a node by.
func TestABlockTakesWhatTheConfigSays(t *testing.T) {
	const blocks = 250_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what had a finalizer
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	w := newWindow(time.Hour)
	for i := range uint64(blocks) {
		w.seen(schema.Identity{Device: i * 0x9e3779b97f4a7c15, Seq: i}, 1, unbounded)
	}
	full := heap()
	runtime.KeepAlive(w) // and not beyond
	each := float64(full-heap()) / blocks
	t.Logf("%.0f bytes a block", each)
	if each < 64 || each > blockBytes {
		t.Errorf("a block takes %.0f bytes; Dedup.Blocks says at most %d", each, blockBytes)
	}
}
