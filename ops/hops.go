package ops

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// hop is a part of an event's way from Kafka into ClickHouse. Together they are
// all of it: each begins where the one before it ends.
type hop string

const (
	inKafka   hop = "kafka"
	inQueue   hop = "queue"
	inFill    hop = "fill"
	inDeclare hop = "declare"
	inInsert  hop = "insert"
)

// hopBudget divides the five seconds in which an event is promised to be visible.
// A live node takes a tenth of most of it; the insert's share is what is left for
// ClickHouse to be slow in, and the fill's is batch.age_limit.
var hopBudget = map[hop]time.Duration{
	inKafka:   500 * time.Millisecond,
	inQueue:   500 * time.Millisecond,
	inFill:    time.Second,
	inDeclare: 500 * time.Millisecond,
	inInsert:  2500 * time.Millisecond,
}

// hops are the metrics of where time goes.
type hops struct {
	now   func() time.Time
	took  *prometheus.HistogramVec
	total prometheus.Observer
}

func newHops(f family, now func() time.Time) *hops {
	budget := f.gauges("hop_budget_seconds", "What a hop may take for an event to be visible in five seconds; compare hop_duration_seconds.", "hop")
	h := &hops{
		now: now,
		took: f.histograms("hop_duration_seconds", "Where the time goes between Kafka and ClickHouse: kafka, from Kafka's timestamp of the first record of a poll to the poll; queue, until its lane decodes it; "+
			"fill, from a batch's first record to its seal; declare, until Kafka has accepted its intents; insert, until all of it is stored.", prometheus.ExponentialBuckets(0.001, 2, 16), "hop"),
		total: f.histograms("stored_age_seconds", "From Kafka's timestamp of a batch's oldest record until all of the batch is stored: how long the slowest of its events took to be visible.",
			[]float64{.1, .25, .5, 1, 2, 3, 4, 5, 7.5, 10, 30, 60, 300, 1800, 7200}).WithLabelValues(),
	}
	for where, of := range hopBudget {
		budget.WithLabelValues(string(where)).Set(of.Seconds())
		h.took.WithLabelValues(string(where))
	}
	return h
}

func (h *hops) observe(where hop, took time.Duration) {
	h.took.WithLabelValues(string(where)).Observe(max(0, took).Seconds())
}

func (h *hops) events() pipeline.Events {
	return pipeline.Events{
		Polled: func(p pipeline.Polled) {
			if p.Time >= 0 {
				h.observe(inKafka, h.now().Sub(time.UnixMilli(p.Time)))
			}
		},
		Taken: func(t pipeline.Taken) { h.observe(inQueue, t.Waited) },
		Stored: func(s pipeline.Stored) {
			h.observe(inFill, s.Sealed.Sub(s.Opened))
			h.observe(inDeclare, s.Declared.Sub(s.Sealed))
			h.observe(inInsert, s.Done.Sub(s.Declared))
			h.total.Observe(max(0, s.Done.Sub(time.UnixMilli(s.Oldest))).Seconds())
		},
	}
}
