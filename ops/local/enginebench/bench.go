// Package enginebench measures ClickHouse's side: what it takes to store a
// million events, with each part of the tables' definition shown for itself, and
// with each that was chosen changed to what was not.
//
// A case is a variant of the tables and a number of rows an insert. It is
// measured twice, each time on a new server with nothing in it, by blocks as a
// node makes them:
//
//   - taken apart: inserts one after another while merges are stopped, and then
//     one merge of all parts. Neither depends on how merges and inserts happen to
//     meet, so this is what to compare variants by;
//   - sustained: inserts at a steady rate, with what the server merges as it sees
//     fit. That is what storing costs.
//
// CPU time is that of the server's process: the engine, and the front that
// speaks ClickHouse's protocol for it (package clickhouse).
package enginebench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"penstock/ops/local/stack"
	"penstock/schema"
)

// Config says what to measure.
type Config struct {
	// Stack says where servers and their data live; State is emptied by the
	// caller.
	Stack stack.Config
	// Cases are measured in order of their rows.
	Cases []Case
	// Runs of each case; figures are medians.
	Runs int
	// Events stored in each run, of so many Devices.
	Events, Devices int
	// Rate is how many events a second are stored in a sustained run, and how
	// many a second of its own time the fleet sends. A lower one makes more
	// rows of the rollup an event.
	Rate float64
	// Progress is told what happens, step by step.
	Progress io.Writer
}

// Case is a variant of the tables, and how many rows an insert has.
type Case struct {
	Variant string `json:"variant"`
	Rows    int    `json:"rows"`
}

func (c Case) String() string { return fmt.Sprintf("%s, %d rows an insert", c.Variant, c.Rows) }

// DefaultCases show what each part costs, and what the size of inserts does.
func DefaultCases() []Case {
	cases := []Case{{Product, 10_000}, {Product, 50_000}}
	for _, v := range []string{Bare, Receipts, Rollup, Product} {
		cases = append(cases, Case{v, 100_000})
	}
	return append(cases, Case{Product, 250_000})
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Cases) > 0, "there is no case to measure; name a variant, such as %s", Product)
	for _, k := range c.Cases {
		_, known := variantNamed(k.Variant)
		check(known, "variant %q is not one of %v", k.Variant, Variants())
		check(k.Rows > 0, "--rows is %d; take at least 1, and rather 100000", k.Rows)
		check(c.Events >= k.Rows, "--events is %d, less than one insert of %d rows; take at least 20 inserts", c.Events, k.Rows)
	}
	check(c.Runs > 0, "--runs is %d; take at least 1", c.Runs)
	check(c.Devices > 0, "--devices is %d; take at least 1", c.Devices)
	check(c.Rate > 0, "--rate is %g; take some events a second, such as 100000", c.Rate)
	return errors.Join(errs...)
}

// session is a bench under way.
type session struct {
	cfg    Config
	schema *schema.Schema
	began  time.Time
	runs   int // begun so far; numbers their folders
}

// Run measures all cases.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	s := &session{cfg: cfg, schema: schema.Telemetry(), began: time.Now()}
	cases := slices.Clone(cfg.Cases)
	slices.SortStableFunc(cases, func(a, b Case) int { return a.Rows - b.Rows })
	result = Result{Events: cfg.Events, Devices: cfg.Devices, Rate: cfg.Rate, Runs: cfg.Runs}
	var blocks []*schema.Block
	for _, c := range cases {
		if len(blocks) == 0 || blocks[0].Rows() != c.Rows {
			if blocks, err = s.blocks(c.Rows); err != nil {
				return result, err
			}
		}
		var all []Figures
		for range cfg.Runs {
			f, err := s.measure(ctx, c, blocks)
			if err != nil {
				return result, fmt.Errorf("%v: %w", c, err)
			}
			all = append(all, f)
			s.step("%v: %v", c, f)
		}
		result.Cases = append(result.Cases, CaseResult{c, median(all)})
	}
	return result, nil
}

// step says what has been done, with the time since the beginning. A progress
// nobody can read any more is no reason to stop.
func (s *session) step(format string, args ...any) {
	_, _ = fmt.Fprintf(s.cfg.Progress, "[%5.1fs] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
