package ops

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/pipeline"
)

// Health knows whether an ingest node does its work.
type Health struct {
	limit time.Duration
	now   func() time.Time

	mu    sync.Mutex // guards what follows
	state state
}

// NewHealth returns the health of a node that has nothing assigned yet.
func NewHealth(cfg Config) *Health {
	return &Health{limit: cfg.UnreadyAfter, now: time.Now, state: state{owned: make(map[int32]bool), settling: make(map[int32]bool), failing: make(map[work]failure)}}
}

// Problems returns what keeps the node from being ready; nothing if it is.
func (h *Health) Problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.problems(h.now(), h.limit)
}

// PipelineEvents returns the hooks by which it knows.
func (h *Health) PipelineEvents() pipeline.Events {
	return pipeline.Events{
		Assigned: func(partitions []int32) {
			h.update(func(s *state) {
				for _, p := range partitions {
					s.owned[p], s.settling[p] = true, true
				}
			})
			h.succeeded(checking)
		},
		Revoked:    h.disowned,
		Lost:       h.disowned,
		Polled:     func(pipeline.Polled) { h.succeeded(reading) },
		PollFailed: func(err error) { h.failed(reading, err) },
		Retrying:   func(r pipeline.Retrying) { h.failed(work(r.What), r.Err) },
		Inserted:   func(pipeline.Inserted) { h.succeeded(inserting) },
		Settled: func(e pipeline.Settled) {
			h.update(func(s *state) { delete(s.settling, e.Partition) })
			h.succeeded(settling)
		},
		// It leaves its group, and is given whatever it is given then.
		Doubted: func(error) {
			h.update(func(s *state) {
				clear(s.owned)
				clear(s.settling)
			})
		},
		Committed: func(pipeline.Committed) { h.succeeded(committing, deadLettering) },
	}
}

// Failing is work that fails at the moment.
type Failing struct {
	// What is the work, as [pipeline.Retrying] has it, or read.
	What        string
	Since, Last time.Time
	Times       int
	Err         error // the last one
}

// Failing returns what has failed and not succeeded since, by name; also what has
// not done so for long enough to be a problem.
func (h *Health) Failing() (all []Failing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range slices.Sorted(maps.Keys(h.state.failing)) {
		if f := h.state.failing[w]; !f.over(w, h.now(), h.limit) {
			all = append(all, Failing{string(w), f.since, f.last, f.times, f.err})
		}
	}
	return all
}

func (h *Health) update(change func(*state)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.state)
}

func (h *Health) disowned(partitions []int32) {
	h.update(func(s *state) {
		for _, p := range partitions {
			delete(s.owned, p)
			delete(s.settling, p)
		}
		if len(s.settling) == 0 { // what it waited for is another's to wait for
			delete(s.failing, settling)
		}
	})
}

func (h *Health) failed(w work, err error) {
	now := h.now()
	h.update(func(s *state) {
		f, failing := s.failing[w]
		if !failing || f.over(w, now, h.limit) {
			f = failure{since: now}
		}
		f.last, f.err = now, err
		f.times++
		s.failing[w] = f
	})
}

func (h *Health) succeeded(done ...work) {
	h.update(func(s *state) {
		for _, w := range done {
			delete(s.failing, w)
		}
	})
}

// work is what a node does over and over.
type work string

const (
	reading       work = "read"
	checking      work = "check"       // as pipeline.Retrying has it; has succeeded when the node joins
	inserting     work = "insert"      // as pipeline.Retrying has it
	settling      work = "settle"      // as pipeline.Retrying has it
	deadLettering work = "dead-letter" // as pipeline.Retrying has it; known to succeed by the commit that follows
	committing    work = "commit"
	learning      work = "registry" // as pipeline.Retrying has it
)

// state is what the node's readiness follows from.
type state struct {
	owned    map[int32]bool
	settling map[int32]bool // of those, the ones that are not read yet
	failing  map[work]failure
}

// failure is a row of failures without a success between them.
type failure struct {
	since, last time.Time
	times       int
	err         error // the last one
}

// over reports whether no news is good news. An insert is repeated until it
// succeeds, so without a success it fails still. Reads and commits fail every
// few seconds if they fail, and succeed in silence where nothing is sent or
// the partition is gone; a registry is asked again as often.
func (f failure) over(w work, now time.Time, limit time.Duration) bool {
	return (w == reading || w == committing || w == learning) && now.Sub(f.last) > limit
}

// problems is the decision. A node without partitions is not ready, also if
// that is because there are more nodes than partitions: it does no work.
func (s state) problems(now time.Time, limit time.Duration) []string {
	var all []string
	if len(s.owned) == 0 {
		all = append(all, "no partition is assigned: the node is joining the group, cannot reach Kafka, or there are more nodes than partitions")
	}
	if len(s.settling) > 0 {
		all = append(all, fmt.Sprintf("partitions %v are being settled: what an earlier owner declared is made sure of before they are read", slices.Sorted(maps.Keys(s.settling))))
	}
	for _, w := range slices.Sorted(maps.Keys(s.failing)) {
		if f := s.failing[w]; now.Sub(f.since) > limit && !f.over(w, now, limit) {
			all = append(all, fmt.Sprintf("%s has been failing for %v: %v", w, now.Sub(f.since).Truncate(time.Second), f.err))
		}
	}
	return all
}
