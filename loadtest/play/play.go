// Package play plays a scenario: it has a fleet send, breaks what the scenario
// breaks, and looks at the programs meanwhile.
//
// Three goroutines last as long as a play: the fleet's, which proves in the end
// what became of all it has sent; the timeline's, which does the faults at their
// times; and the sampler's, which looks once a second. What breaks things is the
// caller's, see [Hands]; on a cluster that nobody may break there is none.
//
// What is found wrong is no error here: it is in the run, for package gate to
// judge. An error says that there is nothing to judge.
package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/loadtest"
	"penstock/loadtest/gate"
)

// Config says what to play, and where.
type Config struct {
	Scenario gate.Scenario
	// Target is where the fleet sends and looks; the scenario decides what.
	Target loadtest.Config
	// Group is the consumer group whose lag is looked at.
	Group string
	// Nodes are the admin addresses of the ingest nodes, host:port, for their CPU
	// and memory. Empty: they are not measured.
	Nodes []string
	// Hands break things; nil only for a scenario without faults.
	Hands Hands
	// Others, if set, returns what other programs have used since they were
	// started, in seconds.
	Others func() (map[string]float64, error)
	// Output is where the fleet's progress goes; Began is Play's.
	Output loadtest.Output
}

// Hands do to a stack what a scenario asks for. One goroutine calls Begin and End,
// and another one Crashed.
type Hands interface {
	// Begin begins a fault, and End ends it and waits until what was broken is
	// there again.
	Begin(context.Context, gate.Fault) error
	End(context.Context, gate.Fault) error
	// Crashed says which nodes have ended by themselves since the last call, and
	// the error which part of the stack that is not what is tried.
	Crashed() ([]string, error)
}

// Play plays a scenario once.
func Play(ctx context.Context, c Config) (gate.Run, error) {
	if len(c.Scenario.Faults) > 0 && c.Hands == nil {
		return gate.Run{}, fmt.Errorf("scenario %s has faults, and nothing here can break things: %s; leave them out, or use a stack of its own",
			c.Scenario.Name, c.Scenario.Broken())
	}
	client, err := kgo.NewClient(c.Target.Options("penstock-loadtest-watch")...)
	if err != nil {
		return gate.Run{}, fmt.Errorf("kafka client for %v: %w", c.Target.Brokers, err)
	}
	defer client.Close()

	// The first to fail ends the others.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	look := &sampler{cfg: c, kafka: kadm.NewClient(client), used: map[string]*counter{}}
	script := &timeline{hands: c.Hands, events: events(c.Scenario.Faults), progress: c.Output.Writer}
	watching, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	began := func(start time.Time) {
		others.Go(func() { cancelOn(cancel, look.run(watching, start)) })
		others.Go(func() { cancelOn(cancel, script.run(watching, start)) })
	}
	result, err := loadtest.Run(ctx, c.Scenario.Load(c.Target), loadtest.Output{Writer: c.Output.Writer, Terminal: c.Output.Terminal, Began: began})
	if err := context.Cause(ctx); err != nil {
		return gate.Run{}, err
	}
	if !result.Verified {
		return gate.Run{}, errors.Join(err, errors.New("what was sent is not proven"))
	}
	stop()
	others.Wait()
	// Once more, for what was used since the last look.
	if err := errors.Join(context.Cause(ctx), look.look(ctx)); err != nil {
		return gate.Run{}, err
	}
	return c.Scenario.Measure(gate.Run{Result: result, Marks: script.marks, Samples: look.samples, Crashed: look.crashed}), nil
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

// say tells what happens.
func say(to io.Writer, format string, args ...any) {
	// A progress nobody can read any more is no reason to stop.
	_, _ = fmt.Fprintf(to, format+"\n", args...)
}
