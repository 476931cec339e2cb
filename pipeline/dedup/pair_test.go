package dedup

import (
	"testing"
	"time"

	"penstock/schema"
)

// reading is one of the device, taken at a time, that came to Kafka at another.
type reading struct {
	seq       uint64
	event, at int64
}

func minutes(n int64) int64 { return n * time.Minute.Milliseconds() }

func seen(w *Window, r reading) bool {
	dup, _ := w.Seen(schema.Identity{Device: 7, Seq: r.seq}, r.event, r.at, unbounded)
	return dup
}

func newPair() (gap, head *Window) {
	gap, head = NewWindow(time.Hour, Sequences), NewWindow(time.Hour, Sequences)
	Pair(gap, head)
	return gap, head
}

// A reading that was sent again is in the gap and at the head, and either is
// read first.
func TestAPairKnowsAResendWhicheverComesFirst(t *testing.T) {
	gap, head := newPair()
	early, late := reading{1, minutes(1), minutes(1)}, reading{2, minutes(2), minutes(2)}
	again := func(r reading, at int64) reading { r.at = at; return r }
	for _, c := range []struct {
		name string
		w    *Window
		r    reading
		dup  bool
	}{
		{"the gap's first", gap, early, false},
		{"its resend at the head", head, again(early, minutes(55)), true},
		{"and again", head, again(early, minutes(56)), true},
		{"the resend first", head, again(late, minutes(57)), false},
		{"the gap's after it", gap, late, true},
		{"a reading of the head", head, reading{3, minutes(58), minutes(58)}, false},
	} {
		if got := seen(c.w, c.r); got != c.dup {
			t.Errorf("%s: duplicate %t; want %t", c.name, got, c.dup)
		}
	}
}

// However long it takes until the gap is read, what the head saw meanwhile is
// known to it; and what the gap saw is known to the head for a span after it.
func TestAPairForgetsNothingTooEarly(t *testing.T) {
	gap, head := newPair()
	resend := reading{1, minutes(1), minutes(50)}
	if seen(head, resend) {
		t.Fatal("seen before it came")
	}
	for m := int64(50); m < 500; m++ {
		seen(head, reading{uint64(m), minutes(m), minutes(m)})
	}
	if !seen(gap, reading{1, minutes(1), minutes(1)}) {
		t.Error("the gap's reading was stored when its resend came, hours ago; it is taken again")
	}
	seen(gap, reading{600, minutes(45), minutes(45)})
	head.Unpair()
	if head.Windows() != 2 {
		t.Error("the gap's window is gone at once")
	}
	if !seen(head, reading{499, minutes(499), minutes(501)}) {
		t.Error("what the head saw last is forgotten as soon as the gap is closed")
	}
}

func TestAPairEndsASpanAfterTheGap(t *testing.T) {
	gap, head := newPair()
	seen(head, reading{100, minutes(60), minutes(60)})
	seen(gap, reading{1, minutes(55), minutes(55)})
	head.Unpair()
	if !seen(head, reading{1, minutes(55), minutes(110)}) {
		t.Error("a resend within a span of its reading in the gap is taken")
	}
	seen(head, reading{101, minutes(200), minutes(200)})
	if n := head.Windows(); n != 1 {
		t.Errorf("%d windows are kept two spans later", n)
	}
}

// A device began to number anew within the gap, and its numbers went on at the
// head: in one window, the head's readings first, all those between the restart
// and the head would count as resends.
func TestAPairSeesARestartWithinTheGap(t *testing.T) {
	gap, head := newPair()
	next := int64(0)
	read := func(w *Window, from, to uint64) (dups int) {
		for seq := from; seq < to; seq++ {
			next++
			if seen(w, reading{seq, minutes(next), minutes(next)}) {
				dups++
			}
		}
		return dups
	}
	next = 40
	if n := read(head, 20, 40); n != 0 {
		t.Errorf("%d of the head's readings count as resends", n)
	}
	next = 0
	if n := read(gap, 0, 20) + read(gap, 0, 20); n != 0 {
		t.Errorf("%d of the gap's readings count as resends", n)
	}
}
