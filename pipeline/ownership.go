package pipeline

import (
	"context"
	"maps"
	"slices"
	"sync"

	"penstock/failpoint"
)

// ownership is which partitions the node owns, and since when. Kafka's
// coordinator refuses the commit of a past generation, but not that of a live
// member for a partition it has just lost; so every commit is held against the
// epoch under which its records were read.
type ownership struct {
	mu     sync.Mutex // guards what follows
	serial uint64
	owned  map[int32]*tenure
}

// tenure is one time of owning a partition, as one member of the group. A client
// that is thrown out while it joins comes back as another member without a word,
// and keeps partitions that others owned meanwhile; so who the member was counts
// as much as the epoch. It is settling at first, then ready; once it is ending,
// it never becomes ready any more.
type tenure struct {
	epoch  uint64
	member string // the group's name for the node then
	// ctx ends as soon as the tenure is ending: settling stops at once, while
	// what is decoded of a ready partition is still stored and committed.
	ctx    context.Context
	cancel context.CancelFunc
	// The states, in their order; none is left again.
	settling, ready, ending bool
	end                     int64 // see ownership.settle
}

// take begins a new epoch of the partition, which the member was given.
func (o *ownership) take(partition int32, member string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owned == nil {
		o.owned = map[int32]*tenure{}
	}
	o.serial++
	ctx, end := context.WithCancel(context.Background())
	o.owned[partition] = &tenure{epoch: o.serial, member: member, ctx: ctx, cancel: end}
}

// settle begins to settle a partition that is read on at the offset end. It returns the epoch and a context that ends when the
// partition is given up; ok is false if it is no longer the node's, or is being
// settled already: the client may ask twice what is committed.
func (o *ownership) settle(partition int32, end int64) (epoch uint64, ctx context.Context, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.owned[partition]
	if t == nil || t.ending || t.settling {
		return 0, nil, false
	}
	t.settling, t.end = true, end
	return t.epoch, t.ctx, true
}

// end returns the offset that settle was told, 0 if none.
func (o *ownership) end(partition int32) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.owned[partition]; t != nil {
		return t.end
	}
	return 0
}

// admit makes the partition ready; false if it is no longer the node's under
// that epoch, or about to be given up.
func (o *ownership) admit(partition int32, epoch uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.owned[partition]
	if t == nil || t.epoch != epoch || t.ending {
		return false
	}
	t.ready = true
	return true
}

// ending notes that the partitions are about to be given up: from now on none
// of them becomes ready. What was read of those that are may be committed still.
func (o *ownership) ending(partitions []int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range partitions {
		if t := o.owned[p]; t != nil {
			t.ending = true
			t.cancel()
		}
	}
}

// drop ends the partitions' epochs: nothing of them is committed any more.
func (o *ownership) drop(partitions []int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range partitions {
		if t := o.owned[p]; t != nil {
			t.cancel()
			delete(o.owned, p)
		}
	}
}

// epoch returns the partition's epoch, 0 if it is not owned.
func (o *ownership) epoch(partition int32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.owned[partition]; t != nil {
		return t.epoch
	}
	return 0
}

// current reports whether every one of the partitions is owned under its epoch,
// by the member.
func (o *ownership) current(epochs map[int32]uint64, member string) bool {
	if failpoint.Off("epoch") {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for p, epoch := range epochs {
		if t := o.owned[p]; t == nil || t.epoch != epoch || t.member != member {
			return false
		}
	}
	return true
}

// astray says that records of the partition were read that nobody waits for: it
// is owned under the epoch, and neither ready nor about to be given up.
func (o *ownership) astray(partition int32, epoch uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.owned[partition]
	return t != nil && t.epoch == epoch && !t.ready && !t.ending
}

// list returns the partitions owned now.
func (o *ownership) list() []int32 { return o.where(func(*tenure) bool { return true }) }

// ready returns the partitions owned now that are settled.
func (o *ownership) ready() []int32 { return o.where(func(t *tenure) bool { return t.ready }) }

func (o *ownership) where(ok func(*tenure) bool) []int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := maps.Clone(o.owned)
	maps.DeleteFunc(all, func(_ int32, t *tenure) bool { return !ok(t) })
	return slices.Sorted(maps.Keys(all))
}
