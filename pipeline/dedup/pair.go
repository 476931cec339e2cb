package dedup

import (
	"math"

	"penstock/schema"
)

// Pair makes two windows those of one partition that is read at its head and, in
// a gap below, some time behind it: what either has seen is a resend to both.
//
// Why not one window? It takes readings of a device in their order: were those
// of the head in it first, a restart within the gap would not be seen, since the
// times before it would be within those of the era that the head began.
//
// Until Unpair the head's window forgets nothing for its age. A reading of the
// gap may be one that the head has seen up to a span after the gap, however long
// ago by then. The gap's forgets by the time of its own records, which is always
// before that of the head's.
func Pair(gap, head *Window) {
	gap.beside, gap.until = head, math.MaxInt64
	head.beside, head.until = gap, math.MaxInt64
	head.held = true
}

// Unpair says that the gap is closed. The head's window is as any other from now
// on, but for what the gap's has seen: that is known for a span after it.
func (w *Window) Unpair() {
	if w.beside != nil {
		w.held, w.until = false, w.beside.began+2*w.span
	}
}

// Windows returns how many windows are kept: two of a pair.
func (w *Window) Windows() int {
	if w.beside != nil {
		return 2
	}
	return 1
}

func (w *Window) besideHas(id schema.Identity, event, at int64) bool {
	if at >= w.until {
		w.beside = nil
		return false
	}
	return w.beside.generations.has(id, event)
}
