package faults

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFigures(t *testing.T) {
	f := func(want Figures, ms ...int) {
		t.Helper()
		var s sample
		for _, v := range ms {
			s.add(time.Duration(v) * time.Millisecond)
		}
		if got := s.figures(); got != want {
			t.Errorf("%v: %+v, want %+v", ms, got, want)
		}
	}
	f(Figures{})
	f(Figures{1, 7, 7, 7}, 7)
	f(Figures{2, 1, 9, 9}, 9, 1)
	f(Figures{3, 2, 3, 3}, 3, 1, 2)
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, 100-i)
	}
	f(Figures{100, 50, 99, 100}, hundred...)
}

func at(s float64) time.Time { return time.Unix(0, int64(s*1e9)) }

func TestStall(t *testing.T) {
	p := newProgress()
	p.saw(map[int32]int64{0: 10, 1: 5}, at(1))
	p.saw(map[int32]int64{0: 20, 1: 5}, at(2))
	p.saw(map[int32]int64{0: 20, 1: 5}, at(3)) // no progress at all
	p.saw(map[int32]int64{0: 30, 1: 6}, at(5))
	p.saw(map[int32]int64{0: 40, 1: 7}, at(6))
	f := func(from, to float64, want time.Duration) {
		t.Helper()
		if got := p.stall(at(from), at(to)); got != want {
			t.Errorf("%v to %v: %v, want %v", from, to, got, want)
		}
	}
	f(0, 10, 4*time.Second)    // partition 1, from 1 to 5
	f(4.5, 4.6, 4*time.Second) // it touches the time, so all of it counts
	f(5.1, 5.9, time.Second)   // after it
	f(0, 0.5, 0)               // before anything was stored
	f(6.5, 7, 0)               // what has not ended is not known
	f(1.5, 1.6, 4*time.Second) // partition 1 again
	f(5.0, 10, 1*time.Second)  // it ended as the time began
	f(-1, 1, 0)                // it began as the time ended
	f(0, 1.001, 4*time.Second) // and just before
	f(5.999, 6, 1*time.Second) // the last
	f(6, 6.1, 0*time.Second)   // nothing since
	f(2.5, 2.6, 4*time.Second) // partition 1
	f(1.0, 1.0001, 4*time.Second)
}

func TestPassed(t *testing.T) {
	p := newProgress()
	p.saw(map[int32]int64{0: 10, 1: 5}, at(1))
	f := func(ends map[int32]int64, want bool, behind int32) {
		t.Helper()
		if got, which := p.passed(ends); got != want || which != behind {
			t.Errorf("%v: %v, partition %d; want %v, %d", ends, got, which, want, behind)
		}
	}
	f(map[int32]int64{0: 10, 1: 5}, true, 0) // the next record's offset, and it is stored
	f(map[int32]int64{0: 10, 1: 6}, false, 1)
	f(map[int32]int64{2: 0}, false, 2) // nothing is stored of it
	f(nil, true, 0)
	// A mark never goes back, also if a table is asked that lacks the last rows.
	p.saw(map[int32]int64{0: 3}, at(2))
	f(map[int32]int64{0: 10}, true, 0)
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		nothing := func() error { return nil }
		began := time.Now()
		var stuck *stuckError
		if err := p.await(t.Context(), map[int32]int64{3: 7}, time.Minute, nothing); !errors.As(err, &stuck) || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		go func() {
			time.Sleep(time.Second)
			p.saw(map[int32]int64{3: 7}, time.Now())
		}()
		began = time.Now()
		if err := p.await(t.Context(), map[int32]int64{3: 7}, time.Minute, nothing); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.await(ctx, map[int32]int64{3: 8}, time.Minute, nothing); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		broken := errors.New("broken")
		if err := p.await(t.Context(), map[int32]int64{3: 8}, time.Minute, func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}
