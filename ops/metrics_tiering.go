package ops

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/schema"
	"penstock/tiering"
)

// TieringEvents registers the metrics of a compactor, penstock_compactor_*,
// and returns the hooks that move them.
func (m *Metrics) TieringEvents() tiering.Events {
	f := family{reg: m.reg, prefix: "penstock_compactor_"}
	var actions []string
	for _, a := range tiering.Actions() {
		actions = append(actions, string(a))
	}
	var (
		days      = f.gauges("days", "Days that have rows anywhere, by where these are, as a pass last saw it.", "state")
		running   = f.gauges("steps_running", "How many steps of this kind are being done.", "action")
		done      = f.counters("steps_total", "Steps of a day's way to the cold tier that were done.", "action", actions...)
		failed    = f.counters("step_failures_total", "Steps that failed. Both copies of the day stay; a person has to look.", "action", actions...)
		duration  = f.histograms("step_duration_seconds", "Time of a step that was done.", prometheus.ExponentialBuckets(0.1, 4, 9), "action")
		files     = f.counter("stored_files_total", "Parquet files stored on S3.")
		rows      = f.counter("stored_file_rows_total", "Rows of the Parquet files stored on S3.")
		bytes     = f.counter("stored_file_bytes_total", "Bytes of the Parquet files stored on S3.")
		strayed   = f.counter("strayed_rows_total", "Rows sealed by a compactor that had lost the lease; they become the day's next generation.")
		filesRead = f.counter("read_files_total", "Parquet files read back from S3.")
		bytesRead = f.counter("read_file_bytes_total", "Bytes of the Parquet files read back from S3.")
		yielded   = f.counter("yields_total", "Times that reading a day waited because ClickHouse was busy.")
		fence     = f.gauge("lease_fence", "The fencing number of the lease this compactor held last.")
		exported  = newProgress(f, "exported_rows_total", "Rows of sealed days read for export.", "export_progress_ratio", "Share of the days in export that is read.")
		verified  = newProgress(f, "verified_rows_total", "Rows read back from S3 and compared.", "verify_progress_ratio", "Share of the days in verification that is read back.")
		loaded    = newProgress(f, "loaded_rows_total", "Rows of files inserted into ClickHouse to restore days.", "load_progress_ratio", "Share of the days that are restored that is inserted.")
		compared  = newProgress(f, "compared_rows_total", "Rows of restored days read back from ClickHouse and compared.", "compare_progress_ratio", "Share of the restored days that is read back.")
	)
	// forget has what is said of a day next count from zero.
	forget := func(day schema.Day) {
		for _, p := range []*progress{exported, verified, loaded, compared} {
			p.forget(day)
		}
	}
	return tiering.Events{
		Planned: func(steps []tiering.Step) {
			for _, state := range tiering.States() {
				n := 0
				for _, s := range steps {
					if s.State == state {
						n++
					}
				}
				days.WithLabelValues(string(state)).Set(float64(n))
			}
		},
		Begun: func(s tiering.Step) {
			running.WithLabelValues(string(s.Action)).Inc()
			forget(s.Day)
		},
		Done: func(s tiering.Step, took time.Duration) {
			running.WithLabelValues(string(s.Action)).Dec()
			forget(s.Day)
			done.WithLabelValues(string(s.Action)).Inc()
			duration.WithLabelValues(string(s.Action)).Observe(took.Seconds())
		},
		Failed: func(s tiering.Step, err error) {
			running.WithLabelValues(string(s.Action)).Dec()
			forget(s.Day)
			if !errors.Is(err, context.Canceled) { // which another day's failure or a stop has done
				failed.WithLabelValues(string(s.Action)).Inc()
			}
		},
		Exporting: exported.at,
		FileRead: func(_ schema.Day, file tiering.File) {
			filesRead.Inc()
			bytesRead.Add(float64(file.Bytes))
		},
		Verified: verified.at,
		Loaded:   loaded.at,
		Compared: compared.at,
		FileStored: func(_ schema.Day, file tiering.File) {
			files.Inc()
			rows.Add(float64(file.Rows))
			bytes.Add(float64(file.Bytes))
		},
		Yielded:    func(schema.Day, string) { yielded.Inc() },
		Strayed:    func(_ schema.Day, n uint64) { strayed.Add(float64(n)) },
		LeaseTaken: func(n uint64) { fence.Set(float64(n)) },
	}
}

// progress makes a counter of the running numbers of rows of the days at work.
type progress struct {
	total prometheus.Counter
	share prometheus.Gauge

	mu   sync.Mutex // guards what follows
	days map[schema.Day]extent
}

// extent is how far a day is, as it was last said.
type extent struct{ rows, of uint64 }

func newProgress(f family, total, totalHelp, share, shareHelp string) *progress {
	return &progress{total: f.counter(total, totalHelp), share: f.gauge(share, shareHelp), days: map[schema.Day]extent{}}
}

// forget starts a day's number at zero again, and leaves it out of the share.
func (p *progress) forget(day schema.Day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.days, day)
}

func (p *progress) at(day schema.Day, rows, of uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.days[day].rows
	if rows < before {
		before = 0 // read once more
	}
	p.total.Add(float64(rows - before))
	p.days[day] = extent{rows, of}
	var all extent
	for _, d := range p.days {
		all.rows, all.of = all.rows+d.rows, all.of+d.of
	}
	if all.of > 0 {
		p.share.Set(float64(all.rows) / float64(all.of))
	}
}
