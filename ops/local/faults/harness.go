// Package faults breaks the local stack under the product while a fleet sends,
// and proves after each round that every record is stored exactly once.
//
// A run is a plan of rounds that follows from a seed. A round has a topic,
// tables and a group of its own; its nodes reach Kafka and ClickHouse through
// proxies, one pair a node, while the fleet and the proof go past them. A
// round's scenario fires its faults, each of which counts only if it was seen
// to happen; then the network is made whole, the load ends, the group's lag
// reaches 0, the nodes stop, and the oracle is asked. What it asks is in
// oracle.go and needs nobody's word: each device's exact set, count() against
// uniqExact(_partition, _offset), the topic's own end, the rollups against the
// raw rows.
//
// The package knows the product as an operator does: its command line, config,
// metrics, log and exit. The only thing built for it is pipeline/failpoint.
package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// harness is what rounds share: the stack, the ways to it, and what is measured.
type harness struct {
	cfg      Config
	began    time.Time
	stack    *stack.Stack
	slots    []*slot
	client   *kgo.Client
	admin    *kadm.Client
	measures measures
}

// maxBroken is how many rounds in a row may fail to be run before a run is given
// up.
const maxBroken = 3

// Run carries out the plan of cfg. The result is of use also with an error: it
// has the rounds that were run. The error says what is not as it has to be.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	if err := checkProgram(ctx, cfg.Program); err != nil {
		return result, err
	}
	h, err := open(ctx, cfg)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, h.close()) }()

	plan := Plan(cfg.Seed, cfg.Only, cfg.Counts)
	var outcomes []*outcome
	broken := 0 // rounds in a row that were not run to their end
	for _, r := range plan {
		h.say("round %d of %d: %s, %d faults", r.Number, len(plan), r.Scenario, r.Faults)
		out := h.play(ctx, r)
		outcomes = append(outcomes, out)
		h.tell(out)
		if ctx.Err() != nil {
			break
		}
		if out.Err == nil {
			broken = 0
			continue
		}
		if broken++; broken == maxBroken {
			h.say("%d rounds in a row were not run to their end; the others would not be, either", broken)
			break
		}
		// Whatever it was, the next round is to begin with a whole stack.
		if err := h.mend(ctx); err != nil {
			return newResult(cfg, outcomes, &h.measures), errors.Join(out.Err, err)
		}
	}
	result = newResult(cfg, outcomes, &h.measures)
	return result, errors.Join(context.Cause(ctx), result.fault())
}

// checkProgram makes sure that ingest has failpoints: without the tag they
// would silently never fire.
func checkProgram(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, program, "--help")
	cmd.Env = append(cmd.Environ(), "PENSTOCK_FAILPOINT=none")
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), `PENSTOCK_FAILPOINT names "none"`) {
		return fmt.Errorf("program %s has no failpoints; build it with: go build -tags failpoints -o %[1]s ./cmd/ingest", program)
	}
	return nil
}

func open(ctx context.Context, cfg Config) (_ *harness, err error) {
	h := &harness{cfg: cfg, began: time.Now()}
	// kfake has neither Kafka's storage nor its timing, and advertises one
	// address: what is proven has to be proven against the real one.
	cfg.Stack.Kafka = kafka.Apache
	for i := range slots {
		s, err := newSlot(i + 1)
		if err != nil {
			return nil, err
		}
		h.slots = append(h.slots, s)
		cfg.Stack.KafkaBehind = append(cfg.Stack.KafkaBehind, s.listener)
	}
	if h.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return nil, err
	}
	a := h.stack.Addresses()
	for _, s := range h.slots {
		if err := s.open(a.ClickHouse.Native); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	if h.client, err = kgo.NewClient(kgo.SeedBrokers(a.Kafka.Brokers...)); err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.admin = kadm.NewClient(h.client)
	h.say("%s and ClickHouse are up, with proxies in front of them for %d nodes; data and logs are in %s", a.Kafka.Name, slots, a.State)
	return h, nil
}

// mend brings the stack up again after a round that could not be run to its
// end.
func (h *harness) mend(ctx context.Context) error {
	var errs []error
	if p := h.stack.ClickHouse.Process(); p == nil || p.Err() != nil {
		errs = append(errs, h.stack.ClickHouse.Start(ctx))
	}
	if p := h.stack.Kafka.Process(); p == nil || p.Err() != nil {
		errs = append(errs, h.stack.Kafka.Start(ctx))
	}
	return errors.Join(errs...)
}

func (h *harness) close() error {
	if h.client != nil {
		h.client.Close()
	}
	for _, s := range h.slots {
		s.close()
	}
	return h.stack.Stop()
}

// say tells what happens, with the time since the beginning.
func (h *harness) say(format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(h.cfg.Progress, "[%6.1fs] %s\n", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// tell says what came of a round.
func (h *harness) tell(o *outcome) {
	h.say("  %d faults (%s) in %.0f s: %d produced, %d stored, %d missing, %d duplicated, rollup short %d, over %d, worst stall %.1f s",
		o.faults(), o.what(), o.Took.Seconds(), o.Produced, o.Stored, o.Missing, o.Duplicated, o.RollupShort, o.RollupOver, o.Stall.Seconds())
	for _, f := range o.Findings {
		h.say("  ! %s", f)
	}
	if o.Err != nil {
		h.say("  ! the round was not run to its end: %v", o.Err)
	}
	if o.violated() {
		h.say("  ! logs: %s/%s, database %s, topic %s", h.stack.Addresses().State, o.Round.Name(), o.Round.names().database, o.Round.names().topic)
	}
}
