package faults

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/failpoint"
	"penstock/ops/local/stack"
)

// Config says what to do to the product. Start from [Default].
type Config struct {
	// Stack is the stack to start.
	Stack stack.Config
	// Program is ingest, built with the tag failpoints.
	Program string
	// LoadTest is the fleet.
	LoadTest string
	// Seed decides all that is chosen: what, when, to whom. The moments are as
	// repeatable as processes are.
	Seed uint64
	// Only are the scenarios to run.
	Only []Scenario
	// Counts are how many faults of each scenario are fired.
	Counts map[Scenario]int
	// Without are mechanisms of exactly once to switch off, to see that their
	// absence is found.
	Without []string
	// Recovery is how nodes come back from being behind, in rounds other than
	// those of backlogs. The default value is in-order.
	Recovery string
	// Keep keeps the tables, topics and logs also of rounds that found nothing.
	Keep bool
	// Report is a file to write the table to, as Markdown. Empty: none.
	Report string

	// Rate is records of all kinds a second. The default value is 4,000: with
	// it Kafka, ClickHouse, three nodes and the fleet share two cores and leave
	// room to catch up after a fault.
	Rate float64
	// Devices is the size of the fleet. The default value is 2,000: each sends
	// every half second, so that what a device sent around a fault is many
	// readings and a resend's original is still near.
	Devices int
	// SessionTimeout is the nodes'. The default value is 6 s.
	SessionTimeout time.Duration
	// DrainTimeout bounds how long what was sent may take to arrive once the
	// faults are over. Beyond it the pipeline counts as stuck. The default
	// value is 90 s.
	DrainTimeout time.Duration

	// Progress is told what happens.
	Progress io.Writer
}

// Default returns the defaults of a kind of run.
func Default(mode Mode) (Config, error) {
	counts, err := mode.Counts()
	return Config{
		Only:           Scenarios(),
		Counts:         counts,
		Rate:           4_000,
		Devices:        2_000,
		Recovery:       InOrder,
		SessionTimeout: 6 * time.Second,
		DrainTimeout:   90 * time.Second,
	}, err
}

// What of all records is unusual. Late readings are few: each day they fall on
// is an insert of its own, which costs ClickHouse as much as a full one.
const (
	resendShare    = 0.02
	lateShare      = 0.0005
	malformedShare = 0.002
)

// The ways of [Config].Recovery, as kafka.recovery has them.
const (
	InOrder    = "in-order"
	FreshFirst = "fresh-first"
)

const (
	// partitions of each round's topic.
	partitions = 24
	// slots is how many nodes there can be at once.
	slots = 3
)

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if _, err := os.Stat(c.Program); err != nil {
		errs = append(errs, fmt.Errorf("program %s: %w; build it with: go build -tags failpoints -o %[1]s ./cmd/ingest", c.Program, err))
	}
	if _, err := os.Stat(c.LoadTest); err != nil {
		errs = append(errs, fmt.Errorf("program %s: %w; build it with: make build", c.LoadTest, err))
	}
	for s, n := range c.Counts {
		check(n >= 0, "--%s is %d; use 0 for none", scenarios[s].flag, n)
	}
	check(c.Recovery == InOrder || c.Recovery == FreshFirst, "--recovery is %q; use in-order or fresh-first", c.Recovery)
	for _, m := range c.Without {
		check(slices.Contains(failpoint.Mechanisms(), m), "--without names %q; there are %s", m, strings.Join(failpoint.Mechanisms(), ", "))
	}
	check(len(Plan(c.Seed, c.Only, c.Counts)) > 0, "there is nothing to do: every count is 0")
	check(c.Rate > 0, "--rate is %g; send at least 1 record a second", c.Rate)
	check(c.Devices > 0, "--devices is %d; take at least 1", c.Devices)
	check(c.SessionTimeout >= time.Second, "--session-timeout is %v; Kafka takes at least 1s", c.SessionTimeout)
	check(c.DrainTimeout > 0, "--drain-timeout is %v; take a positive duration such as 90s", c.DrainTimeout)
	if c.Report != "" {
		if _, err := os.Stat(filepath.Dir(c.Report)); err != nil {
			errs = append(errs, fmt.Errorf("--report: %w; name a file in a folder that exists", err))
		}
	}
	return errors.Join(errs...)
}
