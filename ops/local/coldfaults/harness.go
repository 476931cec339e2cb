// Package coldfaults breaks the cold tier while days move, and proves at every
// moment that the analysts' view shows each stored row once.
//
// A run is a plan of rounds that follows from a seed. A round has a table and a
// folder of S3 of its own, some cold days, and three who work on it all the
// time: a writer that inserts late rows and repeats what was sent before; a
// second compactor, which takes over whatever the first leaves; and a looker
// that asks the view and holds each answer against what was acknowledged before
// the question and begun before the answer. The scenario breaks the first
// compactor, or what it works on, so many times; a fault counts only if it was
// seen to happen. Then everything is to become cold, exactly, and `compactor
// verify` to find it right.
//
// The package knows the product as an operator does: its command line, config,
// log and exit. The only thing built for it is package failpoint.
package coldfaults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// harness is what rounds share.
type harness struct {
	cfg   Config
	began time.Time
	stack *stack.Stack

	mu       sync.Mutex
	outcomes []*outcome // guarded by mu
}

// Run carries out the plan of cfg. The result is of use also with an error: it
// has the rounds that were run. The error says what is not as it has to be.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	if err := checkProgram(ctx, cfg.Program); err != nil {
		return result, err
	}
	cfg.Stack.Kafka = kafka.KFake // nothing here asks it anything
	h := &harness{cfg: cfg, began: time.Now()}
	if h.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, h.stack.Stop()) }()
	h.say("ClickHouse and S3 are up; data and logs are in %s", h.stack.Addresses().State)

	plan := Plan(cfg.Seed, cfg.Only, cfg.Counts)
	var together, alone []Round
	for _, r := range plan {
		if scenarios[r.Scenario].alone {
			alone = append(alone, r)
		} else {
			together = append(together, r)
		}
	}
	h.playAll(ctx, together, cfg.Parallel)
	h.playAll(ctx, alone, 1)
	result = newResult(cfg, h.outcomes, time.Since(h.began))
	return result, errors.Join(context.Cause(ctx), result.fault())
}

// playAll plays rounds, so many at a time, until they are done or ctx ends.
func (h *harness) playAll(ctx context.Context, rounds []Round, parallel int) {
	queue := make(chan Round, len(rounds))
	for _, r := range rounds {
		queue <- r
	}
	close(queue)
	var players sync.WaitGroup
	for range parallel {
		players.Go(func() {
			for r := range queue {
				if ctx.Err() != nil {
					return
				}
				h.say("%s: %d faults", r.Name(), len(r.Points))
				out := h.play(ctx, r)
				h.mu.Lock()
				h.outcomes = append(h.outcomes, out)
				h.mu.Unlock()
				h.tell(out)
			}
		})
	}
	players.Wait()
}

// checkProgram makes sure that the compactor has failpoints: without the tag
// they would silently never fire.
func checkProgram(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, program, "--help")
	cmd.Env = append(cmd.Environ(), "PENSTOCK_FAILPOINT=none")
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), `PENSTOCK_FAILPOINT names "none"`) {
		return fmt.Errorf("program %s has no failpoints; build it with: go build -tags failpoints -o %[1]s ./cmd/compactor", program)
	}
	return nil
}

// say tells what happens, with the time since the beginning.
func (h *harness) say(format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(h.cfg.Progress, "[%6.1fs] %s\n", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// tell says what came of a round.
func (h *harness) tell(o *outcome) {
	h.say("%s: %d faults (%s) in %.0f s: %d rows and %d resends stored, %d looks, %d missing, %d duplicated",
		o.Round.Name(), o.faults(), o.what(), o.Took.Seconds(), o.Stored, o.Resent, o.Looks, o.Missing, o.Duplicated)
	for _, f := range o.Findings {
		h.say("  ! %s", f)
	}
	if o.Err != nil {
		h.say("  ! the round was not run to its end: %v", o.Err)
	}
	if o.violated() {
		h.say("  ! logs: %s/%s, database %s", h.stack.Addresses().State, o.Round.Name(), o.Round.database())
	}
}
