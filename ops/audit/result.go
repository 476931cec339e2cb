package audit

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what a finding says of its offsets.
type Kind string

// The kinds.
const (
	// Missing: promised, and neither stored nor a duplicate nor a reject.
	Missing Kind = "missing"
	// Doubled: one record stored more than once.
	Doubled Kind = "doubled"
	// Repeated: an event stored at more than one offset, which is to say a
	// device's resend that was not recognised though it came within the window.
	Repeated Kind = "repeated"
	// Unproven: neither right nor missing can be shown.
	Unproven Kind = "unproven"
)

// Finding is offsets of one partition that are not as they should be.
type Finding struct {
	Kind      Kind  `json:"kind"`
	Partition int32 `json:"partition"`
	Range
	Why string `json:"why"`
}

// Partition is the outcome for one partition. Of its offsets
//
//	Next - First = Stored + Duplicates + Rejects + Absent + Cold + Missing + Unproven
type Partition struct {
	Partition int32 `json:"partition"`
	Range           // what was audited

	Stored     int64 `json:"stored"`     // in ClickHouse, each offset counted once
	Duplicates int64 `json:"duplicates"` // resends of an event that is stored at another offset
	Rejects    int64 `json:"rejects"`    // in the dead-letter topic
	Absent     int64 `json:"absent"`     // offsets without a record: compacted away, or a marker of a transaction
	Cold       int64 `json:"cold"`       // stored, in the cold tier and no longer in ClickHouse's own tables
	Missing    int64 `json:"missing"`
	Unproven   int64 `json:"unproven"`

	Doubled  int64 `json:"doubled"`  // offsets that are stored more than once
	Repeated int64 `json:"repeated"` // events that are stored at more than one offset

	// Open are offsets of the time asked for at which the group's commit has
	// not arrived: nothing is promised of them yet. Pending are those of them
	// that a node has said it is storing.
	Open    int64 `json:"open"`
	Pending int64 `json:"pending"`

	// OtherTime are duplicates whose event time is not the one that is stored.
	OtherTime int64 `json:"duplicates_of_other_time"`
	// Replayed are stored and have a dead letter as well: they were rejected, and
	// stored once the cause was mended, by a replay or by a node that settled them.
	Replayed int64 `json:"replayed"`
}

// Report is the outcome of an audit.
type Report struct {
	Topic      string      `json:"topic"`
	Group      string      `json:"group"`
	From       time.Time   `json:"from"`
	To         time.Time   `json:"to"`
	Partitions []Partition `json:"partitions"`
	Findings   []Finding   `json:"findings"`
	// Withheld are findings beyond the bound of a partition; the numbers of the
	// partition count them.
	Withheld int64 `json:"findings_withheld"`
	Rollups  []Day `json:"rollups"`
	// Notes are for a person; they change no verdict.
	Notes []string `json:"notes"`
}

// Verdict is what an audit comes to.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"    // every offset is stored once, or is explained
	Violated  Verdict = "violated"  // something is missing, doubled or repeated, or a rollup differs
	Undecided Verdict = "undecided" // nothing wrong was found, but not everything could be shown
)

// Verdict returns the worst of what was found.
func (r *Report) Verdict() Verdict {
	total := r.Total()
	violated := total.Missing+total.Doubled+total.Repeated > 0
	open := total.Unproven > 0
	for _, d := range r.Rollups {
		violated = violated || d.State == Differs
		open = open || d.State == Unsettled || d.State == NotFilled
	}
	switch {
	case violated:
		return Violated
	case open:
		return Undecided
	}
	return Proven
}

// Total returns the sum of all partitions, without their offsets but for their
// number: First is 0.
func (r *Report) Total() (t Partition) {
	for _, p := range r.Partitions {
		t.Next += p.Count()
		t.Stored += p.Stored
		t.Duplicates += p.Duplicates
		t.Rejects += p.Rejects
		t.Absent += p.Absent
		t.Cold += p.Cold
		t.Missing += p.Missing
		t.Unproven += p.Unproven
		t.Doubled += p.Doubled
		t.Repeated += p.Repeated
		t.Open += p.Open
		t.Pending += p.Pending
		t.OtherTime += p.OtherTime
		t.Replayed += p.Replayed
	}
	return t
}

// maxFindings bounds the findings kept of a partition. More do not help whoever
// reads them, and where every second offset is missing they would not fit.
const maxFindings = 10_000

// tally collects the outcome of one partition.
type tally struct {
	Partition
	findings []Finding
	withheld int64
}

// found takes a finding. Those of one kind and reason that follow one another
// become one.
func (t *tally) found(kind Kind, r Range, why string) {
	switch kind {
	case Missing:
		t.Missing += r.Count()
	case Unproven:
		t.Unproven += r.Count()
	case Doubled:
		t.Doubled += r.Count()
	case Repeated:
		t.Repeated++
	}
	for i := len(t.findings) - 1; i >= max(0, len(t.findings)-4); i-- { // kinds alternate
		if f := &t.findings[i]; f.Kind == kind && f.Why == why && f.Next == r.First {
			f.Next = r.Next
			return
		}
	}
	if len(t.findings) == maxFindings {
		t.withheld++
		return
	}
	t.findings = append(t.findings, Finding{Kind: kind, Partition: t.Partition.Partition, Range: r, Why: why})
}

// report puts the outcomes of partitions together, in their order.
func (r *Report) report(tallies []*tally) {
	slices.SortFunc(tallies, func(a, b *tally) int { return cmp.Compare(a.Partition.Partition, b.Partition.Partition) })
	for _, t := range tallies {
		r.Partitions = append(r.Partitions, t.Partition)
		slices.SortStableFunc(t.findings, func(a, b Finding) int { return cmp.Compare(a.First, b.First) })
		r.Findings = append(r.Findings, t.findings...)
		r.Withheld += t.withheld
	}
}
