package loadtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenLoop stalls one send for three seconds: what comes after it is sent
// late, at the times intended before the stall, and none is left out.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := newSchedule(start, constant(100, 10*time.Second))
		var lateness []time.Duration
		err := s.run(t.Context(), func(intended time.Time) error {
			if want := start.Add(time.Duration(len(lateness)) * 10 * time.Millisecond); !intended.Equal(want) {
				t.Fatalf("record %d is intended for %v, want %v", len(lateness), intended.Sub(start), want.Sub(start))
			}
			lateness = append(lateness, time.Since(intended))
			if len(lateness) == 201 {
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		if err != nil || len(lateness) != 1000 {
			t.Fatalf("%d sent, %v; want 1000", len(lateness), err)
		}
		if lateness[200] > pause || lateness[201] < 2900*time.Millisecond || lateness[501] > pause {
			t.Errorf("late by %v before the stall, %v in it, %v after it", lateness[200], lateness[201], lateness[501])
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("a stall of 3 s made 10 s last %v", took)
		}
	})
}

func TestScheduleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		sent := 0
		if err := newSchedule(time.Now(), constant(10, 0)).run(ctx, func(time.Time) error { sent++; return nil }); err != nil || sent < 50 || sent > 51 {
			t.Errorf("endless for 5 s at 10/s: %d sent, %v", sent, err)
		}
		broken := errors.New("broken")
		sent = 0
		if err := newSchedule(time.Now(), constant(10, time.Second)).run(t.Context(), func(time.Time) error { sent++; return broken }); !errors.Is(err, broken) || sent != 1 {
			t.Errorf("a send that fails: %d sent, %v", sent, err)
		}
	})
}
