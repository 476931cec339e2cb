package pipeline

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// chunk is consecutive records of one partition, and the ownership under which
// they were read.
type chunk struct {
	partition int32
	epoch     uint64
	records   []*kgo.Record
	bytes     int
}

// queue holds the records that wait for a lane. It never refuses any: the poll
// loop must not wait for a lane, or one full lane would stop the others and
// hold up rebalances. Instead it tells when it is past its bound, so that the
// lane's partitions are paused in Kafka, and when half of it is free again.
// So it holds at most its bound and one poll.
type queue struct {
	// ready has a token while chunks may be waiting.
	ready chan struct{}
	bound int // bytes

	mu     sync.Mutex // guards what follows
	chunks []chunk
	bytes  int
	paused bool
}

func newQueue(bound int) *queue {
	return &queue{ready: make(chan struct{}, 1), bound: bound}
}

// push adds a chunk; pause is true when the lane's partitions are to be paused.
func (q *queue) push(c chunk) (pause bool) {
	q.mu.Lock()
	q.chunks = append(q.chunks, c)
	q.bytes += c.bytes
	pause = !q.paused && q.bytes >= q.bound
	q.paused = q.paused || pause
	q.mu.Unlock()
	q.signal()
	return pause
}

// pop takes the oldest chunk; resume is true when the lane's partitions are to
// be read on. ok is false when there is none.
func (q *queue) pop() (c chunk, resume, ok bool) {
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
	resume = q.paused && q.bytes <= q.bound/2
	q.paused = q.paused && !resume
	return c, resume, true
}

// full reports whether the lane's partitions are to stay paused.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.paused
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
