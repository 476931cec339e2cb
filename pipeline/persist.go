package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// Between attempts a lane waits for a random part of a bound that doubles: full
// jitter, so that nodes that failed together do not come back together. See
// Brooker, "Exponential Backoff and Jitter".
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// persistence repeats what fails for as long as it takes, and asks the breaker
// first.
type persistence struct {
	what    string
	batch   string // whose insert it is; empty for what is of no batch
	verdict func(error) (fate, error)
	breaker circuitbreaker.CircuitBreaker[any] // nil for none
	events  Events
}

// newBreaker returns the breaker that all lanes of a node share: they all talk
// to the same ClickHouse.
func newBreaker(cfg Breaker, events Events) circuitbreaker.CircuitBreaker[any] {
	return circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return retryable(fateOf, err) }).
		WithFailureThresholdPeriod(cfg.Failures, cfg.Window).
		WithDelay(cfg.Cooldown).
		WithSuccessThreshold(1).
		OnOpen(func(circuitbreaker.StateChangedEvent) { events.Breaker(true) }).
		OnClose(func(circuitbreaker.StateChangedEvent) { events.Breaker(false) }).
		Build()
}

func retryable(verdict func(error) (fate, error), err error) bool {
	if err == nil {
		return false
	}
	f, _ := verdict(err)
	return f == retry
}

// do calls f until it succeeds, ctx ends, or its error's fate is not retry. It
// returns the attempts it took.
func (p persistence) do(ctx context.Context, f func(context.Context) error) (attempts int, err error) {
	var last error // of the last attempt that the breaker let through
	policy := retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return ctx.Err() == nil && retryable(p.verdict, err) }).
		WithMaxRetries(-1).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			return rand.N(min(lastBackoff, firstBackoff<<min(e.Attempts()-1, 16)))
		}).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) {
			err := e.LastError()
			if errors.Is(err, circuitbreaker.ErrOpen) && last != nil {
				err = fmt.Errorf("%w since: %w", err, last) // whoever looks wants to know why
			}
			p.events.Retrying(Retrying{What: p.what, Batch: p.batch, Err: err, Attempt: e.Attempts(), Wait: e.Delay})
		}).
		Build()
	run := failsafe.With[any](policy)
	if p.breaker != nil {
		run = run.Compose(p.breaker)
	}
	err = run.WithContext(ctx).Run(func() error {
		attempts++
		last = f(ctx)
		return last
	})
	if err != nil && ctx.Err() == nil {
		_, err = p.verdict(err)
	}
	return attempts, err
}
