package dedup

import "penstock/schema"

// sequencesBytes is about what an era takes at most: 112 bytes, and in the table
// 21 when that has just grown, or 32 while it does.
const sequencesBytes = 150

// sequences are two generations of devices that number their readings.
type sequences struct{ now, before *blocks }

func newSequences() *sequences { return &sequences{now: newBlocks(), before: newBlocks()} }

// seen implements generations. Of nearly every reading the block is there now,
// and the reading is later than all before: one place of a table and one era
// are looked at.
func (s *sequences) seen(id schema.Identity, event int64) bool {
	key, word, bit := locate(id)
	hash := key.hash()
	if head := s.now.find(key, hash); head != 0 {
		e := s.now.at(head)
		if event <= e.beforeLast && s.before.knows(e.before, word, bit, event) {
			return true
		}
		return !s.now.add(head, hash, word, bit, event)
	}
	before := s.before.find(key, hash)
	if s.before.knows(before, word, bit, event) {
		return true
	}
	e := s.now.put(key, hash, event)
	e.before, e.beforeLast = before, s.before.last(before)
	e.set(word, bit, event)
	return false
}

// has implements generations.
func (s *sequences) has(id schema.Identity, event int64) bool {
	key, word, bit := locate(id)
	hash := key.hash()
	return s.now.knows(s.now.find(key, hash), word, bit, event) || s.before.knows(s.before.find(key, hash), word, bit, event)
}

// turn implements generations.
func (s *sequences) turn() { s.before, s.now = s.now, newBlocks() }

// restore implements generations. Eras cannot be told apart any more in what is
// restored: they are one.
func (s *sequences) restore(b Block) {
	key := blockKey{b.Device, b.Number}
	hash := key.hash()
	var e *era
	if r := s.before.find(key, hash); r != 0 {
		e = s.before.at(r)
	} else {
		e = s.before.put(key, hash, b.First)
	}
	for w := range e.bits {
		e.bits[w] |= b.Bits[w]
	}
	e.first, e.last = min(e.first, b.First), max(e.last, b.Last)
}

// held implements generations.
func (s *sequences) held() (now, before int) { return s.now.count, s.before.count }
