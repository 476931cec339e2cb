package faults

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// columns are those of the table, in either form.
var columns = []string{"scenario", "rounds", "faults", "produced", "stored", "missing", "duplicated", "rollup short", "rollup over", "days repaired", "worst stall", "time"}

func (s *ScenarioSum) row(name string) []string {
	faults := fmt.Sprint(s.Faults)
	if s.Faults < s.Asked {
		faults += fmt.Sprintf(" of %d", s.Asked)
	}
	return []string{name, fmt.Sprint(s.Runs), faults, fmt.Sprint(s.Produced), fmt.Sprint(s.Stored), fmt.Sprint(s.Missing), fmt.Sprint(s.Duplicated),
		fmt.Sprint(s.RollupShort), fmt.Sprint(s.RollupOver), fmt.Sprint(s.DaysRepaired), fmt.Sprintf("%.1f s", float64(s.WorstStallMS)/1000), fmt.Sprintf("%d s", s.Seconds)}
}

// rows are the table: a row a scenario, and one of all.
func (r Result) rows() [][]string {
	var rows [][]string
	all := ScenarioSum{Runs: r.Runs, Faults: r.Faults, Produced: r.Produced, Stored: r.Stored, Missing: r.Missing, Duplicated: r.Duplicated,
		RollupShort: r.RollupShort, RollupOver: r.RollupOver, DaysRepaired: r.DaysRepaired, Seconds: r.Seconds}
	for _, name := range r.order {
		s := r.Scenarios[name]
		all.Asked += s.Asked
		all.WorstStallMS = max(all.WorstStallMS, s.WorstStallMS)
		rows = append(rows, s.row(string(name)))
	}
	return append(rows, all.row("all"))
}

// times are what was measured of the product.
func (r Result) times() [][]string {
	row := func(what string, f Figures) []string {
		if f.Count == 0 {
			return []string{what, "0", "-", "-", "-"}
		}
		ms := func(v int64) string { return fmt.Sprintf("%.1f s", float64(v)/1000) }
		return []string{what, fmt.Sprint(f.Count), ms(f.P50), ms(f.P99), ms(f.Max)}
	}
	return [][]string{
		row("restart after kill -9 to first insert", r.RestartToInsert),
		row("takeover after kill -9, not restarted", r.Takeover),
		row("stall around an orderly rebalance", r.RebalanceStall),
	}
}

var timeColumns = []string{"time", "count", "p50", "p99", "max"}

// WriteTable writes the result as people read it at a terminal.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	write := func(cells []string) { fmt.Fprintln(table, strings.Join(cells, "\t")+"\t") }
	write(columns)
	for _, row := range r.rows() {
		write(row)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	write(timeColumns)
	for _, row := range r.times() {
		write(row)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "seed %d\n", r.Seed)
	return err
}

// Markdown is the result as it stands in the documentation.
func (r Result) Markdown() string {
	var b strings.Builder
	table := func(head []string, rows [][]string) {
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Seed %d, %d rounds, %d faults, %d records, %d minutes.", r.Seed, r.Runs, r.Faults, r.Produced, (r.Seconds+30)/60)
	if len(r.Without) > 0 {
		fmt.Fprintf(&b, " Switched off: %s.", strings.Join(r.Without, ", "))
	}
	b.WriteString("\n\n")
	table(columns, r.rows())
	table(timeColumns, r.times())
	var fired [][]string
	for _, name := range r.order {
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(r.Scenarios[name].Fired)) {
			parts = append(parts, fmt.Sprintf("%d %s", r.Scenarios[name].Fired[what], what))
		}
		fired = append(fired, []string{string(name), strings.Join(parts, ", ")})
	}
	table([]string{"scenario", "faults that happened"}, fired)
	if len(r.Findings) > 0 {
		b.WriteString("Found:\n\n")
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(f, "\n", "\n  "))
		}
	}
	return b.String()
}

// WriteReport writes the Markdown to a file.
func (r Result) WriteReport(path string) error {
	return os.WriteFile(path, []byte(r.Markdown()), 0o644)
}
