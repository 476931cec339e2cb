package pipeline

import (
	"time"

	"penstock/schema"
)

// window remembers which identities of one partition were seen, for at least
// its span of record time and at most twice that.
//
// A device numbers its readings, so its identities come in runs: one bit a
// number, in blocks of 512. A map of identities would take 40 bytes each where
// a busy device takes an eighth of one here. Two generations, because dropping
// a whole map is free and expiring entries one by one is not.
type window struct {
	span   int64 // milliseconds
	began  int64 // record time at which now was started
	now    map[seqBlock]*seqBits
	before map[seqBlock]*seqBits
}

// seqBlock is 512 consecutive sequence numbers of a device.
type seqBlock struct{ device, block uint64 }

type seqBits [8]uint64

func newWindow(span time.Duration) *window {
	return &window{span: span.Milliseconds(), now: map[seqBlock]*seqBits{}}
}

// seen reports whether id was seen in the window, and remembers it. at is the
// record's time in milliseconds. Of a generation that holds most blocks a new
// one is begun, whatever its age; shrunk tells that this happened.
func (w *window) seen(id schema.Identity, at int64, most int) (dup, shrunk bool) {
	if w.began == 0 {
		w.began = at
	}
	if shrunk = len(w.now) >= most; shrunk {
		w.before, w.now, w.began = w.now, map[seqBlock]*seqBits{}, at
	}
	// Generations begin a span apart, whenever records come: begun by the first
	// record after, one could be kept for three spans.
	if spans := (at - w.began) / w.span; spans >= 1 {
		w.before, w.now, w.began = w.now, map[seqBlock]*seqBits{}, w.began+spans*w.span
		if spans >= 2 {
			w.before = nil
		}
	}
	key := seqBlock{id.Device, id.Seq >> 9}
	word, bit := id.Seq>>6&7, uint64(1)<<(id.Seq&63)
	if old := w.before[key]; old != nil && old[word]&bit != 0 {
		return true, shrunk
	}
	bits := w.now[key]
	if bits == nil {
		bits = new(seqBits)
		w.now[key] = bits
	}
	dup = bits[word]&bit != 0
	bits[word] |= bit
	return dup, shrunk
}
