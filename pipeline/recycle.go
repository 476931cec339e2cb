package pipeline

import (
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
	unpacked sync.Pool // of *[]byte
	records  sync.Pool // of *[]kgo.Record
}

var (
	_ kgo.PoolDecompressBytes = (*recycler)(nil)
	_ kgo.PoolRecords         = (*recycler)(nil)
)

// GetDecompressBytes implements [kgo.PoolDecompressBytes].
func (r *recycler) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if b, ok := r.unpacked.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, unpacked*len(compressed))
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes].
func (r *recycler) PutDecompressBytes(b []byte) { r.unpacked.Put(&b) }

// GetRecords implements [kgo.PoolRecords].
func (r *recycler) GetRecords(n int) []kgo.Record {
	if s, ok := r.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords implements [kgo.PoolRecords].
func (r *recycler) PutRecords(s []kgo.Record) { r.records.Put(&s) }
