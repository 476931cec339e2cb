package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what is done to the stack.
type Kind string

// The kinds of faults. All of them need a stack that can be broken.
const (
	// ClickHouseFreeze has ClickHouse stand still, with every connection open.
	ClickHouseFreeze Kind = "clickhouse-freeze"
	// ClickHouseAway has the nodes' connections to ClickHouse refused.
	ClickHouseAway Kind = "clickhouse-away"
	// ClickHouseSlow has what nodes send to ClickHouse arrive later, by Delay.
	ClickHouseSlow Kind = "clickhouse-slow"
	// NodeKill ends a node as a power cut would; it is started again when the
	// fault is over.
	NodeKill Kind = "node-kill"
	// NodesAway stops all nodes in order, and starts them when the fault is over.
	NodesAway Kind = "nodes-away"
)

var kinds = []Kind{ClickHouseFreeze, ClickHouseAway, ClickHouseSlow, NodeKill, NodesAway}

// Fault is something that happens while the fleet sends.
type Fault struct {
	Name string `yaml:"name"`
	Kind Kind   `yaml:"kind"`
	// At is when it begins, since the beginning of the load, and For how long it
	// lasts.
	At  time.Duration `yaml:"at"`
	For time.Duration `yaml:"for"`
	// Delay is by how much ClickHouseSlow has things arrive later.
	Delay time.Duration `yaml:"delay"`
}

// String says what the fault is.
func (f Fault) String() string {
	if f.Kind == ClickHouseSlow {
		return fmt.Sprintf("%s (%s by %v, after %v for %v)", f.Name, f.Kind, f.Delay, f.At, f.For)
	}
	return fmt.Sprintf("%s (%s, after %v for %v)", f.Name, f.Kind, f.At, f.For)
}

func (f Fault) validate(s Scenario) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains(kinds, f.Kind), "kind is %q; use one of %v", f.Kind, kinds)
	check(f.At >= 0, "at is %v; use 0s or more", f.At)
	check(f.For > 0, "for is %v; use a positive duration, such as 2s", f.For)
	check(f.At+f.For < s.Lasts(), "it ends %v after the beginning, and the load after %v; end it before, or its recovery is not seen", f.At+f.For, s.Lasts())
	check((f.Delay > 0) == (f.Kind == ClickHouseSlow), "delay is %v; it belongs to %s, which needs one", f.Delay, ClickHouseSlow)
	check(f.Kind != NodeKill || s.Nodes > 1, "%s with nodes: %d leaves none; use %s, or more nodes", NodeKill, s.Nodes, NodesAway)
	return errors.Join(errs...)
}

// Unbroken returns the scenario without its faults and without the objectives
// that are about them: for a cluster that nobody wants to break. Omitted names
// all that is left out.
func (s Scenario) Unbroken() (_ Scenario, omitted []string) {
	if len(s.Faults) == 0 {
		return s, nil
	}
	gone := map[string]bool{}
	for _, f := range s.Faults {
		gone[f.Name] = true
		omitted = append(omitted, "fault "+f.String())
	}
	// An objective that asks for at least so much is there to see the fault.
	s.SLOs = slices.DeleteFunc(slices.Clone(s.SLOs), func(o SLO) bool {
		out := gone[o.After] || o.AtLeast != nil
		if out {
			omitted = append(omitted, "objective "+o.String())
		}
		return out
	})
	s.Compare = slices.DeleteFunc(slices.Clone(s.Compare), func(t Tolerance) bool { return gone[t.After] })
	s.Faults = nil
	return s, omitted
}

// Watching returns the scenario without the objectives about programs nobody
// looks at, and names them.
func (s Scenario) Watching(ingest, clickHouse bool) (_ Scenario, omitted []string) {
	seen := map[string]bool{"": true, "ingest": ingest, "clickhouse": clickHouse}
	s.SLOs = slices.DeleteFunc(slices.Clone(s.SLOs), func(o SLO) bool {
		out := !seen[metrics[o.Metric].watched]
		if out {
			omitted = append(omitted, "objective "+o.String())
		}
		return out
	})
	return s, omitted
}

// Broken says which faults a scenario has, empty if it has none.
func (s Scenario) Broken() string {
	var all []string
	for _, f := range s.Faults {
		all = append(all, f.String())
	}
	return strings.Join(all, ", ")
}
