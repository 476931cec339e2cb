package ops

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// partitions are the metrics of each partition the node owns, and of its lag.
// They are made when they are asked for, from one consistent state: lag is the
// difference of two numbers that change at different times, and a partition's
// series end when it is another node's, or the sum over nodes would count it
// twice.
type partitions struct {
	rebalances *prometheus.CounterVec
	stands     *Lag

	count, offset, high, lag, gap, age    *prometheus.Desc
	todo, oldest, done, arriving, catchUp *prometheus.Desc
}

func newPartitions(f family, stands *Lag) *partitions {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(f.prefix+name, help, labels, nil)
	}
	p := &partitions{
		rebalances: f.counters("rebalanced_partitions_total", "Partitions that were assigned, revoked in order, or lost without a chance to finish.", "event", "assigned", "revoked", "lost"),
		stands:     stands,
		count:      desc("assigned_partitions", "Partitions the node owns."),
		offset:     desc("committed_offset", "The offset below which everything of the partition is stored, dead-lettered or a duplicate.", "partition"),
		high:       desc("high_watermark", "The offset of the partition's next record, as of the last read of it.", "partition"),
		gap:        desc("gap_records", "Records of the partition that are not committed yet and are read beside its head, where a node with kafka.recovery fresh-first found it behind; 0 once they are.", "partition"),
		lag:        desc("lag_records", "Records of the partition that are not committed: high watermark less committed offset.", "partition"),
		age:        desc("lag_seconds", "Age of the partition's oldest record that is not committed, by Kafka's timestamp of the first record that was read with it.", "partition"),
		todo:       desc("backlog_records", "Records the node has still to do: the lag of its partitions, but of those with a gap only that."),
		oldest:     desc("backlog_seconds", "The highest lag_seconds of the node's partitions."),
		done:       desc("done_records_per_second", "Records of which it became known in the last ten seconds that they are done; of partitions with a gap those of the gap."),
		arriving:   desc("arriving_records_per_second", "Records that came to the node's partitions in the last ten seconds, as far as they were read; none of partitions with a gap."),
		catchUp:    desc("catch_up_seconds", "When the backlog will be gone: its records over those done less those arriving a second. 0 if the oldest is younger than five seconds; absent while the backlog does not shrink."),
	}
	f.reg.MustRegister(p)
	return p
}

func (p *partitions) moved(event string, partitions []int32) {
	p.rebalances.WithLabelValues(event).Add(float64(len(partitions)))
}

// events returns the hooks of what is not the lag's to know.
func (p *partitions) events() pipeline.Events {
	return pipeline.Events{
		Assigned: func(ids []int32) { p.moved("assigned", ids) },
		Revoked:  func(ids []int32) { p.moved("revoked", ids) },
		Lost:     func(ids []int32) { p.moved("lost", ids) },
	}
}

// Describe implements [prometheus.Collector].
func (p *partitions) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.count, p.offset, p.high, p.lag, p.gap, p.age, p.todo, p.oldest, p.done, p.arriving, p.catchUp} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (p *partitions) Collect(to chan<- prometheus.Metric) {
	p.stands.mu.Lock()
	defer p.stands.mu.Unlock()
	now, b := p.stands.now(), &p.stands.backlog
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(p.count, float64(len(b.owned)))
	for id, at := range b.owned {
		partition := strconv.Itoa(int(id))
		for _, o := range []struct {
			desc  *prometheus.Desc
			value int64
		}{{p.offset, at.committed}, {p.high, at.high}, {p.gap, at.gap}} {
			if o.value >= 0 {
				gauge(o.desc, float64(o.value), partition)
			}
		}
		if lag, known := at.lag(); known {
			gauge(p.lag, float64(lag), partition)
		}
		if age, known := at.age(now); known {
			gauge(p.age, age.Seconds(), partition)
		}
	}
	s := b.standing(now)
	gauge(p.todo, float64(s.todo))
	gauge(p.oldest, s.age.Seconds())
	if s.rated {
		gauge(p.done, s.done)
		gauge(p.arriving, s.arriving)
	}
	if s.foreseen {
		gauge(p.catchUp, s.left.Seconds())
	}
}
