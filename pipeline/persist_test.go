package pipeline

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

func TestWaitsAreRandomBelowADoublingBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const runs, tries = 200, 12
		var longest [tries]time.Duration
		for range runs {
			var waits []time.Duration
			p := persistence{what: "insert", verdict: fateOf, events: Events{Retrying: func(r Retrying) { waits = append(waits, r.Wait) }}.ensure()}
			began := time.Now()
			n := 0
			attempts, err := p.do(t.Context(), func(context.Context) error {
				if n++; n <= tries {
					return io.EOF
				}
				return nil
			})
			if err != nil || attempts != tries+1 || len(waits) != tries {
				t.Fatalf("%d attempts, %d waits, %v", attempts, len(waits), err)
			}
			var sum time.Duration
			for i, w := range waits {
				if bound := min(firstBackoff<<i, lastBackoff); w < 0 || w >= bound {
					t.Fatalf("wait %d is %v; want less than %v", i+1, w, bound)
				}
				longest[i] = max(longest[i], w)
				sum += w
			}
			if took := time.Since(began); took != sum {
				t.Fatalf("it took %v; the waits are %v", took, sum)
			}
		}
		// Full jitter: each bound is made use of, and so is the room below it.
		for i, w := range longest {
			if bound := min(firstBackoff<<i, lastBackoff); w < bound*8/10 {
				t.Errorf("wait %d was never more than %v of %v in %d runs", i+1, w, bound, runs)
			}
		}
	})
}

func TestItNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(30 * 24 * time.Hour)
		p := persistence{verdict: fateOf, breaker: newBreaker(Default().Breaker, Events{}.ensure()), events: Events{}.ensure()}
		if _, err := p.do(t.Context(), func(context.Context) error {
			if time.Now().Before(back) {
				time.Sleep(time.Hour)
				return io.EOF
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestItEndsWithItsContextAndWithOtherFates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := persistence{verdict: fateOf, events: Events{}.ensure()}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		if _, err := p.do(ctx, func(context.Context) error { return io.EOF }); !ended(ctx, err) || time.Since(began) != time.Hour {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		for _, code := range []proto.Error{proto.ErrUnknownTable, proto.ErrViolatedConstraint} {
			if attempts, err := p.do(t.Context(), func(context.Context) error { return &ch.Exception{Code: code} }); attempts != 1 || err == nil {
				t.Errorf("%v: %d attempts, %v", code, attempts, err)
			}
		}
	})
}

// The breaker's clock is the wall's, and in a bubble that is fake time as well.
func TestTheBreakerOpensProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Breaker{Failures: 3, Window: 10 * time.Second, Cooldown: 2 * time.Second}
		var told []bool
		events := Events{Breaker: func(open bool) { told = append(told, open) }}.ensure()
		b := newBreaker(cfg, events)
		failing := errors.New("away")
		calls := 0
		once := func() error {
			p := persistence{verdict: func(err error) (fate, error) { return stop, err }, breaker: b, events: events} // no repetition
			_, err := p.do(t.Context(), func(context.Context) error { calls++; return failing })
			return err
		}
		try := func() { _ = once() } // what comes of it the state tells
		expect := func(what string, state circuitbreaker.State, wantCalls int, want ...bool) {
			t.Helper()
			if b.State() != state || calls != wantCalls || !slices.Equal(told, want) {
				t.Errorf("%s: %v after %d calls, told %v; want %v after %d, told %v", what, b.State(), calls, told, state, wantCalls, want)
			}
		}
		try()
		try()
		time.Sleep(11 * time.Second) // those are out of the window
		try()
		try()
		expect("never three within the window", circuitbreaker.ClosedState, 4)
		try()
		expect("three within it", circuitbreaker.OpenState, 5, true)
		if err := once(); !errors.Is(err, circuitbreaker.ErrOpen) {
			t.Errorf("got %v", err)
		}
		expect("open: nobody calls", circuitbreaker.OpenState, 5, true)
		time.Sleep(2*time.Second + time.Millisecond)
		try()
		expect("the probe failed", circuitbreaker.OpenState, 6, true, true)
		time.Sleep(2*time.Second + time.Millisecond)
		failing = nil
		try()
		expect("the probe succeeded", circuitbreaker.ClosedState, 7, true, true, false)
		failing = &ch.Exception{Code: proto.ErrViolatedConstraint}
		for range 10 {
			try()
		}
		expect("a server that judges rows answers", circuitbreaker.ClosedState, 17, true, true, false)
	})
}

// An operator who looks while the breaker is open wants to know why it is.
func TestAnOpenBreakerSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[bool]int{}
		events := Events{Retrying: func(r Retrying) {
			if !errors.Is(r.Err, io.ErrClosedPipe) {
				t.Errorf("attempt %d: %v; want the cause", r.Attempt, r.Err)
			}
			told[errors.Is(r.Err, circuitbreaker.ErrOpen)]++
		}}.ensure()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := persistence{verdict: fateOf, events: events, breaker: newBreaker(Breaker{Failures: 2, Window: time.Minute, Cooldown: 10 * time.Second}, events)}
		if _, err := p.do(ctx, func(context.Context) error { return io.ErrClosedPipe }); err == nil {
			t.Error("it succeeded")
		}
		if told[true] == 0 || told[false] == 0 {
			t.Errorf("told of %d open breakers and %d attempts; want some of each", told[true], told[false])
		}
	})
}
