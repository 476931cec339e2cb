package pipeline

import (
	"sync/atomic"
	"time"
)

// pace decides how long a lane's open batch waits for more records. An insert
// costs ClickHouse the same whatever its size, so there are two gears:
//
//   - Live: an event is to be visible soon. A batch waits batch.age; longer once
//     inserts take long, so that they take a bounded share of the time. A server
//     that is busy gets fewer and larger inserts before it has to refuse any.
//   - Behind: what comes was sent a while ago, Kafka has more, and a second more
//     or less of waiting is nothing to what it has waited. A batch waits until it
//     is full, or for as long as what it holds is old enough to be behind.
//
// The gear is of a batch and not of the node: a batch that gets live records
// while it waits is due as they demand.
type pace struct {
	cfg Batching
	// took is about how long an insert takes, in nanoseconds. Not a batch: one with
	// late rows has as many inserts as they have days, which says nothing of the
	// server. The drain writes it, the fill goroutine reads it.
	took atomic.Int64
}

// insertShare: a lane inserts at most one part in so many of its time. Larger:
// less work for ClickHouse. Smaller: visible sooner.
const insertShare = 4

// stored notes how long inserts took. Of an outage it remembers little soon after.
func (p *pace) stored(took time.Duration) {
	const weight = 4 // of what was before, against 1
	before := p.took.Load()
	if before == 0 {
		before = int64(took)
	}
	p.took.Store((before*weight + int64(took)) / (weight + 1))
}

// wait returns how long a batch waits whose newest record is that old, and
// whether it is behind.
func (p *pace) wait(newest time.Duration) (age time.Duration, behind bool) {
	if newest >= p.cfg.Behind {
		return p.cfg.Behind, true
	}
	widened := min(insertShare*time.Duration(p.took.Load()), p.cfg.AgeLimit)
	return max(p.cfg.Age, widened), false
}
