package enginebench

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"text/tabwriter"
)

// Figures are what a case took. CPU times are seconds for a million events.
type Figures struct {
	// Seconds is of a sustained run: inserts, and the merges meanwhile.
	Seconds float64 `json:"cpu_seconds"`
	// Rate is how many events a second were stored in it; less than was asked
	// for if the server did not take them.
	Rate float64 `json:"events_per_second"`
	// MergedPerEvent is how many rows were merged in it an event, those of
	// receipts and rollup too. It grows with the logarithm of what a day holds.
	MergedPerEvent float64 `json:"merged_rows_per_event"`
	// PartsMost and PartsEnd are the events' parts in it.
	PartsMost float64 `json:"parts_most"`
	PartsEnd  float64 `json:"parts_end"`

	// InsertSeconds is of inserts while nothing is merged, InsertWall their
	// time on the clock, one after another.
	InsertSeconds float64 `json:"insert_cpu_seconds"`
	InsertWall    float64 `json:"insert_wall_seconds"`
	// PartsAnInsert counts those of the rollup too.
	PartsAnInsert float64 `json:"parts_per_insert"`
	// MergeSeconds is of one merge of all parts, those of the rollup too.
	MergeSeconds float64 `json:"merge_cpu_seconds"`
	// Bytes an event after that merge.
	DiskEvents   float64 `json:"disk_bytes_events"`
	DiskReceipts float64 `json:"disk_bytes_receipts"`
	DiskRollup   float64 `json:"disk_bytes_rollup"`
}

// String is the figures as a line of progress.
func (f Figures) String() string {
	return fmt.Sprintf("%.2f CPU-s a million events (%.2f rows merged an event, %.0f parts); inserts alone %.2f, one merge %.2f; %.1f + %.1f + %.1f B an event",
		f.Seconds, f.MergedPerEvent, f.PartsEnd, f.InsertSeconds, f.MergeSeconds, f.DiskEvents, f.DiskReceipts, f.DiskRollup)
}

// median is the median of each figure, to a thousandth; of an even number the
// lower of the two in the middle.
func median(all []Figures) (out Figures) {
	into := reflect.ValueOf(&out).Elem()
	for i := range into.NumField() {
		var values []float64
		for _, f := range all {
			values = append(values, reflect.ValueOf(f).Field(i).Float())
		}
		slices.Sort(values)
		into.Field(i).SetFloat(math.Round(1000*values[(len(values)-1)/2]) / 1000)
	}
	return out
}

// CaseResult is what a case took.
type CaseResult struct {
	Case
	Figures
}

// Result is what a bench has measured. It is the last line of its output.
type Result struct {
	Events  int          `json:"events"`
	Devices int          `json:"devices"`
	Rate    float64      `json:"rate"`
	Runs    int          `json:"runs"`
	Cases   []CaseResult `json:"cases"`
}

// WriteTable writes the cases for people.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "variant\trows/insert\tevents/s\tCPU-s/M\trows/CPU-s\tmerged\tparts most\tend\tinsert CPU-s/M\twall\tparts/insert\tone merge\tB/event\treceipts\trollup\t")
	for _, c := range r.Cases {
		fmt.Fprintf(table, "%s\t%d\t%.0fk\t%.2f\t%.0fk\t%.2f\t%.0f\t%.0f\t%.2f\t%.2f\t%.1f\t%.2f\t%.1f\t%.1f\t%.1f\t\n", c.Variant, c.Rows,
			c.Rate/1e3, c.Seconds, 1e3/c.Seconds, c.MergedPerEvent, c.PartsMost, c.PartsEnd, c.InsertSeconds, c.InsertWall, c.PartsAnInsert,
			c.MergeSeconds, c.DiskEvents, c.DiskReceipts, c.DiskRollup)
	}
	return table.Flush()
}
