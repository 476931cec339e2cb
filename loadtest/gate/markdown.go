package gate

import (
	"cmp"
	"fmt"
	"strings"
)

// Verdict is PASS or FAIL.
func (r Report) Verdict() string {
	if r.Passed {
		return "PASS"
	}
	return "FAIL"
}

// Summary is the verdict in a sentence.
func (r Report) Summary() string {
	held := 0
	for _, j := range r.SLOs {
		if j.Holds {
			held++
		}
	}
	s := fmt.Sprintf("%d of %d objectives hold", held, len(r.SLOs))
	if r.Baseline == nil {
		return s
	}
	count := map[Judgement]int{}
	for _, c := range r.Comparison {
		count[c.Judgement]++
	}
	return s + fmt.Sprintf("; against the baseline %d worse, %d unclear, %d better, %d the same", count[Worse], count[Unclear], count[Better], count[Same])
}

// Markdown is the report for a merge request or a ticket.
func (r Report) Markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Load test %s: %s\n", r.Load.Scenario, r.Verdict())
	line("%s\n", r.Load.About)
	line("**%s.** %s records in %s s, %s; %s.\n", r.Summary(), number(r.Load.Records), number(r.Load.Seconds), runs(r.Candidate), r.Candidate.Version)
	for _, f := range r.Failures {
		line("- FAIL %s", f)
	}
	for _, f := range r.Remarks {
		line("- %s", f)
	}
	if len(r.Failures)+len(r.Remarks) > 0 {
		line("")
	}

	line("## Objectives\n")
	line("| | objective | measured | wanted | why |\n|---|---|---|---|---|")
	for _, j := range r.SLOs {
		line("| %s | %s | %s | %s | %s |", mark(j.Holds), cell(j.Title), j.measured(), j.Bounds, cell(j.Why))
	}
	if len(r.Comparison) > 0 {
		line("\n## Against the baseline, %s\n", r.Baseline.Version)
		line("| | figure | baseline | candidate | ratio | tolerated |\n|---|---|---|---|---|---|")
		for _, c := range r.Comparison {
			line("| %s | %s | %s | %s | %s | %s |", c.Judgement, cell(c.Title), c.over(c.Baseline), c.over(c.Candidate), c.ratio(), c.Tolerated)
		}
		line("\nMedian (least to most of the runs: %d of the baseline, %d of the candidate).", len(r.Baseline.Runs), len(r.Candidate.Runs))
	}

	run := r.Candidate.typical()
	line("\n## Phases\n")
	line("| phase | from | records/s | readings | visible p50 | p99 | max |\n|---|---|---|---|---|---|---|")
	for i, p := range run.Result.Phases {
		leg := r.Load.Phases[i]
		line("| %s | %s s | %s | %s | %s ms | %s ms | %s ms |", p.Name, number(p.From), leg.rate(), number(float64(p.Count)), number(p.VisibleP50), number(p.VisibleP99), number(p.VisibleMax))
	}
	if len(run.Marks) > 0 {
		line("\n| fault | what | from | to |\n|---|---|---|---|")
		for _, m := range run.Marks {
			line("| %s | %s | %.1f s | %.1f s |", m.Name, m.Kind, m.From, m.To)
		}
	}
	line("\n%s readings were visible later than %s s after they were meant to be sent. %s", number(float64(run.Result.Waited)), number(r.Load.Waited), r.proof(run))

	line("\n## Where\n")
	line("%s. %s, ClickHouse %s, %s partitions, load %s before it began.\n", r.Candidate.Environment, cmp.Or(r.Candidate.Environment.Kafka, "Kafka"),
		cmp.Or(r.Candidate.Environment.ClickHouse, "of unknown version"), number(float64(r.Candidate.Environment.Partitions)), number(r.Candidate.Environment.Busy))
	line("Again, at commit %s:\n\n    %s", cmp.Or(r.Candidate.Version.Commit, "unknown"), r.Command)
	return b.String()
}

// Table is the verdict for a terminal.
func (r Report) Table() string {
	var b strings.Builder
	for _, j := range r.SLOs {
		fmt.Fprintf(&b, "%-4s  %-44s %16s   %s\n", mark(j.Holds), j.Of, j.Text, j.Bounds)
	}
	for _, c := range r.Comparison {
		if c.Judgement != Shown {
			fmt.Fprintf(&b, "%-7s %-42s %16s   was %s, x%s, tolerated %s\n", c.Judgement, c.Of, c.value(c.Candidate.Median), c.value(c.Baseline.Median), c.ratio(), c.Tolerated)
		}
	}
	fmt.Fprintf(&b, "%s %s: %s\n", r.Verdict(), r.Load.Scenario, r.Summary())
	return b.String()
}

// measured is the figure and, of several runs, how far they were apart.
func (j Judged) measured() string {
	if j.Over == nil || j.Over.Min == j.Over.Max {
		return j.Text
	}
	return fmt.Sprintf("%s (%s to %s)", j.Text, number(j.Over.Min), number(j.Over.Max))
}

func (c Compared) over(s Spread) string {
	if s.Min == s.Max {
		return c.value(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", c.value(s.Median), number(s.Min), number(s.Max))
}

func (c Compared) ratio() string {
	if c.Ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", c.Ratio)
}

func (l Leg) rate() string {
	if l.Begins == l.Ends {
		return number(l.Begins)
	}
	return number(l.Begins) + " to " + number(l.Ends)
}

// proof says in a sentence what was proven of a run.
func (r Report) proof(run Run) string {
	of := run.Result
	return fmt.Sprintf("Of %s readings that Kafka took, %s are missing and %s stored twice; %s resends were dropped, %s malformed records rejected.",
		number(float64(of.Good)), number(float64(of.Missing)), number(float64(of.Duplicated)), number(float64(of.Resent)), number(float64(of.Rejected)))
}

func runs(s Side) string {
	if len(s.Runs) == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", len(s.Runs))
}

func mark(holds bool) string {
	if holds {
		return "ok"
	}
	return "FAIL"
}

// cell has a text fit into a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}
