package receipts

import (
	"iter"
	"maps"
	"slices"
)

// Span is the offsets [First, Next) of a partition.
type Span struct {
	Partition   int32
	First, Next int64
}

// Offsets is a set of offsets by partition. The zero value is empty.
type Offsets struct {
	sorted map[int32][]int64 // ascending, each once
}

// Has reports whether the set has an offset.
func (o Offsets) Has(partition int32, offset int64) bool {
	_, ok := slices.BinarySearch(o.sorted[partition], offset)
	return ok
}

// Count returns how many offsets the set has.
func (o Offsets) Count() (n int) {
	for _, offsets := range o.sorted {
		n += len(offsets)
	}
	return n
}

// Of returns the offsets of a partition, ascending, each once. They are the
// set's own: the caller does not change them.
func (o Offsets) Of(partition int32) []int64 { return o.sorted[partition] }

// Partitions returns the partitions of which the set has offsets, in no order.
func (o Offsets) Partitions() iter.Seq[int32] { return maps.Keys(o.sorted) }

// NewOffsets makes a set of offsets that come in any order and more than once.
func NewOffsets(found map[int32][]int64) Offsets {
	for p, offsets := range found {
		slices.Sort(offsets)
		found[p] = slices.Compact(offsets)
	}
	return Offsets{sorted: found}
}
