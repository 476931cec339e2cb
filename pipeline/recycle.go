package pipeline

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recycler keeps the memory of fetches for the next: what they unpack to, and
// the records made of it. Without it a node would leave the collector a kilobyte
// an event, and touch new memory for as much.
//
// Whoever takes a record out of a chunk for good calls Recycle on it, and then
// nothing may refer to it or its bytes any more; the memory of a fetch comes
// back with its last record. One that is dropped without is lost to the
// collector, which is no fault.
type recycler struct {
	unpacked sizes[byte]
	records  sizes[kgo.Record]
}

var (
	_ kgo.PoolDecompressBytes = (*recycler)(nil)
	_ kgo.PoolRecords         = (*recycler)(nil)
)

// GetDecompressBytes implements [kgo.PoolDecompressBytes].
func (r *recycler) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return r.unpacked.get(unpacked * len(compressed))
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes].
func (r *recycler) PutDecompressBytes(b []byte) { r.unpacked.put(b) }

// GetRecords implements [kgo.PoolRecords].
func (r *recycler) GetRecords(n int) []kgo.Record { return r.records.get(n) }

// PutRecords implements [kgo.PoolRecords].
func (r *recycler) PutRecords(s []kgo.Record) { r.records.put(s) }

// sizes keeps slices apart by their capacity, each at the number of its bits. The
// Kafka client clears all of a slice before it puts it back: were they kept
// together, what a backlog has left behind would be cleared for every small
// fetch after it.
type sizes[T any] [64]sync.Pool // of *[]T

// sizesLarger is how many sizes above its own a slice is taken from. A fetch that
// unpacks to more than was guessed leaves a larger slice than the next will
// ask for.
const sizesLarger = 2

// get returns an empty slice of some capacity about n, and at least n if it is new.
func (s *sizes[T]) get(n int) []T {
	size := bits.Len(uint(n))
	for i := size; i <= size+sizesLarger; i++ {
		if out, ok := s[i].Get().(*[]T); ok {
			return (*out)[:0]
		}
	}
	return make([]T, 0, n)
}

func (s *sizes[T]) put(old []T) { s[bits.Len(uint(cap(old)))].Put(&old) }
