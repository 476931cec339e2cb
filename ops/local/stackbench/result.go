package stackbench

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"penstock/loadtest"
)

// Result is what a run has measured. Its JSON is the last line of the output.
type Result struct {
	// Kafka is apache-<version> or kfake.
	Kafka string `json:"kafka"`
	// Cores are shared by all programs.
	Cores int `json:"cores"`
	// The phases, nil for those that were not run.
	Latency    *Held    `json:"latency,omitempty"`
	Throughput *Held    `json:"throughput,omitempty"`
	Backlog    *Drained `json:"backlog,omitempty"`
	FreshFirst *Drained `json:"fresh_first,omitempty"`
	LateBurst  *Bursted `json:"late_burst,omitempty"`
	Tiering    *Tiered  `json:"tiering,omitempty"`
}

// headline is what is compared from run to run.
type headline struct {
	EventsPerSecond float64 `json:"events_per_second,omitempty"`
	VisibleP50      float64 `json:"visible_p50_ms,omitempty"`
	VisibleP99      float64 `json:"visible_p99_ms,omitempty"`
	PartsStart      uint64  `json:"parts_start,omitempty"`
	PartsEnd        uint64  `json:"parts_end,omitempty"`
	LatencyP50      float64 `json:"latency_p50_ms,omitempty"`
	LatencyP99      float64 `json:"latency_p99_ms,omitempty"`
	DrainOverLive   float64 `json:"drain_over_live,omitempty"`
	LiveP50         float64 `json:"fresh_first_live_p50_ms,omitempty"`
	LiveP99         float64 `json:"fresh_first_live_p99_ms,omitempty"`
	BurstLiveP50    float64 `json:"late_burst_live_p50_ms,omitempty"`
	BurstLiveP99    float64 `json:"late_burst_live_p99_ms,omitempty"`
	TieringLiveP50  float64 `json:"tiering_live_p50_ms,omitempty"`
	TieringLiveP99  float64 `json:"tiering_live_p99_ms,omitempty"`
}

// MarshalJSON puts the headline before the phases it is taken from.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	var h headline
	if t := r.Throughput; t != nil {
		h.EventsPerSecond, h.VisibleP50, h.VisibleP99, h.PartsStart, h.PartsEnd = t.Stored, t.VisibleP50, t.VisibleP99, t.PartsStart, t.PartsEnd
	}
	if l := r.Latency; l != nil {
		h.LatencyP50, h.LatencyP99 = l.VisibleP50, l.VisibleP99
	}
	if d := r.Backlog; d != nil {
		h.DrainOverLive = d.Over
	}
	if d := r.FreshFirst; d != nil {
		h.LiveP50, h.LiveP99 = d.LiveP50, d.LiveP99
	}
	if b := r.LateBurst; b != nil {
		h.BurstLiveP50, h.BurstLiveP99 = b.LiveP50, b.LiveP99
	}
	if t := r.Tiering; t != nil {
		h.TieringLiveP50, h.TieringLiveP99 = t.LiveP50, t.LiveP99
	}
	return json.Marshal(struct {
		headline
		plain
	}{h, plain(r)})
}

// Held is a load that was sent at a constant rate.
type Held struct {
	// Asked is the rate that was to be held; Sent the one Kafka acknowledged;
	// Stored what was stored and committed a second, from the warm-up to the last
	// record: between some samples at either end, for one alone may fall anywhere
	// between two commits.
	Asked  int     `json:"rate_asked"`
	Sent   float64 `json:"rate_sent"`
	Stored float64 `json:"rate_stored"`
	// Held tells whether the fleet kept its schedule and the node kept up.
	Held bool `json:"held"`
	// LagEnd is what was not committed when the last record was sent, in
	// records, and in seconds of the rate.
	LagEnd        int64   `json:"lag_end"`
	LagEndSeconds float64 `json:"lag_end_seconds"`
	// From the intended time of sending until a query finds the reading, of all
	// live readings of the phase.
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`
	VisibleMax float64 `json:"visible_max_ms"`

	use
	proven
}

// use is what was used from the warm-up to the last record.
type use struct {
	Seconds float64 `json:"seconds"`
	Events  int64   `json:"events"` // committed meanwhile
	// CPUSeconds of each program, and CPUMicros those an event; "machine" is all
	// that was used on all cores: what is more than the programs together was
	// used by others, and by the kernel for them.
	CPUSeconds map[string]float64 `json:"cpu_seconds"`
	CPUMicros  map[string]float64 `json:"cpu_us_per_event"`
	// Parts of the table of events: active at both ends and at most, and how
	// many inserts made a minute.
	PartsStart     uint64  `json:"parts_start"`
	PartsEnd       uint64  `json:"parts_end"`
	PartsMax       uint64  `json:"parts_max"`
	PartsPerMinute float64 `json:"parts_per_minute"`
	// BytesPerEvent are those on disk of each event in the table in the end,
	// receipts with it and rollups not.
	BytesPerEvent float64 `json:"bytes_per_event"`
}

// proven is the fleet's proof of the phase.
type proven struct {
	Produced   uint64 `json:"produced"` // records of all kinds
	Good       uint64 `json:"good"`     // readings among them, each once
	Missing    uint64 `json:"missing"`
	Duplicated uint64 `json:"duplicated"`
	// Wrong counts all else that is not as it has to be: rows of nothing that was
	// sent, malformed records without a dead letter, dead letters of others.
	Wrong uint64 `json:"wrong"`
}

func newProven(r loadtest.Result) proven {
	return proven{
		Produced: r.Produced, Good: r.Good, Missing: r.Missing, Duplicated: r.Duplicated,
		Wrong: r.Unexpected + r.Unrejected + r.Wrongly + r.OtherReason + r.Unacked,
	}
}

func (p proven) fault(phase Phase) error {
	if p.Missing+p.Duplicated+p.Wrong == 0 {
		return nil
	}
	return fmt.Errorf("phase %s is void: %d readings missing, %d duplicated, %d otherwise wrong", phase, p.Missing, p.Duplicated, p.Wrong)
}

const (
	// minSent is the share of the asked rate that counts as having been sent:
	// the rest is the fleet's own beginning and end.
	minSent = 0.99
	// maxLagSeconds is the promise of the product: what was sent is there within
	// five seconds.
	maxLagSeconds = 5
)

// held makes the figures of a load of what was sampled after the warm-up.
func held(asked int, samples []sample, report loadtest.Result) Held {
	u, last := used(samples), samples[len(samples)-1]
	h := Held{
		Asked: asked, Sent: round(report.Rate, 1), Stored: round(rate(samples, func(s sample) int64 { return s.committed }), 1),
		LagEnd: last.lag(), LagEndSeconds: round(float64(last.lag())/float64(asked), 100),
		VisibleP50: report.VisibleP50, VisibleP99: report.VisibleP99, VisibleMax: report.VisibleMax,
		use: u, proven: newProven(report),
	}
	h.Held = report.Rate >= minSent*float64(asked) && h.LagEndSeconds <= maxLagSeconds
	return h
}

// rate is by how much a count grows a second, from the mean of the first tenth of
// the samples to that of the last.
func rate(samples []sample, of func(sample) int64) float64 {
	edge := max(1, len(samples)/10)
	mean := func(of func(sample) float64, samples []sample) (sum float64) {
		for _, s := range samples {
			sum += of(s) / float64(len(samples))
		}
		return sum
	}
	growth := func(of func(sample) float64) float64 {
		return mean(of, samples[len(samples)-edge:]) - mean(of, samples[:edge])
	}
	return growth(func(s sample) float64 { return float64(of(s)) }) / growth(func(s sample) float64 { return s.at.Sub(samples[0].at).Seconds() })
}

// used is the difference of the first and the last sample.
func used(samples []sample) use {
	first, last := samples[0], samples[len(samples)-1]
	u := use{
		Seconds: last.at.Sub(first.at).Seconds(), Events: last.committed - first.committed,
		CPUSeconds: map[string]float64{}, CPUMicros: map[string]float64{},
		PartsStart: first.tables[hotTable].active, PartsEnd: last.tables[hotTable].active,
	}
	for program, seconds := range last.cpu {
		seconds -= first.cpu[program]
		u.CPUSeconds[program] = round(seconds, 100)
		if u.Events > 0 {
			u.CPUMicros[program] = round(1e6*seconds/float64(u.Events), 1000)
		}
	}
	for _, s := range samples {
		u.PartsMax = max(u.PartsMax, s.tables[hotTable].active)
	}
	u.PartsPerMinute = round(60*float64(last.tables[hotTable].inserted-first.tables[hotTable].inserted)/u.Seconds, 10)
	if rows := last.tables[hotTable].rows; rows > 0 {
		u.BytesPerEvent = round(float64(last.tables[hotTable].bytes)/float64(rows), 10)
	}
	return u
}

// round keeps so many parts of one: 10 for one decimal.
func round(x, parts float64) float64 { return math.Round(x*parts) / parts }

// String sums a load up for a person.
func (h Held) String() string {
	verdict := "held"
	if !h.Held {
		verdict = "NOT HELD"
	}
	return fmt.Sprintf("%s: %d records/s asked, %.0f sent, %.0f stored, lag %.1f s in the end; visible after %.0f ms (p50), %.0f ms (p99); "+
		"us of CPU an event: %s; parts %d to %d (at most %d), %.0f a minute; %.1f bytes an event; missing %d, duplicated %d",
		verdict, h.Asked, h.Sent, h.Stored, h.LagEndSeconds, h.VisibleP50, h.VisibleP99,
		list(h.CPUMicros), h.PartsStart, h.PartsEnd, h.PartsMax, h.PartsPerMinute, h.BytesPerEvent, h.Missing, h.Duplicated)
}

func list(figures map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		parts = append(parts, fmt.Sprintf("%s %.2f", name, figures[name]))
	}
	return strings.Join(parts, ", ")
}

// Check reports the phases whose counts are wrong, and which therefore say
// nothing.
func (r Result) Check() error {
	var errs []error
	for phase, h := range map[Phase]*Held{Latency: r.Latency, Throughput: r.Throughput} {
		if h != nil {
			errs = append(errs, h.fault(phase))
		}
	}
	for phase, d := range map[Phase]*Drained{CatchUp: r.Backlog, FreshFirst: r.FreshFirst} {
		if d != nil {
			errs = append(errs, d.fault(phase))
		}
	}
	if r.LateBurst != nil {
		errs = append(errs, r.LateBurst.fault())
	}
	if r.Tiering != nil {
		errs = append(errs, r.Tiering.fault())
	}
	return errors.Join(errs...)
}
