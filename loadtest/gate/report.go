package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// format is that of a report's JSON. It changes when an older report can no
// longer be a baseline.
const format = 1

// Report is what a scenario has shown of a version, and of its baseline. Its JSON
// is the interface to scripts, and what a later run is compared with.
type Report struct {
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	Load   Load      `json:"load"`
	// Passed is the verdict, and Failures why not, a sentence each.
	Passed     bool       `json:"passed"`
	Failures   []string   `json:"failures,omitempty"`
	SLOs       []Judged   `json:"slos"`
	Comparison []Compared `json:"comparison,omitempty"`
	// Remarks are what the reader should know of the verdict: what is unclear, and
	// what was not done.
	Remarks   []string `json:"remarks,omitempty"`
	Candidate Side     `json:"candidate"`
	Baseline  *Side    `json:"baseline,omitempty"`
	// Command makes the report again.
	Command string `json:"command"`
}

// Load is what was sent, after scaling.
type Load struct {
	Scenario string  `json:"scenario"`
	About    string  `json:"about"`
	Scale    float64 `json:"scale"`
	Seconds  float64 `json:"seconds"`
	Records  float64 `json:"records"`
	Devices  int     `json:"devices"`
	Encoding string  `json:"encoding"`
	Nodes    int     `json:"nodes,omitempty"`
	Phases   []Leg   `json:"phases"`
	Faults   string  `json:"faults,omitempty"`
	// Waited is from when on a reading counts as one that waited, in seconds.
	Waited float64 `json:"waited_s"`
	// Fingerprint is the same for the same load: reports with others cannot be
	// compared.
	Fingerprint string `json:"fingerprint"`
}

// Leg is a phase of a load.
type Leg struct {
	Name string  `json:"name"`
	From float64 `json:"from_s"`
	To   float64 `json:"to_s"`
	// Begins and Ends are records a second.
	Begins float64 `json:"begins"`
	Ends   float64 `json:"ends"`
}

// Side is one of two versions.
type Side struct {
	Version     Version     `json:"version"`
	Environment Environment `json:"environment"`
	Runs        []Run       `json:"runs"`
}

// Version is what was measured.
type Version struct {
	// Name is what it was asked for by: a path, a revision, an address.
	Name string `json:"name"`
	// Commit is what it was built from; empty if it does not say. Modified: and
	// changes to it. Tags are those it was built with.
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Tags     string `json:"tags,omitempty"`
	Go       string `json:"go,omitempty"`
}

// String names the version as a person would.
func (v Version) String() string {
	s := v.Name
	if v.Commit != "" {
		s += " " + v.Commit[:min(len(v.Commit), 10)]
	}
	if v.Modified {
		s += " with changes"
	}
	if v.Tags != "" {
		s += ", built with " + v.Tags
	}
	return s
}

// Environment is what it was measured on.
type Environment struct {
	OS         string `json:"os"`
	Kernel     string `json:"kernel,omitempty"`
	CPU        string `json:"cpu,omitempty"`
	Cores      int    `json:"cores"`
	MemoryMiB  int64  `json:"memory_mib,omitempty"`
	Kafka      string `json:"kafka,omitempty"`
	ClickHouse string `json:"clickhouse,omitempty"`
	Partitions int    `json:"partitions,omitempty"`
	// Busy is how many threads wanted to run before the load began: others'.
	Busy float64 `json:"busy"`
}

// NewReport judges what was measured. Omitted is what was left out of the
// scenario, which is the one that was played.
func NewReport(s Scenario, scale float64, candidate Side, baseline *Side, omitted []string) Report {
	r := Report{Format: format, Load: s.describe(scale), Candidate: candidate, Baseline: baseline}
	for _, o := range append(slices.Clone(s.SLOs), always()...) {
		j := o.judge(candidate.Runs)
		r.SLOs = append(r.SLOs, j)
		if !j.Holds {
			r.Failures = append(r.Failures, fmt.Sprintf("%s (%s): %s, want %s. %s", j.Title, j.Of, j.Text, j.Bounds, j.Why))
		}
	}
	// What fails is what the reader came for.
	slices.SortStableFunc(r.SLOs, func(a, b Judged) int {
		switch {
		case a.Holds == b.Holds:
			return 0
		case b.Holds:
			return -1
		}
		return 1
	})
	for _, run := range candidate.Runs {
		r.Remarks = append(r.Remarks, run.Crashed...)
		r.Remarks = append(r.Remarks, run.Result.Examples...)
	}
	for _, what := range omitted {
		r.Remarks = append(r.Remarks, "Not run: "+what+".")
	}
	if baseline != nil {
		r.Comparison = s.compare(baseline.Runs, candidate.Runs)
		for _, c := range r.Comparison {
			said := fmt.Sprintf("%s (%s): was %s and is %s, %s is tolerated", c.Title, c.Of, c.value(c.Baseline.Median), c.value(c.Candidate.Median), c.Tolerated)
			switch c.Judgement {
			case Worse:
				r.Failures = append(r.Failures, said+". "+c.Why)
			case Unclear:
				r.Remarks = append(r.Remarks, said+"; but not every run was worse than every run of the baseline: repeat it with more --runs.")
			}
		}
		if a, b := baseline.Environment, candidate.Environment; a.CPU != b.CPU || a.Cores != b.Cores || a.Kernel != b.Kernel {
			r.Remarks = append(r.Remarks, fmt.Sprintf("The baseline was measured elsewhere (%s): a difference may be the machine's.", a))
		}
	}
	r.Passed = len(r.Failures) == 0
	return r
}

// String is the machine as people read it.
func (e Environment) String() string {
	return fmt.Sprintf("%d cores of %s, %d MiB, %s %s", e.Cores, e.CPU, e.MemoryMiB, e.OS, e.Kernel)
}

func (s Scenario) describe(scale float64) Load {
	l := Load{Scenario: s.Name, About: strings.Join(strings.Fields(s.About), " "), Scale: scale, Seconds: s.Lasts().Seconds(), Records: round(s.Records(), 1),
		Devices: s.Fleet.Devices, Encoding: string(s.Fleet.Encoding), Nodes: s.Nodes, Faults: s.Broken(), Waited: s.Waited.Seconds()}
	from := 0.0
	for _, p := range s.load() {
		l.Phases = append(l.Phases, Leg{p.Name, from, from + p.For.Seconds(), p.From, p.To})
		from += p.For.Seconds()
	}
	// What is judged is no part of the load.
	text, err := json.Marshal([]any{s.load(), s.Fleet, s.Nodes, s.Faults, s.Waited})
	if err != nil {
		panic("BUG: a scenario that cannot be written: " + err.Error())
	}
	l.Fingerprint = fmt.Sprintf("%x", sha256.Sum256(text))[:12]
	return l
}

// Fingerprint is that of the scenario's load.
func (s Scenario) Fingerprint() string { return s.describe(1).Fingerprint }

// ParseReport reads the JSON of a report, to compare a scenario with it.
func ParseReport(text []byte, s Scenario) (Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("it is no report: %w", err)
	}
	switch {
	case r.Format != format:
		return r, fmt.Errorf("it has format %d, and this release reads %d; make it anew", r.Format, format)
	case r.Load.Fingerprint != s.Fingerprint():
		return r, fmt.Errorf("it is of another load (%s %s, this one is %s %s): only the same scenario at the same rate can be compared; make it anew",
			r.Load.Scenario, r.Load.Fingerprint, s.Name, s.Fingerprint())
	case len(r.Candidate.Runs) == 0:
		return r, errors.New("it has no runs; make it anew")
	}
	return r, nil
}

// typical is the run that is shown: the one with the median of p99, or the one
// below it.
func (s Side) typical() Run {
	runs := slices.Clone(s.Runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(a.Result.VisibleP99, b.Result.VisibleP99) })
	return runs[(len(runs)-1)/2]
}
