package pipeline

import (
	"maps"
	"slices"
	"sync"
)

// ownership is which partitions the node owns, and since when. Kafka's
// coordinator refuses the commit of a past generation, but not that of a live
// member for a partition it has just lost; so every commit is held against the
// epoch under which its records were read.
type ownership struct {
	mu     sync.Mutex // guards what follows
	serial uint64
	epochs map[int32]uint64
}

// take begins a new epoch of the partition and returns it; never 0.
func (o *ownership) take(partition int32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.epochs == nil {
		o.epochs = map[int32]uint64{}
	}
	o.serial++
	o.epochs[partition] = o.serial
	return o.serial
}

func (o *ownership) drop(partition int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.epochs, partition)
}

// epoch returns the partition's epoch, 0 if it is not owned.
func (o *ownership) epoch(partition int32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.epochs[partition]
}

// list returns the partitions owned now.
func (o *ownership) list() []int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.epochs))
}
