// Package trial plays a scenario of the load test on a stack of its own, and
// breaks the stack as the scenario has it.
//
// Each run has a stack that begins with nothing: Kafka, ClickHouse behind a proxy,
// and the ingest nodes of the version that is tried. Runs of a baseline and of the
// candidate take turns, so that what changes about the machine meanwhile happens
// to both. The fleet is in this process, and the same for both.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/loadtest"
	"penstock/loadtest/gate"
	"penstock/loadtest/play"
	"penstock/ops/local/stack"
)

// Config says what to try.
type Config struct {
	Scenario gate.Scenario
	// Scale is by how much the scenario's rates have been multiplied.
	Scale float64
	// Stack is how stacks are started; each run has a folder of its own in State.
	Stack stack.Config
	// Program is the ingest that is tried, and Root the repository it may have
	// been built in; empty for none.
	Program string
	Root    string
	// Baseline is what it is compared with; nil for nothing.
	Baseline *Baseline
	// Runs is how often each version is run.
	Runs int
	// Command makes the report again.
	Command string
	// Keep leaves the runs' data and logs.
	Keep bool
	// Progress is told what happens; Terminal says that lines may be rewritten.
	Progress io.Writer
	Terminal bool
}

// Baseline is a version to compare with: a report there is, or a program.
type Baseline struct {
	Report *gate.Side
	// Name is what the program was asked for by, and Commit what it is built from.
	Name, Program, Commit string
}

// Validate reports every fault of c at once, under the names of its flags.
func (c Config) Validate() error {
	var errs []error
	if c.Runs < 1 {
		errs = append(errs, fmt.Errorf("--runs is %d; take at least 1", c.Runs))
	}
	if _, err := os.Stat(c.Program); err != nil {
		errs = append(errs, fmt.Errorf("program ingest: %w; build it with: make build", err))
	}
	return errors.Join(append(errs, c.Scenario.Validate())...)
}

// version is one of those that are run.
type version struct {
	side    gate.Side
	program string
	label   string
}

// Run runs the scenario as often as asked for, and judges it. An error says that
// there is no verdict.
func Run(ctx context.Context, c Config) (gate.Report, error) {
	if err := c.Validate(); err != nil {
		return gate.Report{}, err
	}
	candidate, err := newVersion("candidate", filepath.Base(c.Program), c.Program)
	if err != nil {
		return gate.Report{}, err
	}
	candidate.inWorkTree(ctx, c.Root)
	versions := []*version{candidate}
	var baseline *gate.Side
	if b := c.Baseline; b != nil {
		if baseline = b.Report; baseline == nil {
			other, err := newVersion("baseline", b.Name, b.Program)
			if err != nil {
				return gate.Report{}, err
			}
			other.side.Version.Commit = b.Commit
			versions, baseline = []*version{other, candidate}, &other.side
		}
	}
	began := time.Now()
	for i := range c.Runs {
		for _, v := range versions {
			c.say("run %d of %d of the %s, %s: %s for %v", i+1, c.Runs, v.label, v.side.Version, c.Scenario.Name, c.Scenario.Lasts())
			if err := c.once(ctx, v, fmt.Sprintf("%s-%d", v.label, i+1)); err != nil {
				return gate.Report{}, fmt.Errorf("run %d of the %s: %w", i+1, v.label, err)
			}
		}
	}
	r := gate.NewReport(c.Scenario, c.Scale, candidate.side, baseline, nil)
	r.Made, r.Command = began.UTC().Truncate(time.Second), c.Command
	if names := settings(os.Environ()); len(names) > 0 {
		r.Remarks = append(r.Remarks, "The environment set "+strings.Join(names, ", ")+", which programs read.")
	}
	return r, nil
}

// settings are the variables of an environment that programs read. Their values
// may be secrets.
func settings(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PENSTOCK_INGEST_") || name == "PENSTOCK_FAILPOINT" || name == "PENSTOCK_WITHOUT" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// once plays the scenario on a stack that begins with nothing.
func (c Config) once(ctx context.Context, v *version, name string) (err error) {
	cfg := c.Stack
	cfg.State, cfg.WithoutS3 = filepath.Join(c.Stack.State, name), true
	r, err := open(ctx, cfg, v.program, c.Scenario.Nodes)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.close())
		if err == nil && !c.Keep {
			err = os.RemoveAll(cfg.State)
		}
	}()
	v.side.Environment = r.environment
	run, err := play.Play(ctx, play.Config{
		Scenario: c.Scenario, Target: r.target(), Group: group, Nodes: r.admins(), Hands: r, Others: r.others,
		Output: loadtest.Output{Writer: c.Progress, Terminal: c.Terminal},
	})
	if err != nil {
		return err
	}
	v.side.Runs = append(v.side.Runs, run)
	return nil
}

func (c Config) say(format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(c.Progress, format+"\n", args...)
}
