package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// JSON writes the report and its verdict as one JSON object.
func (r *Report) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Verdict Verdict `json:"verdict"`
		*Report
		Total Partition `json:"total"`
	}{r.Verdict(), r, r.Total()})
}

// Text writes the report for a person: a row for each partition, the days of
// the rollups, and then the exact offsets of whatever is wrong.
func (r *Report) Text(out io.Writer) error {
	w := &writer{out: out}
	w.line("topic %s, group %s, from %s to %s\n", r.Topic, r.Group, r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	w.partitions(r)
	w.rollups(r.Rollups)
	w.findings(r)
	for _, note := range r.notes() {
		w.line("note: %s", note)
	}
	w.line("%s", r.summary())
	return w.err
}

// writer keeps the first error of many writes.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

func (w *writer) table(fill func(line func(format string, args ...any))) {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fill(func(format string, args ...any) {
		if w.err == nil {
			_, w.err = fmt.Fprintf(t, format+"\t\n", args...)
		}
	})
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
}

func (w *writer) partitions(r *Report) {
	w.table(func(line func(string, ...any)) {
		line("partition\tfirst\tnext\toffsets\tstored\tduplicates\trejects\tabsent\tcold\tmissing\tdoubled\trepeated\tunproven\tnot promised yet")
		row := func(name, first, next string, p Partition) {
			line("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", name, first, next, p.Count(), p.Stored, p.Duplicates,
				p.Rejects, p.Absent, p.Cold, p.Missing, p.Doubled, p.Repeated, p.Unproven, p.Open)
		}
		for _, p := range r.Partitions {
			row(fmt.Sprintf("p%d", p.Partition), fmt.Sprint(p.First), fmt.Sprint(p.Next), p)
		}
		row("total", "", "", r.Total())
	})
}

func (w *writer) rollups(days []Day) {
	if len(days) == 0 {
		return
	}
	w.line("")
	w.table(func(line func(string, ...any)) {
		line("rollup\tday\tshard\trows\tin the rollup\tperiods that differ\tstate")
		for _, d := range days {
			line("%s\t%s\t%s\t%d\t%d\t%d\t%s", d.Name, d.Day, d.Shard, d.Rows, d.Rollup, d.Periods, d.State)
		}
	})
}

func (w *writer) findings(r *Report) {
	w.line("")
	for _, f := range r.Findings {
		w.line("%s: p%d [%d,%d), %d in all: %s", f.Kind, f.Partition, f.First, f.Next, f.Count(), f.Why)
	}
	if r.Withheld > 0 {
		w.line("... and %d more; the table counts all of them", r.Withheld)
	}
	for _, d := range r.Rollups {
		if d.Why != "" {
			w.line("%s of %s: %s", d.Name, strings.TrimSpace(d.Day+" "+d.Shard), d.Why)
		}
	}
}

// notes are those of the audit and what the numbers are worth saying.
func (r *Report) notes() []string {
	notes, t := r.Notes, r.Total()
	add := func(n int64, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	add(t.Open, "%d offsets lie above the group's commit and are not promised yet")
	add(t.Pending, "%d of them a node says it is storing now")
	add(t.OtherTime, "%d duplicates have the identity of a stored event and another event time; if devices here begin their numbers anew, look at them")
	add(t.Replayed, "%d records were rejected and are stored since, by a replay or by a node of another schema")
	return notes
}

func (r *Report) summary() string {
	t := r.Total()
	switch r.Verdict() {
	case Violated:
		return fmt.Sprintf("VIOLATED: of %d offsets %d are missing, %d doubled, %d events repeated; %d rollup days differ",
			t.Count(), t.Missing, t.Doubled, t.Repeated, r.days(Differs))
	case Undecided:
		return fmt.Sprintf("UNDECIDED: nothing is wrong in what could be shown, but of %d offsets %d could not, nor %d rollup days",
			t.Count(), t.Unproven, r.days(Unsettled)+r.days(NotFilled))
	}
	return fmt.Sprintf("PROVEN: each of %d offsets is stored once, a duplicate, a reject or absent", t.Count())
}

func (r *Report) days(state State) (n int) {
	for _, d := range r.Rollups {
		if d.State == state {
			n++
		}
	}
	return n
}
