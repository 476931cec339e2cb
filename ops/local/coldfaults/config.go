package coldfaults

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"penstock/ops/local/stack"
)

// Config says what to do to the cold tier. Start from [Default].
type Config struct {
	// Stack is the stack to start.
	Stack stack.Config
	// Program is compactor, built with the tag failpoints.
	Program string
	// Seed decides all that is chosen: what, when, where. The moments are as
	// repeatable as processes are.
	Seed uint64
	// Only are the scenarios to run.
	Only []Scenario
	// Counts are how many faults of each scenario are fired.
	Counts map[Scenario]int
	// Keep keeps the tables, objects and logs also of rounds that found nothing.
	Keep bool
	// Parallel is how many rounds run at once, each on a table of its own. The
	// default value is 3: most of a round is waiting for leases and grace.
	Parallel int

	// Days is how many cold days there are. The default value is 3, so that
	// while one waits for its grace others move.
	Days int
	// Rows is how many a day has in the beginning. The default value is 20,000.
	Rows int
	// FileRows is how many rows a file has. The default value is 8,000: a day is of
	// several files.
	FileRows int
	// Late is the time between two inserts of late rows. The default value is
	// 300ms.
	Late time.Duration
	// Settle, Grace and LeaseTTL are the compactor's. A look at the view that
	// takes longer than Settle may have been planned before it began, and is
	// not promised anything. The default values are 500ms, 2s and 2s.
	Settle, Grace, LeaseTTL time.Duration
	// DrainTimeout bounds how long the tier may take to become all cold once
	// the faults are over. Beyond it the compactor counts as stuck. The default
	// value is 60s.
	DrainTimeout time.Duration

	// Progress is told what happens.
	Progress io.Writer
}

// Default returns the defaults of a kind of run.
func Default(mode Mode) (Config, error) {
	counts, err := mode.Counts()
	return Config{
		Only: Scenarios(), Counts: counts, Parallel: 3,
		Days: 3, Rows: 20_000, FileRows: 8_000, Late: 300 * time.Millisecond,
		Settle: 500 * time.Millisecond, Grace: 2 * time.Second, LeaseTTL: 2 * time.Second,
		DrainTimeout: time.Minute,
	}, err
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if _, err := os.Stat(c.Program); err != nil {
		errs = append(errs, fmt.Errorf("program %s: %w; build it with: go build -tags failpoints -o %[1]s ./cmd/compactor", c.Program, err))
	}
	for s, n := range c.Counts {
		check(n >= 0, "--%s is %d; use 0 for none", scenarios[s].flag, n)
	}
	check(len(Plan(c.Seed, c.Only, c.Counts)) > 0, "there is nothing to do: every count is 0")
	check(c.Parallel > 0, "--parallel is %d; run at least 1 round at a time", c.Parallel)
	check(c.Days > 0, "--days is %d; take at least 1", c.Days)
	check(c.Rows > 0 && c.Rows <= batchRows, "--rows is %d; take 1 to %d", c.Rows, batchRows)
	check(c.LeaseTTL >= time.Second, "--lease-ttl is %v; the compactor takes at least 1s", c.LeaseTTL)
	check(c.DrainTimeout > 0, "--drain-timeout is %v; take a positive duration such as 60s", c.DrainTimeout)
	return errors.Join(errs...)
}
