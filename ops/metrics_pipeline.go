package ops

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
	"penstock/schema"
)

// PipelineEvents registers the metrics of an ingest node, penstock_ingest_*,
// and returns the hooks that move them; the lag has hooks of its own.
func (m *Metrics) PipelineEvents(cfg pipeline.Config, lag *Lag) pipeline.Events {
	f := family{reg: m.reg, prefix: "penstock_ingest_"}
	f.gauge("memory_budget_bytes", "The configured bound of the node's memory; compare process_resident_memory_bytes.").Set(float64(cfg.Memory))

	var (
		polledRecords = f.counter("polled_records_total", "Records read from Kafka.")
		polledBytes   = f.counter("polled_bytes_total", "Bytes of the keys and values of records read from Kafka.")
		pollFailures  = f.counter("poll_failures_total", "Reads of a partition that failed; the client goes on asking.")

		rejectHigh  = f.gauge("reject_rate_high", "1 while more than rejects.share of the records of rejects.window cannot be stored.")
		rejected    = f.counters("rejected_records_total", "Records that cannot be stored and went to the dead-letter topic.", "reason", reasons()...)
		inserts     = f.counter("inserts_total", "Inserts that ClickHouse acknowledged.")
		storedRows  = f.counter("stored_rows_total", "Rows that ClickHouse acknowledged.")
		storedBytes = f.counter("stored_bytes_total", "Bytes of the acknowledged rows' columns, before compression.")
		attempts    = f.counter("insert_attempts_total", "Attempts that the acknowledged inserts took.")
		insertTime  = f.histograms("insert_duration_seconds", "Time to an acknowledged insert: all attempts and the waits between them.", prometheus.ExponentialBuckets(0.005, 2, 14)).WithLabelValues()
		retries     = f.counters("retries_total", "Attempts that failed and are repeated.", "what", string(checking), string(inserting), string(deadLettering), string(committing), string(settling))
		breaker     = f.gauge("breaker_open", "1 while inserts are held back because ClickHouse failed too often.")

		commits     = f.counter("commits_total", "Offset commits that Kafka accepted.")
		found       = f.counter("found_inserts_total", "Inserts whose answer was lost, and whose rows the receipts showed to be stored.")
		settled     = f.counter("settled_partitions_total", "Partitions that were made ready to be read.")
		intents     = f.counter("settled_intents_total", "Batches' shares of a partition that an earlier owner had declared and not confirmed.")
		settledRows = f.counter("settled_rows_total", "Rows sent to settle them.")
		settleTime  = f.histograms("settle_duration_seconds", "Time to make a partition ready, without the wait for its turn.", prometheus.ExponentialBuckets(0.01, 2, 14)).WithLabelValues()
		doubts      = f.counter("doubts_total", "Times the node left its group and joined it again because it could not know what is its own.")
		dedupShrunk = f.counter("dedup_shrunk_total", "Times a lane forgot half of its dedup window early, for want of room.")
	)
	batches, late := newBatchMetrics(f), newLateness(f)
	lanes := pausedLanes{gauge: f.gauge("paused_lanes", "Lanes whose queue is full, so that their partitions are not read."), paused: make(map[int]bool)}

	return Tee(newPartitions(f, lag).events(), newHops(f, lag.now).events(), newIntents(f).events(), newParked(f).events(), newDevices(f), pipeline.Events{Sealed: late.sealed}, pipeline.Events{
		Polled: func(p pipeline.Polled) {
			polledRecords.Add(float64(p.Records))
			polledBytes.Add(float64(p.Bytes))
		},
		PollFailed: func(error) { pollFailures.Inc() },
		Paused:     func(lane int) { lanes.set(lane, true) },
		Resumed:    func(lane int) { lanes.set(lane, false) },
		Sealed:     batches.sealed,
		Rejected:   func(r pipeline.Rejected) { rejected.WithLabelValues(string(r.Rejection.Reason)).Inc() },
		RejectRate: func(r pipeline.RejectRate) { rejectHigh.Set(number(r.High)) },
		Inserted: func(i pipeline.Inserted) {
			inserts.Inc()
			storedRows.Add(float64(i.Rows))
			storedBytes.Add(float64(i.Bytes))
			attempts.Add(float64(i.Attempts))
			if i.Found {
				found.Inc()
			}
			insertTime.Observe(i.Took.Seconds())
		},
		Retrying:  func(r pipeline.Retrying) { retries.WithLabelValues(r.What).Inc() },
		Breaker:   func(open bool) { breaker.Set(number(open)) },
		Committed: func(pipeline.Committed) { commits.Inc() },
		Settled: func(s pipeline.Settled) {
			settled.Inc()
			intents.Add(float64(s.Intents))
			settledRows.Add(float64(s.Rows))
			settleTime.Observe(s.Took.Seconds())
		},
		Doubted:     func(error) { doubts.Inc() },
		DedupShrunk: func(int) { dedupShrunk.Inc() },
	})
}

// batchMetrics are those of sealed batches. What a batch drops is counted here
// and not when it is decoded, so that at any time polled = sealed + what is in
// a lane.
type batchMetrics struct {
	records, duplicates, extra prometheus.Counter
	behind                     prometheus.Counter
	rows, bytes, age           *prometheus.HistogramVec
}

func newBatchMetrics(f family) batchMetrics {
	b := batchMetrics{
		records:    f.counter("sealed_records_total", "Records of sealed batches: rows, duplicates and rejects."),
		duplicates: f.counter("duplicate_records_total", "Records dropped because their identity was in the dedup window."),
		extra:      f.counter("extra_rows_total", "Rows that hold something the schema has no column for."),
		behind:     f.counter("behind_batches_total", "Sealed batches of records older than batch.behind, which wait to be full."),
		rows:       f.histograms("batch_rows", "Rows of a sealed batch, by the bound it reached.", prometheus.ExponentialBuckets(100, 4, 8), "cause"),
		bytes:      f.histograms("batch_bytes", "Bytes of a sealed batch, by the bound it reached.", prometheus.ExponentialBuckets(16<<10, 4, 8), "cause"),
		age:        f.histograms("batch_age_seconds", "Age of a sealed batch's first record, by the bound it reached.", prometheus.ExponentialBuckets(0.01, 2, 10), "cause"),
	}
	return b
}

func (b batchMetrics) sealed(s pipeline.Sealed) {
	b.records.Add(float64(s.Records))
	b.duplicates.Add(float64(s.Duplicates))
	b.extra.Add(float64(s.Extra))
	if s.Behind {
		b.behind.Inc()
	}
	cause := string(s.Cause)
	b.rows.WithLabelValues(cause).Observe(float64(s.Rows))
	b.bytes.WithLabelValues(cause).Observe(float64(s.Bytes))
	b.age.WithLabelValues(cause).Observe(s.Age.Seconds())
}

// pausedLanes counts lanes, not events: a lane may be paused again before it
// is resumed.
type pausedLanes struct {
	gauge  prometheus.Gauge
	mu     sync.Mutex // guards paused, and the gauge being as many
	paused map[int]bool
}

func (l *pausedLanes) set(lane int, paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if paused {
		l.paused[lane] = true
	} else {
		delete(l.paused, lane)
	}
	l.gauge.Set(float64(len(l.paused)))
}

func reasons() []string {
	var all []string
	for _, r := range schema.Reasons() {
		all = append(all, string(r))
	}
	return all
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
