package bench

import (
	"fmt"

	"penstock/ops/local/ingest"
)

// figures are what one run took. Times are in seconds.
type figures struct {
	// Wrong says what is wrong with the counts; a run with any has no rate.
	Wrong []string

	Events uint64
	// Wall and the CPU times of the node are from the start of its process
	// until the last commit.
	Wall, User, System float64
	// Engine is the CPU time of the ClickHouse process in the same time, Merges
	// what it took afterwards, until it had nothing to merge. Of one that
	// discards they are only its front's, and no figure.
	Engine, Merges float64
	// Merged is the rows it merged in the run, of all tables and projections, a
	// row as often as it was merged. When it merges is its own choice, and makes
	// most of the difference between two runs' Engine.
	Merged uint64
	// Kafka is the broker's CPU time in the run, Others that of everything on the
	// machine that is no part of the bench: more than a little of it, and the run
	// has shared its caches and cores.
	Kafka, Others float64
	// Peak is the most memory the node held, in bytes.
	Peak uint64
	// Sent is what the node wrote, in bytes: blocks for ClickHouse, and beside
	// them commits, requests and its log, less than a thousandth.
	Sent uint64
	// Collected is the CPU time of the garbage collector, of the Busy time that
	// Go accounts for.
	Collected, Busy float64
	// Mallocs counts the allocations of the whole process.
	Mallocs uint64
	Inserts uint64
	// Parts are what is left after the merges, and Disk their bytes.
	Parts, Disk uint64
}

// fromMetrics reads what only the node itself knows.
func (f *figures) fromMetrics(page ingest.Metrics) error {
	for _, m := range []struct {
		name string
		set  func(float64)
	}{
		{"go_memstats_mallocs_total", func(v float64) { f.Mallocs = uint64(v) }},
		{"go_cpu_classes_gc_total_cpu_seconds_total", func(v float64) { f.Collected = v }},
		{"go_cpu_classes_total_cpu_seconds_total", func(v float64) { f.Busy += v }},
		{"go_cpu_classes_idle_cpu_seconds_total", func(v float64) { f.Busy -= v }},
		{"penstock_ingest_inserts_total", func(v float64) { f.Inserts = uint64(v) }},
		{"penstock_ingest_rejected_records_total", func(v float64) { f.expectNone("rejected", v) }},
		{"penstock_ingest_duplicate_records_total", func(v float64) { f.expectNone("dropped as duplicates", v) }},
	} {
		v, err := page.Sum(m.name)
		if err != nil {
			return err
		}
		m.set(v)
	}
	return nil
}

// expectNone notes records of which there is none in the topic.
func (f *figures) expectNone(what string, n float64) {
	if n > 0 {
		f.Wrong = append(f.Wrong, fmt.Sprintf("%.0f records were %s", n, what))
	}
}

// rate is events for each second; 0 if the counts are wrong.
func (f figures) rate(seconds float64) float64 {
	if len(f.Wrong) > 0 || seconds <= 0 {
		return 0
	}
	return float64(f.Events) / seconds
}

// collectorShare is the collector's part of the Busy time, in [0, 1]. Go brings
// its account up to date when it collects: without a collection it is empty.
func (f figures) collectorShare() float64 {
	if f.Busy <= 0 {
		return 0
	}
	return f.Collected / f.Busy
}

// String is the run as a line of progress.
func (f figures) String() string {
	if len(f.Wrong) > 0 {
		return fmt.Sprintf("WRONG: %v", f.Wrong)
	}
	line := fmt.Sprintf("%7.0f events/CPU-s  (%.2f s user, %.2f s system, %.1f s wall, %d MiB)", f.rate(f.User+f.System), f.User, f.System, f.Wall, f.Peak>>20)
	if f.Others > f.Wall/10 {
		line += fmt.Sprintf("  others on this machine took %.1f s", f.Others)
	}
	if f.Merges > 0 {
		line += fmt.Sprintf("  engine %.2f s, which merged %.1f rows an event; then %.2f s", f.Engine, float64(f.Merged)/float64(f.Events), f.Merges)
	}
	return line
}
