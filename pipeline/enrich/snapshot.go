package enrich

import (
	"math/bits"
	"slices"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"penstock/schema"
)

// unknown is the row of a device that is in no list.
const unknown = -1

// index finds a device's row by the xxHash64 of its name: open addressing with
// linear probing (Knuth, TAOCP 3, 6.4, algorithms L and R), at most two thirds
// full, its length a power of two. Why not Go's map? A lookup takes longer, which
// BenchmarkIndex tells, and a copy is made entry by entry and not as an array's is.
//
// Names are not kept: of 10 million devices the chance that any two share a hash is
// 3 in a million, and identities rest on the same hash.
type index struct {
	slots []slot
	used  int
}

// slot is free while row is 0.
type slot struct {
	hash uint64
	row  int32 // plus 1
}

// leastSlots is the length of an index of few devices.
const leastSlots = 16

func newIndex() index { return index{slots: make([]slot, leastSlots)} }

// home is where a hash is looked for first: its upper bits, which are as good as
// the lower ones and keep the order when the index grows.
func (x *index) home(hash uint64) int {
	return int(hash >> (64 - bits.TrailingZeros(uint(len(x.slots)))))
}

// find returns the slot that has the hash, or the free one where it would be.
func (x *index) find(hash uint64) int {
	mask := len(x.slots) - 1
	at := x.home(hash) & mask
	for x.slots[at].row != 0 && x.slots[at].hash != hash {
		at = (at + 1) & mask
	}
	return at
}

// get returns the row, or unknown.
func (x *index) get(hash uint64) int32 { return x.slots[x.find(hash)].row - 1 }

func (x *index) put(hash uint64, row int32) {
	at := x.find(hash)
	if x.slots[at].row == 0 {
		if x.used++; x.used > len(x.slots)/3*2 {
			x.grow()
			at = x.find(hash)
		}
	}
	x.slots[at] = slot{hash, row + 1}
}

func (x *index) grow() {
	before := x.slots
	x.slots = make([]slot, 2*len(before))
	for _, s := range before {
		if s.row != 0 {
			x.slots[x.find(s.hash)] = s
		}
	}
}

// remove frees the hash's slot, and moves those that were put after it because of
// it.
func (x *index) remove(hash uint64) {
	mask := len(x.slots) - 1
	hole := x.find(hash)
	if x.slots[hole].row == 0 {
		return
	}
	x.used--
	for at := (hole + 1) & mask; x.slots[at].row != 0; at = (at + 1) & mask {
		home := x.home(x.slots[at].hash) & mask
		if (at-home)&mask >= (at-hole)&mask {
			x.slots[hole] = x.slots[at]
			hole = at
		}
	}
	x.slots[hole] = slot{}
}

// table is a list of devices while it is told. It is used by one goroutine.
type table struct {
	index      index
	attributes *schema.Attributes
	free       []int32 // rows of devices that were deleted
}

func newTable(s *schema.Schema) *table {
	return &table{index: newIndex(), attributes: schema.NewAttributes(s)}
}

// row returns the row for what is now known of the device, without values.
func (t *table) row(device []byte) int {
	hash := xxhash.Sum64(device)
	if row := t.index.get(hash); row != unknown {
		t.attributes.Clear(int(row))
		return int(row)
	}
	var row int
	if n := len(t.free); n > 0 {
		row, t.free = int(t.free[n-1]), t.free[:n-1]
	} else {
		row = t.attributes.Grow()
	}
	t.index.put(hash, int32(row))
	return row
}

// remove forgets a device.
func (t *table) remove(device []byte) {
	hash := xxhash.Sum64(device)
	if row := t.index.get(hash); row != unknown {
		t.attributes.Clear(int(row))
		t.index.remove(hash)
		t.free = append(t.free, row)
	}
}

// snapshot returns the table as it is now.
func (t *table) snapshot() *Snapshot {
	return &Snapshot{index: index{slices.Clone(t.index.slots), t.index.used}, attributes: t.attributes.Clone()}
}

// Snapshot is what is known of devices at one time. Nothing changes it.
type Snapshot struct {
	index      index
	attributes *schema.Attributes
}

// Devices returns how many are known.
func (s *Snapshot) Devices() int { return s.index.used }

// Bytes returns about what the snapshot takes in memory. A source holds as much
// again while it reads, and a topic always does.
func (s *Snapshot) Bytes() int {
	return len(s.index.slots)*int(unsafe.Sizeof(slot{})) + s.attributes.Bytes()
}

// rows appends to scratch the row of each of the block's devices, and returns how
// many rows of the block are of a device that is unknown.
func (s *Snapshot) rows(b *schema.Block, scratch []int32) (rows []int32, missing int) {
	rows = scratch[:0]
	b.EachDevice(func(_ int, device []byte) {
		row := s.index.get(xxhash.Sum64(device))
		if row == unknown {
			missing++
		}
		rows = append(rows, row)
	})
	return rows, missing
}

// Unknown returns how many rows of the block are of a device that is not known.
func (s *Snapshot) Unknown(b *schema.Block) int {
	missing := 0
	b.EachDevice(func(_ int, device []byte) {
		if s.index.get(xxhash.Sum64(device)) == unknown {
			missing++
		}
	})
	return missing
}

// Fill fills the block's device fields and calibrates its readings, once, and
// returns how many of its rows are of a device that is not known. scratch is
// memory to work in, which it returns for the next time.
func (s *Snapshot) Fill(b *schema.Block, scratch []int32) (rows []int32, missing int) {
	rows, missing = s.rows(b, scratch)
	b.Enrich(s.attributes, rows)
	return rows, missing
}
