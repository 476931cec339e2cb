package schema

import "math/bits"

// presence is which fields of the event being read have their value in the
// block: a bit a field, in the order of the schema's.
type presence struct {
	schema   *Schema
	given    []uint64
	every    []uint64 // a bit of every field
	required []uint64 // a bit of those an event has to have
}

func newPresence(s *Schema) presence {
	words := (len(s.Fields) + 63) / 64
	p := presence{schema: s, given: make([]uint64, words), every: make([]uint64, words), required: make([]uint64, words)}
	for i, c := range s.Fields {
		p.every[i/64] |= 1 << (i % 64)
		if c.Required {
			p.required[i/64] |= 1 << (i % 64)
		}
	}
	return p
}

func (p *presence) clear()    { clear(p.given) }
func (p *presence) set(i int) { p.given[i/64] |= 1 << (i % 64) }

func (p *presence) unset(i int)    { p.given[i/64] &^= 1 << (i % 64) }
func (p *presence) has(i int) bool { return p.given[i/64]>>(i%64)&1 != 0 }

// setRange is set for each of [lo, hi).
func (p *presence) setRange(lo, hi int) {
	for lo < hi {
		n := min(hi-lo, 64-lo%64)
		p.given[lo/64] |= (1<<n - 1) << (lo % 64)
		lo += n
	}
}

// missing returns the first required field that has no value, or -1.
func (p *presence) missing() int {
	for w, given := range p.given {
		if missing := p.required[w] &^ given; missing != 0 {
			return w*64 + bits.TrailingZeros64(missing)
		}
	}
	return -1
}

// complete gives NULL or a zero to every field that has no value; or it gives
// nothing and returns that a required one is missing.
func (p *presence) complete(b *Block) *Rejection {
	if i := p.missing(); i >= 0 {
		return reject(ReasonMissing, "field %s is required and absent or null", p.schema.Fields[i].Name)
	}
	for w, given := range p.given {
		for missing := p.every[w] &^ given; missing != 0; missing &= missing - 1 {
			b.columns[w*64+bits.TrailingZeros64(missing)].appendZero()
		}
	}
	return nil
}

// undo takes back the values that were given.
func (p *presence) undo(b *Block) {
	for w, given := range p.given {
		for ; given != 0; given &= given - 1 {
			b.columns[w*64+bits.TrailingZeros64(given)].undo()
		}
	}
}
