package archive

import (
	"bytes"
	"math/bits"
	"slices"
)

// A dictionary is made for each column of a row group that repeats its values.
// It is bounded, so that making one in vain costs little, and so does the memory
// a reader needs for it.
const (
	maxDictionaryEntries = 1 << 16
	maxDictionaryBytes   = 1 << 20
)

// numberDictionary makes one of numbers, which are told apart by their bits: -0
// is not 0, and each NaN is itself. It is used again for the next column.
type numberDictionary[U uint32 | uint64] struct {
	slots   []int32 // hash table with open addressing: a place in entries, from 1
	entries []U
}

// encode finds the distinct values, in order of appearance, and each value's
// place among them. False if they are too many.
func (d *numberDictionary[U]) encode(values []U, indexes []int32) bool {
	d.entries = d.entries[:0]
	d.resize(1 << 10)
	for i, v := range values {
		slot := d.find(v)
		if d.slots[slot] == 0 {
			if len(d.entries) == maxDictionaryEntries {
				return false
			}
			if 2*len(d.entries) >= len(d.slots) {
				d.resize(4 * len(d.slots))
				slot = d.find(v)
			}
			d.entries = append(d.entries, v)
			d.slots[slot] = int32(len(d.entries))
		}
		indexes[i] = d.slots[slot] - 1
	}
	return true
}

// find returns the slot of a value, or the free one that it would take.
func (d *numberDictionary[U]) find(v U) uint64 {
	mask := uint64(len(d.slots) - 1)
	// Fibonacci hashing: the upper bits of the product, which all bits of v reach.
	slot := uint64(v) * 0x9e3779b97f4a7c15 >> (64 - bits.Len64(mask))
	for d.slots[slot] != 0 && d.entries[d.slots[slot]-1] != v {
		slot = (slot + 1) & mask
	}
	return slot
}

func (d *numberDictionary[U]) resize(slots int) {
	d.slots = grow(d.slots[:0], slots)
	clear(d.slots)
	for i, v := range d.entries {
		d.slots[d.find(v)] = int32(i + 1)
	}
}

// textDictionary makes one of strings.
type textDictionary struct {
	places  map[string]int32
	data    []byte
	offsets []int32 // entry i is data[offsets[i]:offsets[i+1]]
}

func newTextDictionary() *textDictionary {
	return &textDictionary{places: make(map[string]int32), offsets: []int32{0}}
}

func (d *textDictionary) len() int { return len(d.offsets) - 1 }

func (d *textDictionary) entry(i int32) []byte { return d.data[d.offsets[i]:d.offsets[i+1]] }

// index returns the place of a value, which becomes an entry if it is new.
func (d *textDictionary) index(v []byte) int32 {
	if i, ok := d.places[string(v)]; ok {
		return i
	}
	i := int32(d.len())
	d.places[string(v)] = i
	d.data = append(d.data, v...)
	d.offsets = append(d.offsets, int32(len(d.data)))
	return i
}

// tooLarge reports whether values are better not written by this.
func (d *textDictionary) tooLarge(values int) bool {
	return d.len() > maxDictionaryEntries || len(d.data) > maxDictionaryBytes || 4*d.len() > values+64
}

// sort puts the entries in order and has indexes follow. So the least and the
// greatest value of a page are those of its indexes.
func (d *textDictionary) sort(indexes []int32) {
	order := make([]int32, d.len())
	for i := range order {
		order[i] = int32(i)
	}
	compare := func(a, b int32) int { return bytes.Compare(d.entry(a), d.entry(b)) }
	if slices.IsSortedFunc(order, compare) {
		return
	}
	slices.SortFunc(order, compare)
	sorted, place := newTextDictionary(), make([]int32, len(order))
	for _, i := range order {
		place[i] = sorted.index(d.entry(i))
	}
	*d = *sorted
	for i, index := range indexes {
		indexes[i] = place[index]
	}
}

func (d *textDictionary) reset() {
	clear(d.places)
	d.data, d.offsets = d.data[:0], d.offsets[:1]
}
