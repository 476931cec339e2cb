package ops

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// parked counts the node's partitions that are not read until a person acts.
type parked struct {
	gauge prometheus.Gauge

	mu  sync.Mutex // guards ids, and the gauge being as many
	ids map[int32]bool
}

func newParked(f family) *parked {
	return &parked{
		gauge: f.gauge("parked_partitions", "Partitions that are not read because of a batch of more than kafka.max_batch_bytes, until a person acts."),
		ids:   make(map[int32]bool),
	}
}

func (p *parked) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.gauge.Set(float64(len(p.ids)))
}

// events returns the hooks. Whoever is given a partition anew begins to read it.
func (p *parked) events() pipeline.Events {
	gone := func(ids []int32) {
		p.update(func() {
			for _, id := range ids {
				delete(p.ids, id)
			}
		})
	}
	return pipeline.Events{
		Parked:   func(e pipeline.Parked) { p.update(func() { p.ids[e.Partition] = true }) },
		Assigned: gone,
		Revoked:  gone,
		Lost:     gone,
		Doubted:  func(error) { p.update(func() { clear(p.ids) }) },
	}
}
