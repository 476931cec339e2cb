package pipeline

import (
	"sync"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/intent"
)

// chunk is consecutive records of one partition, and the ownership under which
// they were read.
type chunk struct {
	partition int32
	epoch     uint64
	records   []*kgo.Record
	bytes     int
	polled    time.Time // zero for one that was read in a gap
	// readable: all schemas its records name are known.
	readable bool
	// last: when it was fetched, Kafka had no more of the partition.
	last bool

	// gap is of a chunk that was read in a gap: the offsets it accounts for, also
	// those without a record. It is empty for one of the head.
	gap intent.Range
	// closes: with it the partition has no gap any more.
	closes bool
}

func (c *chunk) isGap() bool { return c.gap.First < c.gap.Next }

// recordOverhead is what a record takes beside its bytes. Without it a flood of
// empty records would cost nothing, and never fill a queue or a batch.
const recordOverhead = int(unsafe.Sizeof(kgo.Record{})) + int(unsafe.Sizeof((*kgo.Record)(nil)))

// sizeOf returns what a record holds in memory.
func sizeOf(r *kgo.Record) int {
	n := recordOverhead + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += int(unsafe.Sizeof(h)) + len(h.Key) + len(h.Value)
	}
	return n
}

// queue holds the records that wait for a lane. It never refuses any: the poll
// loop must not wait for a lane, or one full lane would stop the others and
// hold up rebalances. Instead it has the lane's partitions paused in Kafka when
// it is past its bound, and read on when half of it is free again. So it holds
// at most its bound and one poll.
type queue struct {
	// ready has a token while chunks may be waiting.
	ready chan struct{}
	bound int // bytes
	// throttle pauses the lane's partitions, or has them read on.
	throttle func(pause bool)

	// gate is held while throttle is called, and taken before mu. Whoever
	// fills or empties the queue asks under the gate what to do: the last to
	// come acts on the last state, so that no partition stays paused for a
	// queue that has room.
	gate   sync.Mutex
	paused bool // what throttle was told last; guarded by gate

	mu     sync.Mutex // guards what follows
	chunks []chunk
	bytes  int
	full   bool
}

func newQueue(bound int, throttle func(pause bool)) *queue {
	return &queue{ready: make(chan struct{}, 1), bound: bound, throttle: throttle}
}

// push adds a chunk.
func (q *queue) push(c chunk) {
	q.mu.Lock()
	q.chunks = append(q.chunks, c)
	q.bytes += c.bytes
	q.full = q.full || q.bytes >= q.bound
	full := q.full
	q.mu.Unlock()
	q.signal()
	if full {
		q.regulate()
	}
}

// pop takes the oldest chunk; ok is false when there is none.
func (q *queue) pop() (c chunk, ok bool) {
	c, emptied, ok := q.take()
	if emptied {
		q.regulate()
	}
	return c, ok
}

// take is pop without throttling; emptied tells that it is due.
func (q *queue) take() (c chunk, emptied, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chunks) == 0 {
		return chunk{}, false, false
	}
	c = q.chunks[0]
	q.chunks[0] = chunk{} // do not keep the records alive
	q.chunks = q.chunks[1:]
	q.bytes -= c.bytes
	if len(q.chunks) > 0 {
		q.signal()
	}
	emptied = q.full && q.bytes <= q.bound/2
	q.full = q.full && !emptied
	return c, emptied, true
}

// regulate throttles if the queue has become full, or is so no longer.
func (q *queue) regulate() {
	q.gate.Lock()
	defer q.gate.Unlock()
	if full := q.isFull(); full != q.paused {
		q.paused = full
		q.throttle(full)
	}
}

// admit calls throttle with whether new partitions are to begin paused.
func (q *queue) admit(throttle func(pause bool)) {
	q.gate.Lock()
	defer q.gate.Unlock()
	throttle(q.isFull())
}

func (q *queue) isFull() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
