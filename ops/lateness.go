package ops

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// lateness is how late the events of sealed batches are, and the newest of their
// times. A batch counts its rows by itself: a histogram that is observed row by
// row would cost more than to decode the row.
type lateness struct {
	late, early, newest *prometheus.Desc

	mu    sync.Mutex // guards what follows
	all   pipeline.Lateness
	total float64 // seconds; all.Sum of a node that lives long would overflow
}

func newLateness(f family) *lateness {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(f.prefix+name, help, nil, nil) }
	l := &lateness{
		late:   desc("event_lateness_seconds", "How long after the device took it an event came to Kafka; 0 of one that is early."),
		early:  desc("early_events_total", "Events whose device's clock is ahead of Kafka's timestamp."),
		newest: desc("event_watermark_seconds", "The newest event time of all that is sealed, as Unix time: devices that send in order are visible up to about here. The clock of a device that is ahead does not move it beyond Kafka's timestamp. Absent before the first event."),
	}
	f.reg.MustRegister(l)
	return l
}

func (l *lateness) sealed(s pipeline.Sealed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range s.Lateness.Within {
		l.all.Within[i] += n
	}
	l.all.Early += s.Lateness.Early
	l.total += float64(s.Lateness.Sum) / 1000
	l.all.Newest = max(l.all.Newest, s.Lateness.Newest)
}

// Describe implements [prometheus.Collector].
func (l *lateness) Describe(to chan<- *prometheus.Desc) {
	to <- l.late
	to <- l.early
	to <- l.newest
}

// Collect implements [prometheus.Collector].
func (l *lateness) Collect(to chan<- prometheus.Metric) {
	l.mu.Lock()
	all, total := l.all, l.total
	l.mu.Unlock()
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, bound := range pipeline.LatenessBounds {
		count += all.Within[i]
		buckets[(time.Duration(bound) * time.Millisecond).Seconds()] = count
	}
	count += all.Within[len(pipeline.LatenessBounds)]
	to <- prometheus.MustNewConstHistogram(l.late, count, total, buckets)
	to <- prometheus.MustNewConstMetric(l.early, prometheus.CounterValue, float64(all.Early))
	if all.Newest > 0 {
		to <- prometheus.MustNewConstMetric(l.newest, prometheus.GaugeValue, float64(all.Newest)/1000)
	}
}
