package gate

import (
	"fmt"
	"slices"
	"strings"
)

// Tolerance is by how much a figure may be worse than the baseline's.
type Tolerance struct {
	Of `yaml:",inline"`
	// Worse is the share by which it may be more, 0.25 for a quarter.
	Worse float64 `yaml:"worse"`
	// Least is the difference that is never too much, in the figure's unit: a
	// quarter of next to nothing is nothing.
	Least float64 `yaml:"least"`
	Why   string  `yaml:"why"`
}

// Judgement is how a figure compares with the baseline's.
type Judgement string

// The judgements.
const (
	Same    Judgement = "same"    // within what is tolerated
	Better  Judgement = "better"  // by more than that, in every run
	Worse   Judgement = "worse"   // by more than that, in every run
	Unclear Judgement = "unclear" // the medians say worse, single runs do not
	Shown   Judgement = "shown"   // there is no tolerance for it
)

// Compared is a figure of two versions.
type Compared struct {
	Of
	Title     string `json:"title"`
	Unit      string `json:"unit,omitempty"`
	Baseline  Spread `json:"baseline"`
	Candidate Spread `json:"candidate"`
	// Ratio is the candidate's median over the baseline's; 0 if that is 0.
	Ratio float64 `json:"ratio"`
	// Tolerated says what may be, empty if nobody said.
	Tolerated string    `json:"tolerated,omitempty"`
	Why       string    `json:"why,omitempty"`
	Judgement Judgement `json:"judgement"`
}

// compare compares the figures that both have: those with a tolerance first, then
// those with an objective.
func (s Scenario) compare(baseline, candidate []Run) []Compared {
	tolerances := slices.Clone(s.Compare)
	for _, o := range s.SLOs {
		if !slices.ContainsFunc(tolerances, func(t Tolerance) bool { return t.Of == o.Of }) {
			tolerances = append(tolerances, Tolerance{Of: o.Of})
		}
	}
	var out []Compared
	for _, t := range tolerances {
		was, ok := spread(baseline, t.Of.String())
		is, okToo := spread(candidate, t.Of.String())
		if ok && okToo {
			out = append(out, t.compare(was, is))
		}
	}
	return out
}

func (t Tolerance) compare(was, is Spread) Compared {
	c := Compared{Of: t.Of, Title: t.Of.title(), Unit: metrics[t.Metric].unit, Baseline: was, Candidate: is, Why: strings.TrimSpace(t.Why), Judgement: Same}
	if was.Median != 0 {
		c.Ratio = round(is.Median/was.Median, 1000)
	}
	if t.Worse == 0 {
		c.Judgement = Shown
		return c
	}
	c.Tolerated = fmt.Sprintf("%s %% more", number(100*t.Worse))
	if t.Least > 0 {
		c.Tolerated += ", or " + t.value(t.Least)
	}
	exceeds := func(a, b float64) bool { return a > b*(1+t.Worse) && a-b > t.Least }
	switch {
	case exceeds(is.Median, was.Median) && is.Min > was.Max:
		c.Judgement = Worse
	case exceeds(is.Median, was.Median):
		c.Judgement = Unclear
	case exceeds(was.Median, is.Median) && was.Min > is.Max:
		c.Judgement = Better
	}
	return c
}
