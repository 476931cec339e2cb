package coldfaults

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a run has seen. Its JSON is the last line of output.
type Result struct {
	Seed uint64 `json:"seed"`
	// Rounds counts the rounds, Faults what happened in them, Looks the queries
	// of the view that were judged.
	Rounds int `json:"rounds"`
	Faults int `json:"faults"`
	Looks  int `json:"looks"`
	// Missing and Duplicated are rows, added up over all looks.
	Missing    uint64                    `json:"missing"`
	Duplicated uint64                    `json:"duplicated"`
	Scenarios  map[Scenario]*ScenarioSum `json:"scenarios"`
	Seconds    int64                     `json:"seconds"`
	// Findings is everything that is not as it has to be, in words.
	Findings []string `json:"findings,omitempty"`

	order []Scenario
}

// ScenarioSum adds up the rounds of a scenario.
type ScenarioSum struct {
	Rounds int `json:"rounds"`
	Asked  int `json:"asked"`
	Faults int `json:"faults"`
	// Stored and Resent are rows, those of resends apart.
	Stored uint64 `json:"stored"`
	Resent uint64 `json:"resent"`
	// Looks were judged but for Long ones, which took longer than the view is
	// settled for; Unpromised of those saw something wrong. Blind got no answer.
	Looks      int    `json:"looks"`
	Long       int    `json:"long"`
	Unpromised int    `json:"unpromised"`
	Blind      int    `json:"blind"`
	Missing    uint64 `json:"missing"`
	Duplicated uint64 `json:"duplicated"`
	// Failed counts the rounds that found anything.
	Failed  int            `json:"failed"`
	Seconds int64          `json:"seconds"`
	Fired   map[string]int `json:"fired"`
}

func newResult(cfg Config, outcomes []*outcome, took time.Duration) Result {
	r := Result{Seed: cfg.Seed, Scenarios: map[Scenario]*ScenarioSum{}, Seconds: int64(took.Seconds())}
	for _, s := range Scenarios() {
		for _, o := range outcomes {
			if o.Round.Scenario == s {
				r.add(o)
			}
		}
	}
	return r
}

func (r *Result) add(o *outcome) {
	s := r.Scenarios[o.Round.Scenario]
	if s == nil {
		s = &ScenarioSum{Fired: map[string]int{}}
		r.Scenarios[o.Round.Scenario] = s
		r.order = append(r.order, o.Round.Scenario)
	}
	r.Rounds++
	r.Faults += o.faults()
	r.Looks += o.Looks
	r.Missing += o.Missing
	r.Duplicated += o.Duplicated
	s.Rounds++
	s.Asked += len(o.Round.Points)
	s.Faults += o.faults()
	s.Stored += o.Stored
	s.Resent += o.Resent
	s.Looks += o.Looks
	s.Long += o.Long
	s.Unpromised += o.Unpromised
	s.Blind += o.Blind
	s.Missing += o.Missing
	s.Duplicated += o.Duplicated
	s.Seconds += int64(o.Took.Seconds())
	for what, n := range o.fired {
		s.Fired[what] += n
	}
	if o.violated() {
		s.Failed++
	}
	for _, f := range o.Findings {
		r.Findings = append(r.Findings, fmt.Sprintf("%s: %s", o.Round.Name(), f))
	}
	if o.Err != nil {
		r.Findings = append(r.Findings, fmt.Sprintf("%s: not run to its end: %v", o.Round.Name(), o.Err))
	}
}

// fault is what is wrong with the run, nil if nothing.
func (r Result) fault() error {
	failed := 0
	for _, s := range r.Scenarios {
		failed += s.Failed
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d rounds found something: missing %d, duplicated %d; seed %d", failed, r.Rounds, r.Missing, r.Duplicated, r.Seed)
}

var columns = []string{"scenario", "rounds", "faults", "rows", "resends", "looks", "long", "no answer", "missing", "duplicated", "time"}

func (r Result) rows() (rows [][]string) {
	for _, name := range r.order {
		s := r.Scenarios[name]
		faults := fmt.Sprint(s.Faults)
		if s.Faults < s.Asked {
			faults += fmt.Sprintf(" of %d", s.Asked)
		}
		rows = append(rows, []string{string(name), fmt.Sprint(s.Rounds), faults, fmt.Sprint(s.Stored), fmt.Sprint(s.Resent), fmt.Sprint(s.Looks),
			fmt.Sprint(s.Long), fmt.Sprint(s.Blind), fmt.Sprint(s.Missing), fmt.Sprint(s.Duplicated), fmt.Sprintf("%d s", s.Seconds)})
	}
	return rows
}

// WriteTable writes the result as people read it at a terminal.
func (r Result) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{columns}, r.rows()...) {
		fmt.Fprintln(table, strings.Join(row, "\t")+"\t")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "seed %d\n", r.Seed)
	return err
}
