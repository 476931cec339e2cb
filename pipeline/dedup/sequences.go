package dedup

import "penstock/schema"

// sequencesBytes is about what an era takes, its place in the map included.
const sequencesBytes = 150

// maxEras bounds how many eras of one block a generation knows. Larger: a
// device that starts ever again is followed further back, and each of its
// readings is compared with as many. At the bound the oldest is forgotten,
// rather than united with the next: a late reading in between would be taken
// for a resend and lost, while a resend of what is forgotten is stored twice,
// which can be repaired.
const maxEras = 8

// erasAtOnce eras are allocated together. 186 of them fill 16 KiB, a size the
// allocator has.
const erasAtOnce = 186

// sequences is a generation of devices that number their readings. It holds no
// pointer for an identity, so the collector does not look through it.
type sequences struct {
	newest map[blockKey]uint32 // the newest era of a block, by its index
	chunks []*[erasAtOnce]era
	count  int // of eras
}

// blockKey is 512 consecutive sequence numbers of a device.
type blockKey struct{ device, number uint64 }

// era is one use of a block's numbers: those between two restarts of a device,
// as far as times tell.
type era struct {
	bits [BlockNumbers / 64]uint64
	// first and last are the least and the greatest event time of the readings
	// in bits.
	first, last int64
	// older is the index of the era before this one, plus 1; 0 is none.
	older uint32
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

func (s *sequences) at(i uint32) *era { return &s.chunks[i/erasAtOnce][i%erasAtOnce] }

func (s *sequences) len() int { return s.count }

// has implements generation.
func (s *sequences) has(id schema.Identity, event int64) bool {
	key, word, bit := locate(id)
	i, ok := s.newest[key]
	for ok {
		e := s.at(i)
		if e.knows(word, bit, event) {
			return true
		}
		i, ok = e.older-1, e.older != 0
	}
	return false
}

// add implements generation. A number that is not known is taken by the era
// that has it free and is nearest in time.
func (s *sequences) add(id schema.Identity, event int64) bool {
	key, word, bit := locate(id)
	head, ok := s.newest[key]
	if !ok {
		s.put(key, era{first: event, last: event}).set(word, bit, event)
		return true
	}
	var (
		nearest *era
		newer   *era // than the one looked at
		eras    int
	)
	for i, more := head, true; more; {
		e := s.at(i)
		if e.knows(word, bit, event) {
			return false
		}
		if e.bits[word]&bit == 0 && (nearest == nil || e.away(event) < nearest.away(event)) {
			nearest = e
		}
		eras++
		if i, more = e.older-1, e.older != 0; more {
			newer = e
		}
	}
	switch {
	case nearest != nil:
		nearest.set(word, bit, event)
		return true
	case eras < maxEras:
		s.put(key, era{first: event, last: event, older: head + 1}).set(word, bit, event)
		return true
	}
	// The oldest becomes the newest.
	oldest := newer.older - 1
	newer.older = 0
	e := s.at(oldest)
	*e = era{first: event, last: event, older: head + 1}
	e.set(word, bit, event)
	s.newest[key] = oldest
	return true
}

// put appends an era and makes it the newest of its block.
func (s *sequences) put(key blockKey, e era) *era {
	if s.newest == nil {
		s.newest = map[blockKey]uint32{}
	}
	i := uint32(s.count)
	if s.count == len(s.chunks)*erasAtOnce {
		s.chunks = append(s.chunks, new([erasAtOnce]era))
	}
	s.count++
	s.newest[key] = i
	at := s.at(i)
	*at = e
	return at
}

// restore implements generation. Eras cannot be told apart any more in what is
// restored: they are one.
func (s *sequences) restore(b Block) {
	key := blockKey{b.Device, b.Number}
	i, ok := s.newest[key]
	if !ok {
		s.put(key, era{bits: b.Bits, first: b.First, last: b.Last})
		return
	}
	e := s.at(i)
	for w := range e.bits {
		e.bits[w] |= b.Bits[w]
	}
	e.first, e.last = min(e.first, b.First), max(e.last, b.Last)
}
