package ops

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// intents are the metrics of what is declared and not stored, and of partitions
// that are read once what an earlier owner declared is.
type intents struct {
	inFlight, settling prometheus.Gauge

	mu    sync.Mutex // guards what follows, and the gauges being as they say
	lanes map[int]int
	unset map[int32]bool // partitions that are not settled
}

func newIntents(f family) *intents {
	return &intents{
		inFlight: f.gauge("in_flight_intents", "Batches that are declared and not stored, as of their lanes' last commits."),
		settling: f.gauge("settling_partitions", "Partitions that were assigned and are not read yet: what an earlier owner declared of them is made sure of first."),
		lanes:    make(map[int]int), unset: make(map[int32]bool),
	}
}

func (i *intents) update(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
	sum := 0
	for _, n := range i.lanes {
		sum += n
	}
	i.inFlight.Set(float64(sum))
	i.settling.Set(float64(len(i.unset)))
}

func (i *intents) events() pipeline.Events {
	gone := func(partitions []int32) {
		i.update(func() {
			for _, p := range partitions {
				delete(i.unset, p)
			}
		})
	}
	return pipeline.Events{
		Assigned: func(partitions []int32) {
			i.update(func() {
				for _, p := range partitions {
					i.unset[p] = true
				}
			})
		},
		Settled:   func(s pipeline.Settled) { gone([]int32{s.Partition}) },
		Revoked:   gone,
		Lost:      gone,
		Committed: func(c pipeline.Committed) { i.update(func() { i.lanes[c.Lane] = c.InFlight }) },
		// What was in flight is nobody's until it is settled.
		Doubted: func(error) {
			i.update(func() {
				clear(i.lanes)
				clear(i.unset)
			})
		},
	}
}
