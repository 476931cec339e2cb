package ops

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// partitions are the metrics of each partition the node owns. They are made
// when they are asked for, from one consistent state: lag is the difference of
// two numbers that change at different times, and a partition's series end
// when it is another node's, or the sum over nodes would count it twice.
type partitions struct {
	rebalances                    *prometheus.CounterVec
	count, offset, high, lag, gap *prometheus.Desc

	mu    sync.Mutex // guards what follows
	owned map[int32]*position
}

// position is where a partition stands. An offset is -1 until it is known.
type position struct {
	// committed is also what the node found done when it was given the partition.
	committed, high int64
	gap             int64 // see pipeline.Committed; -1 while there is none
}

func newPartitions(f family) *partitions {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(f.prefix+name, help, labels, nil)
	}
	p := &partitions{
		rebalances: f.counters("rebalanced_partitions_total", "Partitions that were assigned, revoked in order, or lost without a chance to finish.", "event", "assigned", "revoked", "lost"),
		count:      desc("assigned_partitions", "Partitions the node owns."),
		offset:     desc("committed_offset", "The offset below which everything of the partition is stored, dead-lettered or a duplicate.", "partition"),
		high:       desc("high_watermark", "The offset of the partition's next record, as of the last read of it.", "partition"),
		gap:        desc("gap_records", "Records of the partition that are not committed yet and are read beside its head, where a node with kafka.recovery fresh-first found it behind; 0 once they are.", "partition"),
		lag:        desc("lag_records", "Records of the partition that are not committed: high watermark less committed offset.", "partition"),
		owned:      make(map[int32]*position),
	}
	f.reg.MustRegister(p)
	return p
}

func (p *partitions) assigned(partitions []int32) {
	p.rebalances.WithLabelValues("assigned").Add(float64(len(partitions)))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range partitions {
		p.owned[id] = &position{committed: -1, high: -1, gap: -1}
	}
}

func (p *partitions) revoked(partitions []int32) { p.disowned("revoked", partitions) }
func (p *partitions) lost(partitions []int32)    { p.disowned("lost", partitions) }

func (p *partitions) disowned(event string, partitions []int32) {
	p.rebalances.WithLabelValues(event).Add(float64(len(partitions)))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range partitions {
		delete(p.owned, id)
	}
}

func (p *partitions) polled(e pipeline.Polled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.owned[e.Partition]; at != nil {
		at.high = e.HighWatermark
	}
}

func (p *partitions) settled(e pipeline.Settled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.owned[e.Partition]; at != nil {
		at.committed = max(at.committed, e.Next) // it may be told of a commit first
		if e.Gap > 0 && at.gap < 0 {
			at.gap = e.Gap
		}
	}
}

// committed may be told of a partition that was given away a moment ago: lanes
// report on their own. It stays away.
func (p *partitions) committed(e pipeline.Committed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, next := range e.Next {
		if at := p.owned[id]; at != nil {
			at.committed = next
			if gap, ok := e.Gap[id]; ok {
				at.gap = gap
			}
		}
	}
}

// Describe implements [prometheus.Collector].
func (p *partitions) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.count, p.offset, p.high, p.lag, p.gap} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (p *partitions) Collect(to chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gauge := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(p.count, int64(len(p.owned)))
	for id, at := range p.owned {
		partition := strconv.Itoa(int(id))
		if at.committed >= 0 {
			gauge(p.offset, at.committed, partition)
		}
		if at.high >= 0 {
			gauge(p.high, at.high, partition)
		}
		if at.committed >= 0 && at.high >= 0 {
			// A commit may be newer than the last read's answer.
			gauge(p.lag, max(0, at.high-at.committed), partition)
		}
		if at.gap >= 0 {
			gauge(p.gap, at.gap, partition)
		}
	}
}
