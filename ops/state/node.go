package state

import (
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/ops"
	"penstock/pipeline"
)

// Node gathers what is known of one stream of an ingest node. Where it stands in its
// partitions and what fails is known already, by its lag and its health: they are
// asked.
type Node struct {
	name   string // of the program
	about  Stream // what does not change
	lag    *ops.Lag
	health *ops.Health

	mu     sync.Mutex // guards what follows
	window window
	// highs are the high watermarks of the samples' ends, oldest first, of the
	// partitions that the node owns.
	highs    map[int32][]high
	settling map[int32]time.Time // since when
	lanes    []lane
	breaker  time.Time // since when it is open; zero if it is not
	rejects  rejects
	doubts   int64
}

// lane is what is known of one.
type lane struct {
	paused   time.Time // since when; zero if it is not
	inFlight int       // batches that are declared and not confirmed
	waits    time.Time // since when none of them was stored; zero if there are none
}

// lane is one that an event names. The caller holds the lock.
func (n *Node) lane(i int) *lane {
	for i >= len(n.lanes) {
		n.lanes = append(n.lanes, lane{})
	}
	return &n.lanes[i]
}

// high is a high watermark at a time.
type high struct {
	at     time.Time
	offset int64
}

// NewNode returns a node that has done nothing. Of the stream's config it takes what
// a person wants to know.
func NewNode(name string, stream ops.Stream, cfg pipeline.Config) *Node {
	return &Node{
		name: name, lag: stream.Lag, health: stream.Health,
		about: Stream{
			Name: stream.Name, Topic: cfg.Kafka.Topic, Group: cfg.Kafka.Group, Nodes: []string{name},
			Rejects: Rejects{Topic: cfg.Kafka.DeadLetters()},
		},
		highs: map[int32][]high{}, settling: map[int32]time.Time{}, lanes: make([]lane, cfg.Lanes),
		rejects: newRejects(),
	}
}

// PipelineEvents returns the hooks by which it knows.
func (n *Node) PipelineEvents() pipeline.Events {
	return pipeline.Events{
		Assigned: func(ids []int32) {
			n.update(func(now time.Time, _ *counts) {
				for _, id := range ids {
					n.settling[id] = now
				}
			})
		},
		Settled: func(e pipeline.Settled) { n.update(func(time.Time, *counts) { delete(n.settling, e.Partition) }) },
		Revoked: n.disowned,
		Lost:    n.disowned,
		Polled: func(e pipeline.Polled) {
			n.update(func(_ time.Time, c *counts) {
				c.read += float64(e.Records)
				c.readBytes += float64(e.Bytes)
			})
		},
		Paused:  func(lane int) { n.paused(lane, true) },
		Resumed: func(lane int) { n.paused(lane, false) },
		Sealed: func(e pipeline.Sealed) {
			n.update(func(_ time.Time, c *counts) {
				c.duplicates += float64(e.Duplicates)
				c.sealed += int64(e.Records)
				c.sealedRejects += int64(e.Rejects)
			})
		},
		Rejected: func(e pipeline.Rejected) {
			n.update(func(now time.Time, c *counts) {
				c.rejected++
				n.rejects.add(now, e)
			})
		},
		RejectRate: func(e pipeline.RejectRate) {
			n.update(func(now time.Time, _ *counts) {
				if n.rejects.high = (time.Time{}); e.High { // it is told when it changes
					n.rejects.high = now
				}
			})
		},
		Inserted: func(e pipeline.Inserted) {
			n.update(func(_ time.Time, c *counts) {
				c.stored += float64(e.Rows)
				c.storedBytes += float64(e.Bytes)
				c.inserts++
				c.insertSeconds += e.Took.Seconds()
			})
		},
		Stored: func(e pipeline.Stored) {
			n.update(func(now time.Time, c *counts) {
				c.ages.add(e.Done.Sub(time.UnixMilli(e.Oldest)), e.Rows)
				if l := n.lane(e.Lane); !l.waits.IsZero() {
					l.waits = now
				}
			})
		},
		Committed: func(e pipeline.Committed) {
			n.update(func(now time.Time, _ *counts) {
				l := n.lane(e.Lane)
				switch l.inFlight = e.InFlight; {
				case e.InFlight == 0:
					l.waits = time.Time{}
				case l.waits.IsZero():
					l.waits = now
				}
			})
		},
		Retrying: func(pipeline.Retrying) { n.update(func(_ time.Time, c *counts) { c.retries++ }) },
		Breaker: func(open bool) {
			n.update(func(now time.Time, _ *counts) {
				switch {
				case !open:
					n.breaker = time.Time{}
				case n.breaker.IsZero():
					n.breaker = now
				}
			})
		},
		// What was in flight is nobody's until it is settled.
		Doubted: func(error) {
			n.update(func(time.Time, *counts) {
				n.doubts++
				clear(n.settling)
				for i := range n.lanes {
					n.lanes[i].inFlight, n.lanes[i].waits = 0, time.Time{}
				}
			})
		},
	}
}

// update changes what is known, and counts into the open sample.
func (n *Node) update(change func(now time.Time, open *counts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.window.roll(now, n.standing)
	change(now, &n.window.open)
}

// standing is how the node stood at the end of a sample, which nothing has changed
// since. The caller holds the lock.
func (n *Node) standing(at time.Time) (oldest time.Duration, lag int64) {
	s := n.lag.Stand(at)
	owned := map[int32][]high{}
	for _, p := range s.Partitions {
		if p.High >= 0 {
			owned[p.ID] = keep(append(n.highs[p.ID], high{at, p.High}), ratesOver+1)
		}
	}
	n.highs = owned
	return s.Oldest, s.Records
}

// arriving is records a second of a partition. The caller holds the lock.
func (n *Node) arriving(id int32) float64 {
	all := n.highs[id]
	if len(all) < 2 {
		return 0
	}
	from, to := all[0], all[len(all)-1]
	return max(0, float64(to.offset-from.offset)/to.at.Sub(from.at).Seconds())
}

func (n *Node) disowned(ids []int32) {
	n.update(func(time.Time, *counts) {
		for _, id := range ids {
			delete(n.settling, id)
		}
	})
}

func (n *Node) paused(lane int, paused bool) {
	n.update(func(now time.Time, _ *counts) {
		switch l := n.lane(lane); {
		case !paused:
			l.paused = time.Time{}
		case l.paused.IsZero(): // it may be told again
			l.paused = now
		}
	})
}

// Stream returns what is known.
func (n *Node) Stream() Stream {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.window.roll(now, n.standing)
	s, stand := n.about, n.lag.Stand(now)
	s.History, s.Rates = slices.Clone(n.window.samples), n.window.rates()
	s.Freshness.P50, s.Freshness.P99 = n.window.fresh()
	s.Freshness.Waiting = stand.Oldest.Seconds()
	s.Backlog = backlog(stand)
	s.Partitions = []Partition{}
	for _, p := range stand.Partitions {
		s.Partitions = append(s.Partitions, Partition{
			ID: p.ID, Node: n.name, Committed: p.Committed, High: p.High, Lag: p.Lag, Gap: p.Gap, Seconds: p.Age.Seconds(), Arriving: n.arriving(p.ID),
		})
	}
	markHot(s.Partitions)
	for _, id := range slices.Sorted(maps.Keys(n.settling)) {
		s.Settling = append(s.Settling, Settling{id, n.name, n.settling[id].UTC()})
	}
	for i, l := range n.lanes {
		s.Lanes = append(s.Lanes, Lane{n.name, i, utc(l.paused)})
		s.InFlight.Intents += l.inFlight
		s.InFlight.Since = earlier(s.InFlight.Since, utc(l.waits))
	}
	if !n.breaker.IsZero() {
		s.Breakers = []Breaker{{n.name, n.breaker.UTC()}}
	}
	for _, f := range n.health.Failing() {
		s.Failing = append(s.Failing, Failing{n.name, f.What, f.Since.UTC(), f.Last.UTC(), f.Times, CauseOf(f.Err), visible(f.Err.Error(), maxError)})
	}
	n.rejects.into(&s.Rejects)
	s.Rejects.Records, s.Rejects.Rejected = n.window.sealed()
	s.Doubts = n.doubts
	return s
}

// maxError bounds an error that is shown, in bytes.
const maxError = 500

// utc leaves zero as it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

func backlog(s ops.Stand) Backlog {
	b := Backlog{Records: s.Records, Seconds: s.Oldest.Seconds()}
	if s.Rated {
		b.Done, b.Arriving = &s.Done, &s.Arriving
	}
	if s.Foreseen {
		left := s.Left.Seconds()
		b.Left = &left
	}
	return b
}
