package gate

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"penstock/schema"
)

var partName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`)

// Validate reports every fault of s at once, each with its value and remedy.
func (s Scenario) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(strings.TrimSpace(s.About) != "", "about is empty; say what is tried, and why")
	check(s.Nodes >= 1 && s.Nodes <= 8, "nodes is %d; use 1 to 8", s.Nodes)
	check(s.Fleet.Devices > 0, "fleet.devices is %d; use at least 1", s.Fleet.Devices)
	check(s.Fleet.Encoding == schema.JSON || s.Fleet.Encoding == schema.Protobuf, "fleet.encoding is %q; use json or protobuf", s.Fleet.Encoding)
	check(s.Waited > 0, "waited is %v; use a positive duration, such as 1s", s.Waited)
	check(s.Recovered > 0, "recovered is %v; use a positive duration, such as 5s", s.Recovered)
	check(s.Arrive > 0, "arrive is %v; use a positive duration, such as 2m", s.Arrive)
	check(len(s.Phases) > 0, "phases is empty; give at least one")
	check(s.Records() >= 1, "the phases send %.2f records; give one a rate", s.Records())
	check(s.Lasts() <= time.Hour, "the phases last %v; a gate is of no use that lasts for more than an hour", s.Lasts())

	parts := map[string]bool{}
	part := func(what, name string) {
		check(partName.MatchString(name), "%s is named %q; use lower-case letters, digits and dashes", what, name)
		check(!parts[name], "two parts are named %q; figures are told apart by the names of phases and faults", name)
		parts[name] = true
	}
	for i, p := range s.load() {
		part("a phase", p.Name)
		if err := p.Validate(false); err != nil {
			errs = append(errs, fmt.Errorf("phases[%d] %s: %w", i, p.Name, err))
		}
	}
	for i, f := range s.Faults {
		part("a fault", f.Name)
		if err := f.validate(s); err != nil {
			errs = append(errs, fmt.Errorf("faults[%d] %s: %w", i, f.Name, err))
		}
	}
	for i, o := range s.SLOs {
		check(strings.TrimSpace(o.Why) != "", "slos[%d] %s: why is empty; a bound nobody can give a reason for is moved when it is in the way", i, o.Of)
		check(o.AtMost != nil || o.AtLeast != nil, "slos[%d] %s: give at_most, at_least or both", i, o.Of)
		if err := o.validate(s); err != nil {
			errs = append(errs, fmt.Errorf("slos[%d]: %w", i, err))
		}
	}
	for i, c := range s.Compare {
		check(c.Worse > 0, "compare[%d] %s: worse is %g; use the share by which it may be more, such as 0.25", i, c.Of, c.Worse)
		check(c.Least >= 0, "compare[%d] %s: least is %g; use 0 or more", i, c.Of, c.Least)
		check(strings.TrimSpace(c.Why) != "", "compare[%d] %s: why is empty; say why so much is tolerated", i, c.Of)
		if err := c.validate(s); err != nil {
			errs = append(errs, fmt.Errorf("compare[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// validate reports what is wrong with a name of a figure in a scenario.
func (o Of) validate(s Scenario) error {
	known, ok := metrics[o.Metric]
	if !ok {
		return fmt.Errorf("metric %q is none; there are %s", o.Metric, strings.Join(Metrics(), ", "))
	}
	phase, fault := false, false
	for _, p := range s.Phases {
		phase = phase || p.Name == o.Phase || p.Name == o.After
	}
	for _, f := range s.Faults {
		fault = fault || f.Name == o.After
	}
	switch {
	case o.Phase != "" && o.After != "":
		return fmt.Errorf("%s: give phase or after, not both", o.Metric)
	case o.Phase != "" && !known.phases:
		return fmt.Errorf("%s is not measured by phase; leave phase out", o.Metric)
	case o.Phase != "" && !phase:
		return fmt.Errorf("%s: phase %q is none of the scenario's", o.Metric, o.Phase)
	case (o.After != "") != known.after:
		return fmt.Errorf("%s: after is %q; recovery_s, and no other, is counted after a fault or a phase", o.Metric, o.After)
	case o.After != "" && !phase && !fault:
		return fmt.Errorf("%s: after %q is neither a fault nor a phase of the scenario", o.Metric, o.After)
	}
	return nil
}
