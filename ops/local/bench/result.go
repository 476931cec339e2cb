package bench

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// CaseResult is what the runs of a case took.
type CaseResult struct {
	Case
	// Wrong says what is wrong with the counts of any run. Its rates are nil
	// then: events that are not stored were not taken by anyone.
	Wrong []string `json:"wrong,omitempty"`

	// EventsPerCPUSecond is of the node's process, from its start until the
	// last commit; EventsPerCPUSecondWithEngine of the node's and ClickHouse's
	// together in that time.
	EventsPerCPUSecond           *Spread `json:"events_per_cpu_second"`
	EventsPerCPUSecondWithEngine *Spread `json:"events_per_cpu_second_with_engine,omitempty"`
	// EngineRowsPerCPUSecond is of ClickHouse alone, with what it merged
	// meanwhile: MergedRowsPerEvent, those of rollup and projections too.
	// MergeSeconds is the CPU time it took after that until it had nothing to merge.
	EngineRowsPerCPUSecond *Spread `json:"engine_rows_per_cpu_second,omitempty"`
	MergedRowsPerEvent     *Spread `json:"merged_rows_per_event,omitempty"`
	MergeSeconds           *Spread `json:"merge_cpu_seconds_after,omitempty"`

	UserSeconds   *Spread `json:"user_cpu_seconds"`
	SystemSeconds *Spread `json:"system_cpu_seconds"`
	WallSeconds   *Spread `json:"wall_seconds"`
	KafkaSeconds  *Spread `json:"kafka_cpu_seconds"`
	// OtherSeconds is the CPU time of whatever else ran on the machine. What is
	// measured beside it is not what a quiet machine would show.
	OtherSeconds *Spread `json:"other_cpu_seconds"`
	PeakRSS      *Spread `json:"peak_rss_mb"` // MiB
	// GCShare is the collector's, of the CPU time Go accounts for, in [0, 1].
	GCShare *Spread `json:"gc_share"`
	// AllocsPerEvent are all of the process, those of its start too.
	AllocsPerEvent *Spread `json:"allocs_per_event"`
	// SentBytesPerEvent is all the process wrote.
	SentBytesPerEvent *Spread `json:"sent_bytes_per_event"`
	RowsPerInsert     *Spread `json:"rows_per_insert"`
	// Parts and their bytes are those left after the merges.
	Parts             *Spread `json:"parts,omitempty"`
	DiskBytesPerEvent *Spread `json:"disk_bytes_per_event,omitempty"`

	runs []figures
}

// sum sums the runs up.
func (c *CaseResult) sum() {
	for _, r := range c.runs {
		c.Wrong = append(c.Wrong, r.Wrong...)
	}
	each := func(of func(figures) float64) *Spread {
		var values []float64
		for _, r := range c.runs {
			values = append(values, of(r))
		}
		return spread(values)
	}
	rate := func(seconds func(figures) float64) *Spread {
		if len(c.Wrong) > 0 {
			return nil
		}
		return each(func(f figures) float64 { return f.rate(seconds(f)) })
	}
	node := func(f figures) float64 { return f.User + f.System }
	c.EventsPerCPUSecond = rate(node)
	c.UserSeconds = each(func(f figures) float64 { return f.User })
	c.SystemSeconds = each(func(f figures) float64 { return f.System })
	c.WallSeconds = each(func(f figures) float64 { return f.Wall })
	c.KafkaSeconds = each(func(f figures) float64 { return f.Kafka })
	c.OtherSeconds = each(func(f figures) float64 { return f.Others })
	c.PeakRSS = each(func(f figures) float64 { return float64(f.Peak) / (1 << 20) })
	c.GCShare = each(func(f figures) float64 { return f.collectorShare() })
	c.AllocsPerEvent = each(func(f figures) float64 { return float64(f.Mallocs) / float64(f.Events) })
	c.SentBytesPerEvent = each(func(f figures) float64 { return float64(f.Sent) / float64(f.Events) })
	c.RowsPerInsert = each(func(f figures) float64 { return float64(f.Events) / float64(max(1, f.Inserts)) })
	if c.Engine != ClickHouse {
		return
	}
	c.EventsPerCPUSecondWithEngine = rate(func(f figures) float64 { return node(f) + f.Engine })
	c.EngineRowsPerCPUSecond = rate(func(f figures) float64 { return f.Engine })
	c.MergedRowsPerEvent = each(func(f figures) float64 { return float64(f.Merged) / float64(f.Events) })
	c.MergeSeconds = each(func(f figures) float64 { return f.Merges })
	c.Parts = each(func(f figures) float64 { return float64(f.Parts) })
	c.DiskBytesPerEvent = each(func(f figures) float64 { return float64(f.Disk) / float64(f.Events) })
}

// Result is what a bench has measured. It is the last line of its output. The
// figures in front are medians; those of cases that were not run, or whose counts
// were wrong, are null.
type Result struct {
	// Into ClickHouse with the default compression, receipts and rollup.
	JSONEventsPerCPUSecond           *float64 `json:"json_events_per_cpu_second"`
	ProtobufEventsPerCPUSecond       *float64 `json:"protobuf_events_per_cpu_second"`
	JSONEventsPerCPUSecondWithEngine *float64 `json:"json_events_per_cpu_second_with_engine"`
	EngineRowsPerCPUSecond           *float64 `json:"engine_rows_per_cpu_second"`
	// Into an engine that stores nothing.
	JSONEventsPerCPUSecondNull     *float64 `json:"json_events_per_cpu_second_null_engine"`
	ProtobufEventsPerCPUSecondNull *float64 `json:"protobuf_events_per_cpu_second_null_engine"`
	// PeakRSS is the largest of any run into ClickHouse, in MiB.
	PeakRSS *float64 `json:"peak_rss_mb"`
	// WrongCounts is the runs whose counts were wrong.
	WrongCounts int `json:"wrong_counts"`

	// Kafka is apache-<version> or kfake.
	Kafka  string       `json:"kafka"`
	Events int          `json:"events"`
	Runs   int          `json:"runs"`
	Cases  []CaseResult `json:"cases"`
}

// add enters a case that was run.
func (r *Result) add(c CaseResult) {
	c.sum()
	r.Cases = append(r.Cases, c)
	for _, run := range c.runs {
		if len(run.Wrong) > 0 {
			r.WrongCounts++
		}
	}
	if c.Engine == ClickHouse && c.PeakRSS != nil {
		peak := c.PeakRSS.Max
		if r.PeakRSS != nil {
			peak = max(peak, *r.PeakRSS)
		}
		r.PeakRSS = &peak
	}
	median := func(s *Spread) *float64 {
		if s == nil {
			return nil
		}
		return &s.Median
	}
	switch c.Case {
	case Case{JSON, ClickHouse, Uncompressed}:
		r.JSONEventsPerCPUSecond = median(c.EventsPerCPUSecond)
		r.JSONEventsPerCPUSecondWithEngine = median(c.EventsPerCPUSecondWithEngine)
		r.EngineRowsPerCPUSecond = median(c.EngineRowsPerCPUSecond)
	case Case{Protobuf, ClickHouse, Uncompressed}:
		r.ProtobufEventsPerCPUSecond = median(c.EventsPerCPUSecond)
	case Case{JSON, Null, Uncompressed}:
		r.JSONEventsPerCPUSecondNull = median(c.EventsPerCPUSecond)
	case Case{Protobuf, Null, Uncompressed}:
		r.ProtobufEventsPerCPUSecondNull = median(c.EventsPerCPUSecond)
	}
}

// Check reports wrong counts.
func (r Result) Check() error {
	var errs []error
	for _, c := range r.Cases {
		for _, w := range c.Wrong {
			errs = append(errs, fmt.Errorf("%v: %s", c.Case, w))
		}
	}
	return errors.Join(errs...)
}

// WriteTable writes the cases for people.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "case\tevents/CPU-s\twith engine\tengine rows/CPU-s\tuser s\tsystem s\twall s\tothers s\tRSS MiB\tGC %\tallocs/event\tsent B/event")
	for _, c := range r.Cases {
		rate := thousands(c.EventsPerCPUSecond)
		if len(c.Wrong) > 0 {
			rate = "WRONG COUNTS"
		}
		fmt.Fprintf(table, "%v\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Case, rate, thousands(c.EventsPerCPUSecondWithEngine), thousands(c.EngineRowsPerCPUSecond),
			c.UserSeconds.text("%.2f", 1), c.SystemSeconds.text("%.2f", 1), c.WallSeconds.text("%.1f", 1), c.OtherSeconds.text("%.1f", 1), c.PeakRSS.text("%.0f", 1),
			c.GCShare.text("%.1f", 100), c.AllocsPerEvent.text("%.3f", 1), c.SentBytesPerEvent.text("%.0f", 1))
	}
	return table.Flush()
}
