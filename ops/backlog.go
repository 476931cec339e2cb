package ops

import (
	"cmp"
	"slices"
	"time"

	"penstock/pipeline"
)

// backlog is where a node stands in its partitions, and how far behind. It does
// no I/O and reads no clock, and is used by one goroutine at a time.
type backlog struct {
	owned    map[int32]*position
	forecast forecast
}

// position is where a partition stands. An offset is -1 until it is known.
type position struct {
	// committed is also what the node found done when it was given the partition.
	committed, high int64
	gap             int64 // see pipeline.Committed; -1 while there is none
	// reads are those in which the oldest record that is not committed may be, and
	// later ones; by their first offset.
	reads []read
}

// read is a poll's share of a partition.
type read struct {
	first int64
	time  int64 // Kafka's, of the first record, ms since 1970
}

// maxReads bounds a partition's reads. Beyond it the one is forgotten whose
// neighbours are nearest in time, and the age of a record known less exactly.
const maxReads = 64

func newBacklog() backlog { return backlog{owned: make(map[int32]*position)} }

func (b *backlog) assigned(partitions []int32) {
	for _, id := range partitions {
		b.owned[id] = &position{committed: -1, high: -1, gap: -1}
	}
}

func (b *backlog) disowned(partitions []int32) {
	for _, id := range partitions {
		delete(b.owned, id)
	}
}

func (b *backlog) settled(e pipeline.Settled) {
	if p := b.owned[e.Partition]; p != nil {
		p.committed = max(p.committed, e.Next) // it may be told of a commit first
		if e.Gap > 0 && p.gap < 0 {
			p.gap = e.Gap
		}
	}
}

func (b *backlog) polled(e pipeline.Polled, now time.Time) {
	p := b.owned[e.Partition]
	if p == nil {
		return
	}
	if b.forecast.began.IsZero() {
		b.forecast.began = now
	}
	if p.high >= 0 && p.gap <= 0 { // what arrives above a gap is not what is left of it
		b.forecast.arrived += max(0, e.HighWatermark-p.high)
	}
	p.high = e.HighWatermark
	at := e.Time
	if at < 0 {
		at = now.UnixMilli()
	}
	p.read(read{e.First, at})
}

// committed may be told of a partition that was given away a moment ago: lanes
// report on their own. It stays away.
func (b *backlog) committed(e pipeline.Committed, now time.Time) {
	for id, next := range e.Next {
		p := b.owned[id]
		if p == nil {
			continue
		}
		gap, inGaps := e.Gap[id]
		switch {
		case inGaps:
			b.forecast.done += max(0, p.gap-gap)
			p.gap = gap
		case p.committed >= 0:
			b.forecast.done += max(0, next-p.committed)
		}
		p.commit(next)
	}
	b.forecast.commit(now)
}

func (p *position) read(r read) {
	i, known := slices.BinarySearchFunc(p.reads, r, func(a, b read) int { return cmp.Compare(a.first, b.first) })
	if known {
		return
	}
	p.reads = slices.Insert(p.reads, i, r)
	p.forget()
	if len(p.reads) > maxReads {
		least := 1
		for i := 2; i < len(p.reads)-1; i++ {
			if p.reads[i+1].time-p.reads[i-1].time < p.reads[least+1].time-p.reads[least-1].time {
				least = i
			}
		}
		p.reads = slices.Delete(p.reads, least, least+1)
	}
}

func (p *position) commit(next int64) {
	p.committed = next
	p.forget()
}

// forget drops the reads below the one that has the oldest record not committed.
func (p *position) forget() {
	for len(p.reads) > 1 && p.reads[1].first <= p.committed {
		p.reads = p.reads[1:]
	}
}

// lag returns how many records are not committed; false while that is not known.
func (p *position) lag() (int64, bool) {
	if p.committed < 0 || p.high < 0 {
		return 0, false
	}
	return max(0, p.high-p.committed), true // a commit may be newer than the last read's answer
}

// todo is lag but for what is done above a gap, which is not committed.
func (p *position) todo() int64 {
	if p.gap > 0 {
		return p.gap
	}
	lag, _ := p.lag()
	return lag
}

// age returns that of the oldest record that is not committed; false while it
// is not known.
func (p *position) age(now time.Time) (time.Duration, bool) {
	lag, known := p.lag()
	switch {
	case !known || lag > 0 && len(p.reads) == 0:
		return 0, false
	case lag == 0:
		return 0, true
	}
	return max(0, now.Sub(time.UnixMilli(p.reads[0].time))), true
}

// standing is a backlog at one moment.
type standing struct {
	todo int64         // records
	age  time.Duration // of the oldest record that is not committed
	// done and arriving are records a second, if rated.
	done, arriving float64
	rated          bool
	// left is how long catching up will take, if it is to be foreseen.
	left     time.Duration
	foreseen bool
}

// behindAfter is the promise of the product: what came is there in five seconds.
const behindAfter = 5 * time.Second

func (b *backlog) standing(now time.Time) (s standing) {
	known := false
	for _, p := range b.owned {
		s.todo += p.todo()
		if age, ok := p.age(now); ok {
			known, s.age = true, max(s.age, age)
		}
	}
	s.done, s.arriving, s.rated = b.forecast.rates(now)
	switch {
	case !s.behind():
		s.foreseen = known
	case s.rated:
		s.left, s.foreseen = left(s.todo, s.done, s.arriving)
	}
	return s
}

func (s standing) behind() bool { return s.age > behindAfter }
