package dedup

import (
	"fmt"
	"time"

	"penstock/schema"
)

// Window remembers which identities of one partition were seen, for at least
// its span of record time and at most twice that. It is used by one goroutine
// at a time.
type Window struct {
	span        int64 // milliseconds
	generations generations
	// began is the record time, in milliseconds, at which the generation now was
	// started. What is in the one before was seen no later than that.
	began int64
	begun bool // began is known

	// beside is the other window of a partition that is read at two places, for
	// records before until; nil for none. See Pair.
	beside *Window
	until  int64
	// held: nothing is forgotten for its age.
	held bool
}

// generations are the identities first seen in two stretches of record time, now
// and before. Two, because dropping a whole one is free and expiring identities
// one by one is not.
type generations interface {
	// seen reports whether a reading of that identity and time is known in
	// either, and remembers it now if not.
	seen(id schema.Identity, event int64) bool
	// has reports whether it is known in either.
	has(id schema.Identity, event int64) bool
	// turn forgets the one before; now becomes before, and an empty one begins.
	turn()
	// restore remembers a block, or a fingerprint, before.
	restore(b Block)
	// held is how many blocks or fingerprints they hold.
	held() (now, before int)
}

// NewWindow returns an empty window. Span is at least a millisecond.
func NewWindow(span time.Duration, kind Kind) *Window {
	return &Window{span: span.Milliseconds(), generations: kind.generations()}
}

// Seen reports whether a reading of identity id, taken at event, was seen in
// the window, and remembers it. Event is the event's own time, at that of its
// record, both in Unix milliseconds.
//
// A generation holds at most most blocks or fingerprints, see [Kind.Bytes]: one
// that is full is closed whatever its age, and the one before it is forgotten.
// Shrunk tells that this happened.
func (w *Window) Seen(id schema.Identity, event, at int64, most int) (dup, shrunk bool) {
	if !w.begun {
		w.began, w.begun = at, true
	}
	now, _ := w.generations.held()
	if shrunk = now >= most; shrunk {
		w.turn(at)
	}
	if age := at - w.began; age >= w.span {
		w.expire(age / w.span)
	}
	if w.beside != nil && w.besideHas(id, event, at) {
		return true, shrunk
	}
	return w.generations.seen(id, event), shrunk
}

// expire begins the generation that is due so many spans after the one now.
// Generations begin a span apart, whenever records come: begun by the first
// record after, one could be kept for three spans.
func (w *Window) expire(spans int64) {
	began := w.began + spans*w.span
	if w.held {
		w.began = began
		return
	}
	for range min(spans, 2) {
		w.turn(began)
	}
}

// turn begins a generation at a record time.
func (w *Window) turn(at int64) {
	w.generations.turn()
	w.began = at
}

// Restore remembers what a table says was stored. It comes before the first
// [Window.Seen], once for each block, in any order; blocks of the same numbers
// are united. Of new blocks beyond most nothing is kept, and shrunk says so.
//
// What is restored is the generation before the one that the first Seen
// begins, so that it is remembered for a span from its newest record on.
func (w *Window) Restore(b Block, most int) (shrunk bool) {
	now, before := w.generations.held()
	if now > 0 {
		panic(fmt.Sprintf("BUG: block %d of device %x restored after %d were seen", b.Number, b.Device, now))
	}
	if before >= most {
		return true
	}
	w.generations.restore(b)
	if !w.begun || b.At > w.began {
		w.began, w.begun = b.At, true
	}
	return false
}

// Len returns how many blocks or fingerprints the window holds; each takes up
// to [Kind.Bytes].
func (w *Window) Len() int {
	now, before := w.generations.held()
	return now + before
}
