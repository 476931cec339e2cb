package dedup

import (
	"time"

	"penstock/schema"
)

// Window remembers which identities of one partition were seen, for at least
// its span of record time and at most twice that. It is used by one goroutine
// at a time.
type Window struct {
	span int64 // milliseconds
	kind Kind

	// Two generations, because dropping a whole one is free and expiring
	// identities one by one is not.
	now    generation
	before generation
	// began is the record time, in milliseconds, at which now was started.
	// What is in before was seen no later than that.
	began int64
	begun bool // began is known

	// beside is the other window of a partition that is read at two places, for
	// records before until; nil for none. See Pair.
	beside *Window
	until  int64
	// held: nothing is forgotten for its age.
	held bool
}

// generation is the identities first seen in a stretch of record time.
type generation interface {
	// has reports whether a reading of that identity and time is known.
	has(id schema.Identity, event int64) bool
	// add remembers a reading; false if it is known already.
	add(id schema.Identity, event int64) bool
	restore(b Block)
	// len is how many blocks or fingerprints it holds.
	len() int
}

// NewWindow returns an empty window. Span is at least a millisecond.
func NewWindow(span time.Duration, kind Kind) *Window {
	return &Window{span: span.Milliseconds(), kind: kind, now: kind.generation(), before: kind.generation()}
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
	if shrunk = w.now.len() >= most; shrunk {
		w.turn(at)
	}
	// Generations begin a span apart, whenever records come: begun by the first
	// record after, one could be kept for three spans.
	if spans := (at - w.began) / w.span; spans >= 1 && w.held {
		w.began += spans * w.span
	} else if spans >= 1 {
		w.turn(w.began + spans*w.span)
		if spans >= 2 {
			w.before = w.kind.generation()
		}
	}
	if w.beside != nil && w.besideHas(id, event, at) {
		return true, shrunk
	}
	return w.before.has(id, event) || !w.now.add(id, event), shrunk
}

// turn begins a generation at a record time.
func (w *Window) turn(at int64) {
	w.before, w.now, w.began = w.now, w.kind.generation(), at
}

// Restore remembers what a table says was stored. It comes before the first
// [Window.Seen], once for each block, in any order; blocks of the same numbers
// are united. Of new blocks beyond most nothing is kept, and shrunk says so.
//
// What is restored is the generation before the one that the first Seen
// begins, so that it is remembered for a span from its newest record on.
func (w *Window) Restore(b Block, most int) (shrunk bool) {
	if w.before.len() >= most {
		return true
	}
	w.before.restore(b)
	if !w.begun || b.At > w.began {
		w.began, w.begun = b.At, true
	}
	return false
}

// Len returns how many blocks or fingerprints the window holds; each takes up
// to [Kind.Bytes].
func (w *Window) Len() int { return w.now.len() + w.before.len() }
