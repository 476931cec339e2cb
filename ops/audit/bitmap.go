package audit

import (
	"math/bits"
)

// bitmap says which offsets of a range are stored, and suspects those that are
// stored more than once. A word is 64 offsets, the first of which is a multiple
// of 64.
type bitmap struct {
	of    Range
	base  int64    // the number of the first word
	words []uint64 // an offset a bit
	rows  []uint64 // stored, by word; more than its bits where something is doubled
}

func newBitmap(of Range) *bitmap {
	base := of.First / 64
	n := (of.Next+63)/64 - base
	return &bitmap{of: of, base: base, words: make([]uint64, n), rows: make([]uint64, n)}
}

// add takes what one table holds of a word: its offsets, and how many rows have
// them.
func (b *bitmap) add(word int64, set, rows uint64) {
	b.words[word-b.base] |= set
	b.rows[word-b.base] += rows
}

// stored returns how many offsets are.
func (b *bitmap) stored() (n int64) {
	for _, w := range b.words {
		n += int64(bits.OnesCount64(w))
	}
	return n
}

func (b *bitmap) has(offset int64) bool {
	return b.of.Has(offset) && b.words[offset/64-b.base]>>(offset%64)&1 == 1
}

// missing returns which of the offsets, all of them in the bitmap's range, are
// not stored.
func (b *bitmap) missing(of Ranges) (gaps Ranges) {
	for _, r := range of {
		for at := r.First; at < r.Next; {
			first := min(r.Next, b.find(at, false))
			at = min(r.Next, b.find(first, true))
			gaps = gaps.add(Range{first, at})
		}
	}
	return gaps
}

// find returns the first offset from at on that is stored, or is not; the end
// if there is none.
func (b *bitmap) find(at int64, stored bool) int64 {
	for at < b.of.Next {
		w := b.words[at/64-b.base]
		if !stored {
			w = ^w
		}
		if w = w >> (at % 64); w != 0 {
			return min(b.of.Next, at+int64(bits.TrailingZeros64(w)))
		}
		at = (at/64 + 1) * 64
	}
	return b.of.Next
}

// suspects returns the words with more rows than offsets.
func (b *bitmap) suspects() (all Ranges) {
	for i, w := range b.words {
		if b.rows[i] > uint64(bits.OnesCount64(w)) {
			first := (b.base + int64(i)) * 64
			all = all.add(Range{max(first, b.of.First), min(first+64, b.of.Next)})
		}
	}
	return all
}
