package loadtest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Result is what a run has sent and what is proven of it. Its JSON is the
// interface to scripts.
type Result struct {
	Run  string  `json:"run"`
	Seed uint64  `json:"seed"`
	Rate float64 `json:"rate"` // records a second that Kafka acknowledged

	Produced      uint64 `json:"produced"` // records of all kinds acknowledged
	Good          uint64 `json:"good"`     // readings among them, each counted once
	Resent        uint64 `json:"resent"`
	MalformedSent uint64 `json:"malformed_sent"`
	Unacked       uint64 `json:"unacked"` // readings of which Kafka's answer is not known

	// Verified tells whether the figures below come from a proof.
	Verified bool `json:"verified"`
	Proof
	Rejects
	// Upgrade is there if part of the fleet was to get new firmware.
	Upgrade *UpgradeProof `json:"upgrade,omitempty"`

	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`
	VisibleMax float64 `json:"visible_max_ms"`
	// Waited are live readings that were visible later than Config.Waited after
	// their intended send time.
	Waited uint64 `json:"waited"`
	// SentLateMax is how long after its intended send time a record was handed to
	// the Kafka client, at most. It is part of what is measured: a fleet that
	// could not keep its schedule makes the product look slower, never faster.
	SentLateMax float64 `json:"sent_late_max_ms"`
	// Intervals are the same by when the readings were to be sent, Moments how far
	// the run was, and Phases the same as Intervals for each phase; if they were
	// asked for.
	Intervals []Interval     `json:"intervals,omitempty"`
	Moments   []Moment       `json:"moments,omitempty"`
	Phases    []PhaseFigures `json:"phases,omitempty"`
	// Invisible are live readings not seen when the run gave up; they count in
	// the latencies as if seen then. Unmeasured are not in them.
	Invisible  uint64 `json:"invisible"`
	Unmeasured uint64 `json:"unmeasured"`
	Polls      uint64 `json:"polls"`
	PollErrors uint64 `json:"poll_errors"`
}

func (r *Result) latencies(l latencies) {
	r.VisibleP50, r.VisibleP99, r.VisibleMax = milliseconds(l.p50), milliseconds(l.p99), milliseconds(l.max)
}

// milliseconds are d's, to a tenth.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d.Microseconds())/100) / 10 }

// String sums the result up for a person, in a few lines.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s: sent %d records, %.0f a second: %d readings, %d resends, %d malformed\n",
		r.Run, r.Produced, r.Rate, r.Good, r.Resent, r.MalformedSent)
	fmt.Fprintf(&b, "visible after %.0f ms (p50), %.0f ms (p99), %.0f ms (max)\n", r.VisibleP50, r.VisibleP99, r.VisibleMax)
	if r.Verified && r.Invisible > 0 {
		fmt.Fprintf(&b, "%d readings did not become visible while it was waited for them\n", r.Invisible)
	}
	if r.Verified {
		fmt.Fprintf(&b, "stored %d, missing %d, duplicated %d, rejected %d\n", r.Stored, r.Missing, r.Duplicated, r.Rejected)
	}
	b.WriteString(r.Upgrade.String())
	for _, example := range r.Examples {
		fmt.Fprintf(&b, "  %s\n", example)
	}
	return b.String()
}

// fault returns what the run and its proof found wrong, nil if nothing.
func (r Result) fault(c Config) error {
	var errs faults
	errs.check(r.Unacked, "%d readings not acknowledged by Kafka")
	if !r.Verified {
		return errors.Join(errs...)
	}
	errs = append(errs, r.Proof.fault(c.AllowDuplicates), r.Upgrade.fault())
	if c.DeadLetters != "" {
		errs.check(r.Unrejected, "%d malformed records without a dead letter")
		errs.check(r.Wrongly, "%d records dead-lettered that were not malformed")
		errs.check(r.OtherReason, "%d records dead-lettered for another reason than theirs")
	}
	return errors.Join(errs...)
}

// faults are counts that should be 0 and are not.
type faults []error

func (f *faults) check(n uint64, format string) {
	if n > 0 {
		*f = append(*f, fmt.Errorf(format, n))
	}
}

// Verdict is what a later proof of a run says. Its JSON has the names of
// [Result].
type Verdict struct {
	Run      string `json:"run"`
	Seed     uint64 `json:"seed"`
	Good     uint64 `json:"good"`
	Verified bool   `json:"verified"`
	Proof
	Upgrade *UpgradeProof `json:"upgrade,omitempty"`
}

// String sums the verdict up for a person.
func (v Verdict) String() string {
	s := fmt.Sprintf("run %s: of %d readings, missing %d; stored %d, duplicated %d\n", v.Run, v.Good, v.Missing, v.Stored, v.Duplicated) + v.Upgrade.String()
	for _, example := range v.Examples {
		s += "  " + example + "\n"
	}
	return s
}
