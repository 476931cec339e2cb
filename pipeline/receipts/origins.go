package receipts

import (
	"slices"

	"penstock/schema"
)

// Span is the offsets [First, Next) of a partition.
type Span struct {
	Partition   int32
	First, Next int64
}

// Origins is a set of origins of rows. The zero value is empty.
type Origins struct {
	sorted []schema.Origin // ascending, each once
}

// NewOrigins makes a set of origins that come in any order and more than once.
// It takes the slice.
func NewOrigins(found []schema.Origin) Origins {
	slices.SortFunc(found, schema.Origin.Compare)
	return Origins{slices.Compact(found)}
}

// Has reports whether the set has an origin.
func (o Origins) Has(origin schema.Origin) bool {
	_, ok := slices.BinarySearchFunc(o.sorted, origin, schema.Origin.Compare)
	return ok
}

// Count returns how many origins the set has.
func (o Origins) Count() int { return len(o.sorted) }
