package tierbench

import (
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Figures are what a writer took for a day. Those a writer does not have are 0.
type Figures struct {
	// Seconds is the CPU time of the writer's process, user and system, from
	// its start to its end.
	Seconds float64 `json:"cpu_seconds"`
	// EngineSeconds is ClickHouse's CPU time meanwhile.
	EngineSeconds float64 `json:"engine_cpu_seconds"`
	Wall          float64 `json:"wall_seconds"`
	// PeakMiB is the most memory the process held.
	PeakMiB float64 `json:"peak_rss_mb"`
	Files   int     `json:"files"`
	Bytes   float64 `json:"bytes"`

	RowsPerCPUSecond float64 `json:"rows_per_cpu_second"`
	BytesPerRow      float64 `json:"bytes_per_row"`
}

// String is the figures as a line of progress.
func (f Figures) String() string {
	return fmt.Sprintf("%.2f CPU-s, %.2f of the engine, %.1f s on the clock, %.0f MiB of memory; %d files of %.0f bytes",
		f.Seconds, f.EngineSeconds, f.Wall, f.PeakMiB, f.Files, f.Bytes)
}

// Day is what moving a day took.
type Day struct {
	Rows int `json:"rows"`
	// JSONBytes is what a row had as a record.
	JSONBytes float64 `json:"json_bytes_per_row"`
	// Export is the compactor's pass, with its verification; Verify another
	// verification by itself.
	Export Figures `json:"export"`
	Verify Figures `json:"verify"`
	Engine Figures `json:"clickhouse"`
	DuckDB Figures `json:"duckdb"`
}

// derive computes the rates, and refuses what cannot be right.
func (d *Day) derive() error {
	var errs []error
	for _, w := range d.writers() {
		if w.Seconds <= 0 || w.Bytes <= 0 {
			errs = append(errs, fmt.Errorf("%s took %.2f CPU-seconds for %.0f bytes, which cannot be; its day is too small to be measured", w.name, w.Seconds, w.Bytes))
			continue
		}
		w.RowsPerCPUSecond = math.Round(float64(d.Rows) / w.Seconds)
		w.BytesPerRow = math.Round(100*w.Bytes/float64(d.Rows)) / 100
	}
	return errors.Join(errs...)
}

type writer struct {
	name string
	*Figures
}

func (d *Day) writers() []writer {
	return []writer{{"compactor: export, verify, publish", &d.Export}, {"compactor: verify alone", &d.Verify},
		{"ClickHouse: INSERT INTO s3", &d.Engine}, {"DuckDB: COPY", &d.DuckDB}}
}

// Result is what a bench has measured. It is the last line of its output.
type Result struct {
	Devices int   `json:"devices"`
	Columns int   `json:"columns"`
	Days    []Day `json:"days"`
}

// WriteTable writes the days for people.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "rows\twriter\trows/CPU-s\tCPU-s\tengine CPU-s\twall s\tRSS MiB\tfiles\tB/row\tJSON : it\t")
	for _, d := range r.Days {
		for _, w := range d.writers() {
			fmt.Fprintf(table, "%d\t%s\t%.0fk\t%.2f\t%.2f\t%.1f\t%.0f\t%d\t%.1f\t%.1f\t\n", d.Rows, w.name,
				w.RowsPerCPUSecond/1e3, w.Seconds, w.EngineSeconds, w.Wall, w.PeakMiB, w.Files, w.BytesPerRow, d.JSONBytes/w.BytesPerRow)
		}
	}
	return table.Flush()
}
