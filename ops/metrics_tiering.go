package ops

import (
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
		running   = f.gauges("steps_running", "1 while a step of this kind is being done.", "action")
		done      = f.counters("steps_total", "Steps of a day's way to the cold tier that were done.", "action", actions...)
		failed    = f.counters("step_failures_total", "Steps that failed. Both copies of the day stay; a person has to look.", "action", actions...)
		duration  = f.histograms("step_duration_seconds", "Time of a step that was done.", prometheus.ExponentialBuckets(0.1, 4, 9), "action")
		files     = f.counter("stored_files_total", "Parquet files stored on S3.")
		rows      = f.counter("stored_file_rows_total", "Rows of the Parquet files stored on S3.")
		bytes     = f.counter("stored_file_bytes_total", "Bytes of the Parquet files stored on S3.")
		strayed   = f.counter("strayed_rows_total", "Rows sealed by a compactor that had lost the lease; they become the day's next generation.")
		filesRead = f.counter("read_files_total", "Parquet files read back from S3.")
		bytesRead = f.counter("read_file_bytes_total", "Bytes of the Parquet files read back from S3.")
		fence     = f.gauge("lease_fence", "The fencing number of the lease this compactor held last.")
		exported  = newProgress(f, "exported_rows_total", "Rows of sealed days read for export.", "export_progress_ratio", "Share of the day in export that is read.")
		verified  = newProgress(f, "verified_rows_total", "Rows read back from S3 and compared.", "verify_progress_ratio", "Share of the day in verification that is read back.")
		loaded    = newProgress(f, "loaded_rows_total", "Rows of files inserted into ClickHouse to restore days.", "load_progress_ratio", "Share of the day that is restored that is inserted.")
		compared  = newProgress(f, "compared_rows_total", "Rows of restored days read back from ClickHouse and compared.", "compare_progress_ratio", "Share of the restored day that is read back.")
	)
	return tiering.Events{
		Begun: func(s tiering.Step) {
			running.WithLabelValues(string(s.Action)).Set(1)
			exported.begin()
			verified.begin()
			loaded.begin()
			compared.begin()
		},
		Done: func(s tiering.Step, took time.Duration) {
			running.WithLabelValues(string(s.Action)).Set(0)
			done.WithLabelValues(string(s.Action)).Inc()
			duration.WithLabelValues(string(s.Action)).Observe(took.Seconds())
		},
		Failed: func(s tiering.Step, _ error) {
			running.WithLabelValues(string(s.Action)).Set(0)
			failed.WithLabelValues(string(s.Action)).Inc()
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
		Strayed:    func(_ schema.Day, n uint64) { strayed.Add(float64(n)) },
		LeaseTaken: func(n uint64) { fence.Set(float64(n)) },
	}
}

// progress makes a counter of a day's running number of rows.
type progress struct {
	total prometheus.Counter
	share prometheus.Gauge

	mu   sync.Mutex // guards what follows
	day  schema.Day
	rows uint64 // of the day, counted already
}

func newProgress(f family, total, totalHelp, share, shareHelp string) *progress {
	return &progress{total: f.counter(total, totalHelp), share: f.gauge(share, shareHelp)}
}

// begin starts a day's number at zero again.
func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = 0
}

func (p *progress) at(day schema.Day, rows, of uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if day != p.day || rows < p.rows {
		p.day, p.rows = day, 0
	}
	p.total.Add(float64(rows - p.rows))
	p.rows = rows
	if of > 0 {
		p.share.Set(float64(rows) / float64(of))
	}
}
