package loadtest

import (
	"errors"
	"fmt"
	"time"
)

// Phase is a part of a run with a load of its own.
type Phase struct {
	// Name is what its figures are called by.
	Name string
	// For is how long it lasts. 0: until the context ends; of the last phase
	// alone.
	For time.Duration
	// From and To are records of all kinds a second, at its beginning and at its
	// end; between them the rate changes evenly.
	From, To float64
	// Shares are those of the unusual records.
	Shares Shares
	// Whale is the share of new readings that one device sends beside its own.
	// Its partition gets as much.
	Whale float64
}

// phases are those of c: the ones given, or the one that Rate, Duration and
// Shares are.
func (c Config) phases() []Phase {
	if len(c.Phases) > 0 {
		return c.Phases
	}
	return []Phase{{For: c.Duration, From: c.Rate, To: c.Rate, Shares: c.Shares}}
}

// peak is the highest rate of c.
func (c Config) peak() float64 {
	peak := 0.0
	for _, p := range c.phases() {
		peak = max(peak, p.From, p.To)
	}
	return peak
}

// maxRate is what a fleet may be asked for: a slip of the hand is more.
const maxRate = 10_000_000

// Validate reports every fault of p at once. Last says that no other follows.
func (p Phase) Validate(last bool) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(p.For > 0 || p.For == 0 && last, "for is %v; use a positive duration, such as 20s", p.For)
	for _, r := range []float64{p.From, p.To} {
		check(r >= 0 && r <= maxRate, "rate is %g; use a number of records a second in [0, %d]", r, maxRate)
	}
	check(p.For > 0 || p.From == p.To && p.From > 0, "a phase without an end has a constant rate, not %g to %g", p.From, p.To)
	check(p.Whale >= 0 && p.Whale < 1, "whale is %g; use a share in [0, 1), such as 0.6", p.Whale)
	return errors.Join(append(errs, p.Shares.validate())...)
}

// PhaseFigures is how soon those live readings were visible that were to be
// sent in one phase.
type PhaseFigures struct {
	Name string `json:"name"`
	// From and To are when the phase was meant to be, in seconds since the
	// beginning of the sending.
	From       float64 `json:"from_s"`
	To         float64 `json:"to_s"`
	Count      int64   `json:"count"`
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`
	VisibleMax float64 `json:"visible_max_ms"`
}
