package dedup

import (
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
		event, at   int64
		dup         bool
	}
	f := func(name string, steps ...step) {
		t.Helper()
		w := NewWindow(span*time.Millisecond, Sequences)
		for i, s := range steps {
			if dup, _ := w.Seen(schema.Identity{Device: s.device, Seq: s.seq}, s.event, s.at, unbounded); dup != s.dup {
				t.Errorf("%s: step %d: %+v is seen: %v", name, i, s, dup)
			}
		}
	}
	f("new, then seen", step{1, 7, 1, 5000, false}, step{1, 7, 1, 5000, true})
	f("devices have numbers of their own", step{1, 7, 1, 5000, false}, step{2, 7, 1, 5000, false})
	f("every bit of a block, and the block's neighbours",
		step{1, 511, 1, 5000, false}, step{1, 512, 1, 5000, false}, step{1, 0, 1, 5000, false}, step{1, 63, 1, 5000, false}, step{1, 64, 1, 5000, false},
		step{1, 511, 1, 5000, true}, step{1, 512, 1, 5000, true}, step{1, 63, 1, 5000, true}, step{1, 64, 1, 5000, true}, step{1, 1023, 1, 5000, false})
	f("the largest number", step{1, 1<<64 - 1, 1, 5000, false}, step{1, 1<<64 - 1, 1, 5000, true}, step{1, 1<<63 - 1, 1, 5000, false})
	f("one span later", step{1, 7, 1, 5000, false}, step{1, 7, 1, 5999, true}, step{1, 7, 1, 6000, true}, step{1, 7, 1, 6999, true})
	f("two spans later", step{1, 7, 1, 5000, false}, step{1, 7, 1, 7000, false}, step{1, 7, 1, 7000, true})
	f("two spans later, when the first has passed with others",
		step{1, 7, 1, 5000, false}, step{1, 8, 1, 6990, false}, step{1, 7, 1, 7000, false}, step{1, 8, 1, 7989, true}, step{1, 8, 1, 8000, false})
	f("after a long silence", step{1, 7, 1, 5000, false}, step{1, 7, 1, 900_000, false})
	f("records out of order", step{1, 7, 1, 5000, false}, step{1, 7, 1, 4000, true}, step{1, 8, 1, 4000, false}, step{1, 8, 1, 5999, true})
	f("the first record is of 1970", step{1, 7, 1, 0, false}, step{1, 7, 1, 999, true}, step{1, 7, 1, 2000, false})

	f("a restart, and resends of both sides of it",
		step{1, 0, 100, 5000, false}, step{1, 1, 110, 5000, false}, step{1, 2, 120, 5000, false},
		step{1, 0, 130, 5000, false}, step{1, 1, 140, 5000, false},
		step{1, 0, 100, 5000, true}, step{1, 1, 110, 5000, true}, step{1, 2, 120, 5000, true},
		step{1, 0, 130, 5000, true}, step{1, 1, 140, 5000, true}, step{1, 2, 150, 5000, false}, step{1, 3, 160, 5000, false})
	f("a third boot",
		step{1, 0, 100, 5000, false}, step{1, 0, 200, 5000, false}, step{1, 0, 300, 5000, false},
		step{1, 0, 100, 5000, true}, step{1, 0, 200, 5000, true}, step{1, 0, 300, 5000, true}, step{1, 0, 400, 5000, false})
	f("a restart a generation later",
		step{1, 0, 100, 5000, false}, step{1, 1, 110, 5000, false}, step{1, 0, 120, 6000, false}, step{1, 1, 110, 6000, true}, step{1, 0, 120, 6000, true})
	f("a reading that was late, from before the restart",
		step{1, 0, 100, 5000, false}, step{1, 2, 120, 5000, false}, step{1, 0, 130, 5000, false}, step{1, 1, 140, 5000, false},
		step{1, 1, 110, 5000, false}, step{1, 1, 110, 5000, true}, step{1, 2, 150, 5000, false}, step{1, 2, 150, 5000, true})
	f("a clock that goes back loses no new number",
		step{1, 0, 100, 5000, false}, step{1, 1, 200, 5000, false}, step{1, 2, 150, 5000, false}, step{1, 3, 50, 5000, false}, step{1, 2, 150, 5000, true})
	f("a restart with a clock behind all times of the block",
		step{1, 0, 100, 5000, false}, step{1, 1, 110, 5000, false}, step{1, 0, 10, 5000, false}, step{1, 1, 20, 5000, false},
		step{1, 1, 110, 5000, true}, step{1, 1, 20, 5000, true})
	f("what is not promised: number and clock both go back into what was used",
		step{1, 0, 100, 5000, false}, step{1, 9, 200, 5000, false}, step{1, 0, 150, 5000, true})
	f("what is not promised: a number above the restart's comes before those below",
		step{1, 0, 100, 5000, false}, step{1, 1, 110, 5000, false}, step{1, 3, 150, 5000, false}, step{1, 1, 130, 5000, true})
}

func TestRestore(t *testing.T) {
	const span = 1000 // milliseconds
	w := NewWindow(span*time.Millisecond, Sequences)
	// The numbers 512 and 513 are of a day that is sealed, 514 of one that is hot.
	for _, b := range []Block{
		{Device: 1, Number: 1, Bits: [8]uint64{0b100}, First: 120, Last: 120, At: 5000},
		{Device: 1, Number: 1, Bits: [8]uint64{0b011}, First: 100, Last: 110, At: 4000},
	} {
		if w.Restore(b, unbounded) {
			t.Error("shrunk without a bound")
		}
	}
	f := func(name string, seq uint64, event, at int64, want bool) {
		t.Helper()
		if dup, _ := w.Seen(schema.Identity{Device: 1, Seq: seq}, event, at, unbounded); dup != want {
			t.Errorf("%s is seen: %v", name, dup)
		}
	}
	f("the oldest that is stored", 512, 100, 4500, true)
	f("the newest that is stored", 514, 120, 4500, true)
	f("a number that is not stored", 515, 130, 4500, false)
	f("a number after a restart", 512, 140, 4500, false)
	f("its resend", 512, 140, 4500, true)
	f("a resend just within the span of the newest", 514, 120, 5999, true)
	f("a resend a span after the newest", 514, 120, 6000, false)
	f("a resend of what was seen in between", 512, 140, 6000, true)
}

// What is seen was looked for in what is restored; more of that comes too late.
func TestRestoreComesFirst(t *testing.T) {
	w := NewWindow(time.Hour, Sequences)
	w.Seen(schema.Identity{Device: 1, Seq: 7}, 1, 1, unbounded)
	defer func() {
		if recover() == nil {
			t.Error("a block was restored after a reading was seen")
		}
	}()
	w.Restore(Block{Device: 1, Bits: [8]uint64{1 << 7}, First: 1, Last: 1, At: 1}, unbounded)
}

// A device that does not count takes a block at most, whatever it sends, and
// loses nothing.
func TestErasAreBounded(t *testing.T) {
	w := NewWindow(time.Hour, Sequences)
	seen := func(event int64) bool {
		dup, _ := w.Seen(schema.Identity{Device: 1}, event, 1, unbounded)
		return dup
	}
	for event := range int64(1000) {
		if seen(event) {
			t.Fatalf("the reading of %d is new", event)
		}
		for back := range min(maxEras, event+1) {
			if !seen(event - back) {
				t.Fatalf("after %d that of %d was forgotten", event, event-back)
			}
		}
	}
	if w.Len() != maxEras {
		t.Errorf("%d eras, want %d", w.Len(), maxEras)
	}
	if seen(10) {
		t.Error("of a thousand uses of a number the tenth is known")
	}
}

// TestForwardClocks has devices whose clocks go forward, that restart, and that
// send again what they sent. Every new reading is taken, and a resend within
// the span is not; nor does it matter when the window is rebuilt.
func TestForwardClocks(t *testing.T) {
	type reading struct {
		device, seq uint64
		event       int64
		boot        int
		at          int64 // when the window took it last
	}
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(1, 50).Draw(t, "span")
		w := NewWindow(time.Duration(span)*time.Millisecond, Sequences)
		at := rapid.Int64Range(1, 1<<40).Draw(t, "begin")
		var sent []*reading
		var stored []row
		devices := make([]reading, 3)
		take := func(r *reading, isNew bool) {
			dup, _ := w.Seen(schema.Identity{Device: r.device, Seq: r.seq}, r.event, at, unbounded)
			restarts := devices[r.device].boot - r.boot
			switch {
			case isNew && dup:
				t.Fatalf("%+v is new at %d and was taken for a resend", *r, at)
			case !isNew && !dup && at-r.at < span && restarts < maxEras:
				t.Fatalf("%+v was forgotten at %d, within the span of %d", *r, at, span)
			case dup && at-r.at >= 2*span && devices[r.device].boot == 0:
				t.Fatalf("%+v is still known at %d, past two spans of %d", *r, at, span)
			}
			if !dup {
				r.at = at
				stored = append(stored, row{r.device, r.seq, r.event, at})
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			at += rapid.SampledFrom([]int64{0, 0, 0, 0, 1, span / 2, span - 1, span, 2*span - 1, 2 * span, 7 * span}).Draw(t, "passed")
			d := rapid.Uint64Range(0, 2).Draw(t, "device")
			device := &devices[d]
			switch rapid.SampledFrom([]string{"new", "new", "new", "resend", "resend", "skip", "restart", "rebuild"}).Draw(t, "step") {
			case "new":
				device.event += rapid.SampledFrom([]int64{1, 1, 10, 100_000}).Draw(t, "later")
				r := &reading{d, device.seq, device.event, device.boot, 0}
				device.seq++
				sent = append(sent, r)
				take(r, true)
			case "resend":
				if len(sent) > 0 {
					take(rapid.SampledFrom(sent).Draw(t, "which"), false)
				}
			case "skip":
				device.seq += rapid.SampledFrom([]uint64{1, 62, 500, 1 << 40}).Draw(t, "numbers")
			case "restart":
				device.seq, device.boot = rapid.SampledFrom([]uint64{0, 0, 1, 60}).Draw(t, "first"), device.boot+1
			case "rebuild":
				w = rebuilt(w.span, Sequences, stored)
			}
		}
	})
}

// TestAnyClock has readings of any time and order: one whose number was not
// used is taken, and a resend within the span is not.
func TestAnyClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(1, 50).Draw(t, "span")
		w := NewWindow(time.Duration(span)*time.Millisecond, Sequences)
		type use struct {
			at     int64
			reused int // how often a number of the block had been used again
		}
		type reading struct {
			schema.Identity
			event int64
		}
		taken := map[reading]use{}
		used := map[schema.Identity]bool{}
		reused := map[blockKey]int{}
		at := rapid.Int64Range(1, 1<<40).Draw(t, "begin")
		for range rapid.IntRange(1, 200).Draw(t, "records") {
			at += rapid.SampledFrom([]int64{0, 0, 0, 1, span / 2, span, 2 * span}).Draw(t, "passed")
			r := reading{schema.Identity{
				Device: rapid.Uint64Range(0, 1).Draw(t, "device"),
				Seq:    rapid.SampledFrom([]uint64{0, 1, 2, 63, 64, 511, 512, 1 << 40}).Draw(t, "seq"),
			}, rapid.Int64Range(-3, 12).Draw(t, "event")}
			block, _, _ := locate(r.Identity)
			dup, _ := w.Seen(r.Identity, r.event, at, unbounded)
			before, known := taken[r]
			switch {
			case dup && !used[r.Identity]:
				t.Fatalf("%+v is the first of its number and was taken for a resend", r)
			case known && !dup && at-before.at < span && reused[block]-before.reused < maxEras:
				t.Fatalf("%+v of %d was forgotten at %d, within the span of %d", r, before.at, at, span)
			}
			if !dup {
				if used[r.Identity] {
					reused[block]++
				}
				used[r.Identity] = true
				taken[r] = use{at, reused[block]}
			}
		}
	})
}

func TestFingerprints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(1, 50).Draw(t, "span")
		w := NewWindow(time.Duration(span)*time.Millisecond, Fingerprints)
		first := map[uint64]int64{} // when the window took it last for new
		var stored []row
		at := rapid.Int64Range(1, 1<<40).Draw(t, "begin")
		for range rapid.IntRange(1, 200).Draw(t, "records") {
			at += rapid.SampledFrom([]int64{0, 0, 0, 1, span / 2, span - 1, span, 2*span - 1, 2 * span, 7 * span}).Draw(t, "passed")
			if rapid.IntRange(0, 19).Draw(t, "rebuild") == 0 {
				w = rebuilt(w.span, Fingerprints, stored)
			}
			id := schema.Identity{Seq: rapid.SampledFrom([]uint64{0, 1, 63, 512, 1<<64 - 1}).Draw(t, "id")}
			event := rapid.Int64().Draw(t, "event") // does not count
			dup, _ := w.Seen(id, event, at, unbounded)
			since, known := first[id.Seq]
			switch {
			case dup && !known:
				t.Fatalf("%v at %d is new and was taken for a resend", id, at)
			case known && !dup && at-since < span:
				t.Fatalf("%v of %d was forgotten at %d, within the span of %d", id, since, at, span)
			case dup && at-since >= 2*span:
				t.Fatalf("%v of %d is still known at %d, past two spans of %d", id, since, at, span)
			}
			if !dup {
				first[id.Seq] = at
				stored = append(stored, row{0, id.Seq, event, at})
			}
		}
	})
}

func TestWindowKeepsItsBound(t *testing.T) {
	for _, kind := range []Kind{Sequences, Fingerprints} {
		rapid.Check(t, func(t *rapid.T) {
			most := rapid.IntRange(1, 8).Draw(t, "most")
			w := NewWindow(time.Hour, kind)
			restored := rapid.IntRange(0, 12).Draw(t, "restored")
			for i := range restored {
				if shrunk := w.Restore(Block{Number: uint64(i), Bits: [8]uint64{1}, At: 1}, most); shrunk != (i >= most) {
					t.Fatalf("with %d of %d restored, shrunk is %v", i, most, shrunk)
				}
			}
			for range rapid.IntRange(1, 300).Draw(t, "records") {
				held, _ := w.generations.held()
				id := schema.Identity{Seq: rapid.Uint64Range(0, 40*512).Draw(t, "seq")}
				event := rapid.Int64Range(0, 20).Draw(t, "event")
				_, shrunk := w.Seen(id, event, 1, most)
				if shrunk != (held >= most) {
					t.Fatalf("shrunk is %v with %d held of %d", shrunk, held, most)
				}
				if now, before := w.generations.held(); now > most || before > most || w.Len() != now+before {
					t.Fatalf("%d and %d held, %d in all; at most %d each", now, before, w.Len(), most)
				}
				if dup, _ := w.Seen(id, event, 1, unbounded); !dup {
					t.Fatalf("%v was forgotten at once", id)
				}
			}
		})
	}
}

// row is a stored reading, as a table has it.
type row struct {
	device, seq uint64
	event, at   int64
}

// rebuilt returns a window of what is stored, put together as a server does:
// rows of the span before the newest, in one block whatever their eras, and
// some of them twice, as rows are that move while they are read.
func rebuilt(span int64, kind Kind, stored []row) *Window {
	w := NewWindow(time.Duration(span)*time.Millisecond, kind)
	newest := int64(0)
	for _, r := range stored {
		newest = max(newest, r.at)
	}
	blocks := map[blockKey]Block{}
	for i, r := range stored {
		if r.at < newest-span {
			continue
		}
		one := Block{Number: r.seq, At: r.at}
		if kind == Sequences {
			key, word, bit := locate(schema.Identity{Device: r.device, Seq: r.seq})
			one = Block{Device: key.device, Number: key.number, First: r.event, Last: r.event, At: r.at}
			one.Bits[word] = bit
		}
		key := blockKey{one.Device, one.Number}
		b, ok := blocks[key]
		if !ok {
			b = one
		}
		for i := range b.Bits {
			b.Bits[i] |= one.Bits[i]
		}
		b.First, b.Last, b.At = min(b.First, r.event), max(b.Last, r.event), max(b.At, r.at)
		if blocks[key] = b; i%7 == 0 {
			w.Restore(one, unbounded)
		}
	}
	for _, b := range blocks {
		w.Restore(b, unbounded)
	}
	return w
}
