package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SLO is an objective: a figure, its bounds, and why they are what they are.
type SLO struct {
	Of `yaml:",inline"`
	// AtMost and AtLeast are the bounds, in the figure's unit; nil for none. What
	// has to be at least so much is there to see what a scenario does: a stall
	// that does not show is a measurement that does not work.
	AtMost  *float64 `yaml:"at_most"`
	AtLeast *float64 `yaml:"at_least"`
	Why     string   `yaml:"why"`
}

// String says what has to hold.
func (o SLO) String() string {
	return fmt.Sprintf("%s %s", o.Of, o.Bounds())
}

// Bounds are the bounds as people read them.
func (o SLO) Bounds() string {
	var all []string
	if o.AtLeast != nil {
		all = append(all, "at least "+o.value(*o.AtLeast))
	}
	if o.AtMost != nil {
		all = append(all, "at most "+o.value(*o.AtMost))
	}
	return strings.Join(all, ", ")
}

// value writes a value of the figure with its unit.
func (o Of) value(v float64) string {
	text := number(v)
	if unit := metrics[o.Metric].unit; unit != "" {
		text += " " + unit
	}
	return text
}

// number writes a figure: whole from 100 on, with commas; else with as many
// decimals as it has, two at most.
func number(v float64) string {
	if v < 0 {
		return "-" + number(-v)
	}
	if v < 100 {
		return strconv.FormatFloat(round(v, 100), 'f', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// always are the objectives of every run. A scenario cannot loosen them.
func always() []SLO {
	none := 0.0
	at0 := func(metric, why string) SLO { return SLO{Of: Of{Metric: metric}, AtMost: &none, Why: why} }
	return []SLO{
		at0("missing", "What Kafka has acknowledged is stored: no latency makes up for a reading that is lost."),
		at0("duplicated", "A reading is stored once, whatever was repeated on its way."),
		at0("unexpected", "Nothing is stored that no device has sent."),
		at0("rejects_wrong", "Exactly the malformed records are dead letters, each for its own reason."),
		at0("unacked", "A record that Kafka did not take is no load: the run would have been another one."),
		at0("unmeasured", "A reading whose latency nobody knows may be the slowest."),
		at0("crashes", "A node that ends by itself will do so at three in the morning, too."),
	}
}

// Spread is a figure over runs.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
}

// spread returns the figure of a key over runs; false if not all of them have it.
func spread(runs []Run, key string) (Spread, bool) {
	var all []float64
	for _, r := range runs {
		v, ok := r.Figures[key]
		if !ok {
			return Spread{}, false
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return Spread{}, false
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (middle + all[len(all)/2-1]) / 2
	}
	return Spread{all[0], middle, all[len(all)-1], len(all)}, true
}

// Judged is an objective and what became of it.
type Judged struct {
	Of
	Title  string   `json:"title"`
	Bounds string   `json:"bounds"`
	AtMost *float64 `json:"at_most,omitempty"`
	Why    string   `json:"why"`
	// Got is the figure that is held against the bounds; nil if it was not
	// measured.
	Got *float64 `json:"got"`
	// Text is Got as people read it.
	Text  string  `json:"text"`
	Over  *Spread `json:"over,omitempty"`
	Holds bool    `json:"holds"`
}

// judge holds an objective against runs.
func (o SLO) judge(runs []Run) Judged {
	j := Judged{Of: o.Of, Title: o.Of.title(), Bounds: o.Bounds(), AtMost: o.AtMost, Why: strings.TrimSpace(o.Why), Text: "not measured"}
	over, ok := spread(runs, o.Of.String())
	if !ok {
		return j
	}
	got := over.Median
	if metrics[o.Metric].proven {
		got = over.Max
	}
	j.Got, j.Over, j.Text = &got, &over, o.value(got)
	j.Holds = (o.AtMost == nil || got <= *o.AtMost) && (o.AtLeast == nil || got >= *o.AtLeast)
	return j
}

// title is what the figure is called in a report.
func (o Of) title() string {
	title := metrics[o.Metric].title
	switch {
	case o.Phase != "":
		title += " (phase " + o.Phase + ")"
	case o.After != "":
		title += " (" + o.After + ")"
	}
	return title
}
