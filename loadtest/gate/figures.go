package gate

import (
	"maps"
	"math"
	"slices"

	"penstock/loadtest"
)

// Of names a figure.
type Of struct {
	Metric string `yaml:"metric" json:"metric"`
	// Phase is the phase whose readings it is of; empty: of the whole run.
	Phase string `yaml:"phase" json:"phase,omitempty"`
	// After is the fault or phase from whose end on recovery_s counts.
	After string `yaml:"after" json:"after,omitempty"`
}

// String is the figure's key: visible_p99_ms@spike.
func (o Of) String() string {
	if o.Phase+o.After == "" {
		return o.Metric
	}
	return o.Metric + "@" + o.Phase + o.After
}

// metric is a figure that is measured. Of all of them less is better.
type metric struct {
	title string
	unit  string
	// phases: it is measured by phase, too. after: it counts from the end of
	// something. proven: it is a count that is judged by the worst run.
	phases, after, proven bool
	// watched is who has to be watched for it: a program's name; empty: nobody.
	watched string
}

var metrics = map[string]metric{
	"visible_p50_ms":   {title: "visible after, median", unit: "ms", phases: true},
	"visible_p99_ms":   {title: "visible after, 99 %", unit: "ms", phases: true},
	"visible_max_ms":   {title: "visible after, at most", unit: "ms", phases: true},
	"waited":           {title: "readings that waited", unit: ""},
	"waited_share":     {title: "share of readings that waited", unit: "%"},
	"recovery_s":       {title: "recovered after", unit: "s", after: true},
	"lag_max":          {title: "lag at most", unit: "records"},
	"sent_late_max_ms": {title: "the fleet sent late by at most", unit: "ms"},

	"ingest_cpu_us":     {title: "CPU of ingest an event", unit: "µs", watched: "ingest"},
	"clickhouse_cpu_us": {title: "CPU of ClickHouse an event", unit: "µs", watched: "clickhouse"},
	"ingest_peak_mib":   {title: "memory of an ingest node at most", unit: "MiB", watched: "ingest"},

	"missing":       {title: "readings missing", proven: true},
	"duplicated":    {title: "rows duplicated", proven: true},
	"unexpected":    {title: "rows of nothing that was sent", proven: true},
	"rejects_wrong": {title: "rejects that should not be, are not, or for another reason", proven: true},
	"unacked":       {title: "readings Kafka did not take", proven: true},
	"unmeasured":    {title: "readings of unknown latency", proven: true},
	"crashes":       {title: "nodes that ended by themselves", proven: true},
}

// Metrics are the names of all that is measured.
func Metrics() []string { return slices.Sorted(maps.Keys(metrics)) }

// Run is a scenario played once.
type Run struct {
	// Result is what the fleet says.
	Result loadtest.Result `json:"fleet"`
	// Marks are the faults, when they really were.
	Marks []Mark `json:"marks,omitempty"`
	// Samples are the programs, once a second.
	Samples []Sample `json:"samples,omitempty"`
	// Crashed says which nodes ended by themselves, and how.
	Crashed []string `json:"crashed,omitempty"`
	// Figures are what is judged, by key. They follow from the rest.
	Figures map[string]float64 `json:"figures"`
}

// Mark is something that happened, in seconds since the beginning of the load.
type Mark struct {
	Name string  `json:"name"`
	Kind Kind    `json:"kind"`
	From float64 `json:"from_s"`
	To   float64 `json:"to_s"`
}

// Sample is what programs were seen to use at a moment.
type Sample struct {
	At float64 `json:"at_s"`
	// Lag is how many records the group had not committed.
	Lag int64 `json:"lag"`
	// CPU is what each program has used since the first sample, in seconds, and
	// MiB the memory it holds; of nodes, all together and the largest.
	CPU map[string]float64 `json:"cpu_s"`
	MiB map[string]float64 `json:"mib"`
}

// Measure fills in the figures of a run.
func (s Scenario) Measure(r Run) Run {
	f := map[string]float64{}
	of := r.Result
	f["visible_p50_ms"], f["visible_p99_ms"], f["visible_max_ms"] = of.VisibleP50, of.VisibleP99, of.VisibleMax
	live := int64(0)
	for _, p := range of.Phases {
		live += p.Count
		if p.Count > 0 {
			f["visible_p50_ms@"+p.Name], f["visible_p99_ms@"+p.Name], f["visible_max_ms@"+p.Name] = p.VisibleP50, p.VisibleP99, p.VisibleMax
			f["recovery_s@"+p.Name] = recovery(r, p.To, s.Recovered)
		}
	}
	for _, m := range r.Marks {
		f["recovery_s@"+m.Name] = recovery(r, m.To, s.Recovered)
	}
	f["waited"], f["sent_late_max_ms"] = float64(of.Waited), of.SentLateMax
	if live > 0 {
		f["waited_share"] = round(100*float64(of.Waited)/float64(live), 1000)
	}
	f["missing"], f["duplicated"], f["unexpected"] = float64(of.Missing), float64(of.Duplicated), float64(of.Unexpected)
	f["rejects_wrong"] = float64(of.Unrejected + of.Wrongly + of.OtherReason)
	f["unacked"], f["unmeasured"], f["crashes"] = float64(of.Unacked), float64(of.Unmeasured), float64(len(r.Crashed))
	used(f, r)
	r.Figures = f
	return r
}

// used fills in what programs took.
func used(f map[string]float64, r Run) {
	if len(r.Samples) == 0 {
		return
	}
	lag, peak := int64(0), map[string]float64{}
	for _, s := range r.Samples {
		lag = max(lag, s.Lag)
		for program, mib := range s.MiB {
			peak[program] = max(peak[program], mib)
		}
	}
	f["lag_max"] = float64(lag)
	for name, m := range metrics {
		if m.watched == "" {
			continue
		}
		cpu, seen := r.Samples[len(r.Samples)-1].CPU[m.watched]
		switch {
		case m.unit == "MiB" && peak[m.watched] > 0:
			f[name] = round(peak[m.watched], 10)
		case m.unit == "µs" && seen && r.Result.Produced > 0:
			f[name] = round(1e6*cpu/float64(r.Result.Produced), 100)
		}
	}
}

// round keeps so many parts of one: 10 for one decimal.
func round(x, parts float64) float64 { return math.Round(x*parts) / parts }
