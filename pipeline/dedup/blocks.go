package dedup

import (
	"math"

	"penstock/schema"
)

// maxEras bounds how many eras of one block a generation knows. Larger: a
// device that starts ever again is followed further back, and each of its
// readings is compared with as many. At the bound the oldest is forgotten,
// rather than united with the next: a late reading in between would be taken
// for a resend and lost, while a resend of what is forgotten is stored twice,
// which can be repaired.
const maxEras = 8

// erasAtOnce eras are allocated together: 14 KiB, a size the allocator has.
const erasAtOnce = 128

// blocks is a generation of devices that number their readings.
type blocks struct {
	// newest has a word for each block: the upper half of its key's hash, and
	// below that the block's newest era.
	newest table
	chunks []*[erasAtOnce]era
	count  int // of eras
}

// blockKey is 512 consecutive sequence numbers of a device.
type blockKey struct{ device, number uint64 }

// ref is an era of a generation: its index plus 1. 0 is none.
type ref uint32

// era is one use of a block's numbers: those between two restarts of a device,
// as far as times tell. It holds no pointer, so the collector does not look
// through eras.
type era struct {
	key blockKey
	// first and last are the least and the greatest event time of the readings
	// in bits.
	first, last int64
	// before is the newest era of the block in the generation before: looked up
	// once, as nothing is added there any more. It means nothing once the era is
	// of the generation before itself.
	before ref
	older  ref // the era before this one, of the same block and generation
	// beforeLast is the greatest event time of before and those older: they
	// know no reading later than that, so a device whose clock goes forward
	// costs no look at them.
	beforeLast int64
	bits       [BlockNumbers / 64]uint64
}

func locate(id schema.Identity) (key blockKey, word int, bit uint64) {
	return blockKey{id.Device, id.Seq / BlockNumbers}, int(id.Seq / 64 % (BlockNumbers / 64)), 1 << (id.Seq % 64)
}

func (e *era) knows(word int, bit uint64, event int64) bool {
	return e.bits[word]&bit != 0 && e.first <= event && event <= e.last
}

// away is how far event is from the era's times, 0 if it is within them.
func (e *era) away(event int64) uint64 {
	switch {
	case event < e.first:
		return uint64(e.first - event)
	case event > e.last:
		return uint64(event - e.last)
	}
	return 0
}

func (e *era) set(word int, bit uint64, event int64) {
	e.bits[word] |= bit
	e.first, e.last = min(e.first, event), max(e.last, event)
}

func newBlocks() *blocks { return &blocks{newest: newTable()} }

func (b *blocks) at(r ref) *era { return &b.chunks[(r-1)/erasAtOnce][(r-1)%erasAtOnce] }

// in is what a table has for the block of that hash.
func (r ref) in(hash uint64) uint64 { return hash>>32<<32 | uint64(r) }

// find returns the newest era of a block.
func (b *blocks) find(key blockKey, hash uint64) ref {
	t := &b.newest
	for i := t.home(hash); t.words[i] != 0; i = t.after(i) {
		// Half of the hash tells apart nearly all, the key the rest.
		if word := t.words[i]; word>>32 == hash>>32 && b.at(ref(word)).key == key {
			return ref(word)
		}
	}
	return 0
}

// put adds a block that is not held, with the times of one reading.
func (b *blocks) put(key blockKey, hash uint64, event int64) *era {
	r := b.append()
	b.newest.insert(r.in(hash))
	e := b.at(r)
	e.key, e.first, e.last = key, event, event
	return e
}

// append returns one more era, all zero.
func (b *blocks) append() ref {
	if b.count == len(b.chunks)*erasAtOnce {
		b.chunks = append(b.chunks, new([erasAtOnce]era))
	}
	b.count++
	return ref(b.count)
}

// knows reports whether a reading is known to an era or those older.
func (b *blocks) knows(r ref, word int, bit uint64, event int64) bool {
	for r != 0 {
		e := b.at(r)
		if e.knows(word, bit, event) {
			return true
		}
		r = e.older
	}
	return false
}

// last is the greatest event time of an era and those older.
func (b *blocks) last(r ref) int64 {
	last := int64(math.MinInt64)
	for r != 0 {
		e := b.at(r)
		last, r = max(last, e.last), e.older
	}
	return last
}

// add remembers a reading of the block whose newest era is head; false if it is
// known already. A number that is not known is taken by the era that has it free
// and is nearest in time.
func (b *blocks) add(head ref, hash uint64, word int, bit uint64, event int64) bool {
	var (
		nearest *era
		newer   *era // than the one looked at
		eras    int
	)
	for r := head; r != 0; {
		e := b.at(r)
		if e.knows(word, bit, event) {
			return false
		}
		if e.bits[word]&bit == 0 && (nearest == nil || e.away(event) < nearest.away(event)) {
			nearest = e
		}
		eras++
		if r = e.older; r != 0 {
			newer = e
		}
	}
	if nearest != nil {
		nearest.set(word, bit, event)
		return true
	}
	var next ref
	if eras < maxEras {
		next = b.append()
	} else { // The oldest becomes the newest.
		next, newer.older = newer.older, 0
	}
	newest := b.at(head)
	e := b.at(next)
	*e = era{key: newest.key, first: event, last: event, before: newest.before, older: head, beforeLast: newest.beforeLast}
	e.set(word, bit, event)
	b.newest.replace(head.in(hash), next.in(hash))
	return true
}
