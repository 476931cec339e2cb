package faults

import (
	"fmt"
	"time"
)

// Result is what a run has seen. Its JSON is the last line of output.
type Result struct {
	Seed uint64 `json:"seed"`
	// Runs counts the rounds, Faults what happened in them.
	Runs       int    `json:"runs"`
	Faults     int    `json:"faults"`
	Produced   uint64 `json:"produced"`
	Stored     uint64 `json:"stored"`
	Missing    uint64 `json:"missing"`
	Duplicated uint64 `json:"duplicated"`
	// RollupShort are events that the rollup lacked, RollupOver those it had too
	// many, both before it was repaired; DaysRepaired are the days that were. What
	// could not be repaired is among the findings.
	RollupShort  uint64                    `json:"rollup_short"`
	RollupOver   uint64                    `json:"rollup_over"`
	DaysRepaired int                       `json:"days_repaired"`
	Scenarios    map[Scenario]*ScenarioSum `json:"scenarios"`
	// The times are in milliseconds.
	RestartToInsert Figures `json:"restart_to_insert_ms"`
	Takeover        Figures `json:"takeover_ms"`
	RebalanceStall  Figures `json:"rebalance_stall_ms"`
	Seconds         int64   `json:"seconds"`
	// Without are the mechanisms that were switched off.
	Without []string `json:"without,omitempty"`
	// Findings is everything that is not as it has to be, in words.
	Findings []string `json:"findings,omitempty"`

	order []Scenario
}

// ScenarioSum adds up the rounds of a scenario.
type ScenarioSum struct {
	Runs         int    `json:"runs"`
	Asked        int    `json:"asked"`
	Faults       int    `json:"faults"`
	Produced     uint64 `json:"produced"`
	Stored       uint64 `json:"stored"`
	Missing      uint64 `json:"missing"`
	Duplicated   uint64 `json:"duplicated"`
	RollupShort  uint64 `json:"rollup_short"`
	RollupOver   uint64 `json:"rollup_over"`
	DaysRepaired int    `json:"days_repaired"`
	// Failed counts the rounds that found anything.
	Failed int `json:"failed"`
	// WorstStallMS is the longest time any partition stored nothing, faults
	// included.
	WorstStallMS int64          `json:"worst_stall_ms"`
	Seconds      int64          `json:"seconds"`
	Fired        map[string]int `json:"fired"`
}

func newResult(cfg Config, outcomes []*outcome, m *measures) Result {
	r := Result{Seed: cfg.Seed, Without: cfg.Without, Scenarios: map[Scenario]*ScenarioSum{},
		RestartToInsert: m.restart.figures(), Takeover: m.takeover.figures(), RebalanceStall: m.stall.figures()}
	var took time.Duration
	for _, o := range outcomes {
		s := r.Scenarios[o.Round.Scenario]
		if s == nil {
			s = &ScenarioSum{Fired: map[string]int{}}
			r.Scenarios[o.Round.Scenario] = s
			r.order = append(r.order, o.Round.Scenario)
		}
		took += o.Took
		s.add(o)
		for _, f := range o.Findings {
			r.Findings = append(r.Findings, fmt.Sprintf("%s: %s", o.Round.Name(), f))
		}
		if o.Err != nil {
			r.Findings = append(r.Findings, fmt.Sprintf("%s: not run to its end: %v", o.Round.Name(), o.Err))
		}
	}
	for _, s := range r.Scenarios {
		r.Runs += s.Runs
		r.Faults += s.Faults
		r.Produced += s.Produced
		r.Stored += s.Stored
		r.Missing += s.Missing
		r.Duplicated += s.Duplicated
		r.RollupShort += s.RollupShort
		r.RollupOver += s.RollupOver
		r.DaysRepaired += s.DaysRepaired
	}
	r.Seconds = int64(took.Seconds())
	return r
}

func (s *ScenarioSum) add(o *outcome) {
	s.Runs++
	s.Asked += o.Round.Faults
	s.Faults += o.faults()
	s.Produced += o.Produced
	s.Stored += o.Stored
	s.Missing += o.Missing
	s.Duplicated += o.Duplicated
	s.RollupShort += o.RollupShort
	s.RollupOver += o.RollupOver
	s.DaysRepaired += o.Repaired
	if o.violated() {
		s.Failed++
	}
	s.WorstStallMS = max(s.WorstStallMS, o.Stall.Milliseconds())
	s.Seconds += int64(o.Took.Seconds())
	for what, n := range o.Fired {
		s.Fired[what] += n
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
	return fmt.Errorf("%d of %d rounds found something: missing %d, duplicated %d, rollup short %d, rollup over %d; seed %d",
		failed, r.Runs, r.Missing, r.Duplicated, r.RollupShort, r.RollupOver, r.Seed)
}
