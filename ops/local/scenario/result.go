package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// figures are loadtest's, under its names.
type figures struct {
	// Produced counts records of all kinds that Kafka took; Stored, rows.
	Produced uint64 `json:"produced"`
	Stored   uint64 `json:"stored"`
	// Missing and Duplicated are readings, by the exact set of each device's
	// sequence numbers.
	Missing    uint64 `json:"missing"`
	Duplicated uint64 `json:"duplicated"`
	// Rejected are records in the dead-letter topic, each counted once.
	Rejected      uint64 `json:"rejected"`
	MalformedSent uint64 `json:"malformed_sent"`
	Resent        uint64 `json:"resent"`
	// Rate is records a second.
	Rate float64 `json:"rate"`
	// From the intended time of sending until a query finds the reading.
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`
	VisibleMax float64 `json:"visible_max_ms"`
}

// Result is what a smoke has seen. It is the last line of its output.
type Result struct {
	figures
	// Lag is what the group has not committed in the end, in records.
	Lag int64 `json:"lag"`
	// Rows of the Parquet files, as ClickHouse and as DuckDB count them.
	ColdRows       uint64 `json:"cold_rows"`
	ColdRowsDuckDB uint64 `json:"cold_rows_duckdb"`
	// HotOlderThan30Days are rows the compactor should have moved.
	HotOlderThan30Days uint64 `json:"hot_older_than_30_days"`
	// MissingAfterTiering and DuplicatedAfterTiering are as above, proven again
	// over hot and cold together.
	MissingAfterTiering    uint64 `json:"missing_after_tiering"`
	DuplicatedAfterTiering uint64 `json:"duplicated_after_tiering"`
	// Kafka is apache-<version> or kfake.
	Kafka string `json:"kafka"`
	// The most memory ingest has held, and what it was allowed.
	IngestPeakMiB   int64 `json:"ingest_peak_mib"`
	IngestBudgetMiB int64 `json:"ingest_budget_mib"`
	// CPUSeconds each program used while the load ran, by its name.
	CPUSeconds map[string]float64 `json:"cpu_seconds,omitempty"`
	// Fault is what was done to the product meanwhile; empty for nothing.
	Fault Fault `json:"fault,omitempty"`

	// verdicts are what loadtest itself has against the run, by its exit status.
	verdicts []error
}

// Fault is what a smoke does to the product under load.
type Fault string

const (
	// KillIngest is kill -9 of ingest, once, and a start at once.
	KillIngest Fault = "kill-ingest"
	// KillClickHouse is kill -9 of ClickHouse, once, and a start at once.
	KillClickHouse Fault = "kill-clickhouse"
	// StopClickHouse is ClickHouse away for a while.
	StopClickHouse Fault = "stop-clickhouse"
)

// judged notes how loadtest ended.
func (r *Result) judged(exit error) {
	if exit != nil {
		r.verdicts = append(r.verdicts, exit)
	}
}

// maxVisibleP99 is the promise, in milliseconds.
const maxVisibleP99 = 5000

// Check reports everything that is not as it has to be.
func (r Result) Check() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(r.Produced > 0, "nothing was produced")
	check(r.Missing == 0, "%d readings are missing", r.Missing)
	check(r.Rejected == r.MalformedSent, "%d records were rejected, %d malformed ones were sent", r.Rejected, r.MalformedSent)
	check(r.Lag == 0, "%d records are not committed", r.Lag)
	check(r.ColdRows > 0, "there are no rows in Parquet")
	check(r.ColdRows == r.ColdRowsDuckDB, "ClickHouse counts %d rows in Parquet, DuckDB %d", r.ColdRows, r.ColdRowsDuckDB)
	check(r.HotOlderThan30Days == 0, "%d rows older than 30 days are still hot", r.HotOlderThan30Days)
	check(r.MissingAfterTiering == 0, "%d readings are missing after tiering", r.MissingAfterTiering)
	check(r.IngestPeakMiB <= r.IngestBudgetMiB, "ingest held %d MiB, its budget is %d MiB", r.IngestPeakMiB, r.IngestBudgetMiB)
	if r.Fault != KillIngest {
		// What a killed node has stored and not committed comes again until
		// the intents are there.
		check(r.Duplicated == 0, "%d readings are duplicated", r.Duplicated)
		check(r.DuplicatedAfterTiering == 0, "%d readings are duplicated after tiering", r.DuplicatedAfterTiering)
	}
	if r.Fault == "" {
		// A fault is itself longer than the promise.
		check(r.VisibleP99 < maxVisibleP99, "readings are visible after %.0f ms (p99), promised are %d", r.VisibleP99, maxVisibleP99)
	}
	if len(errs) == 0 {
		// loadtest looks at more than is counted here: rows of nothing that was
		// sent, rejects of the wrong record or for the wrong reason.
		errs = r.verdicts
	}
	return errors.Join(errs...)
}

// report is the part of loadtest's result that a smoke needs.
type report struct {
	figures
	// Verified is false if the proof could not be made at all.
	Verified bool `json:"verified"`
}

func readReport(path string) (r report, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if !r.Verified {
		return r, fmt.Errorf("%s: loadtest has verified nothing", path)
	}
	return r, nil
}
