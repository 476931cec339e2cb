package ops

import (
	"testing"
	"time"
)

func TestLeft(t *testing.T) {
	f := func(todo int64, done, arriving float64, want time.Duration, foreseen bool) {
		t.Helper()
		got, ok := left(todo, done, arriving)
		if got != want || ok != foreseen {
			t.Errorf("%d records at %v done and %v arriving a second: %v, %v; want %v, %v", todo, done, arriving, got, ok, want, foreseen)
		}
	}
	f(2_400_000, 120_000, 40_000, 30*time.Second, true)
	f(2_400_000, 120_000, 0, 20*time.Second, true)
	f(0, 0, 40_000, 0, true)
	f(-1, 0, 0, 0, true)
	f(100, 40_000, 40_000, 0, false) // it stands still
	f(100, 39_000, 40_000, 0, false)
	f(100, 0, 0, 0, false)
	f(604_800, 2, 1, 7*24*time.Hour, true)
	f(604_801, 2, 1, 0, false) // noise around standing still
}

// run has the forecast see commits, each of so many records after so long, while
// so many arrive.
func (f *forecast) run(now time.Time, commits int, every time.Duration, done, arrived int64) time.Time {
	for range commits {
		now = now.Add(every)
		f.arrived += arrived
		f.done += done
		f.commit(now)
	}
	return now
}

func TestRates(t *testing.T) {
	at := func(f *forecast, now time.Time, wantDone, wantArriving float64, wantKnown bool) {
		t.Helper()
		done, arriving, known := f.rates(now)
		if done != wantDone || arriving != wantArriving || known != wantKnown {
			t.Errorf("%v done, %v arriving, %v; want %v, %v, %v", done, arriving, known, wantDone, wantArriving, wantKnown)
		}
	}
	var idle forecast
	at(&idle, storyTime, 0, 0, false)

	// What came before the first commit took a time that nobody knows.
	f := forecast{began: storyTime, arrived: 1_000_000}
	now := f.run(storyTime.Add(4*time.Second), 1, 0, 50_000, 0)
	at(&f, now, 0, 0, false)
	now = f.run(now, 2, 500*time.Millisecond, 60_000, 20_000)
	at(&f, now, 120_000, 40_000, true)
	at(&f, now.Add(4900*time.Millisecond), 120_000, 40_000, true)
	at(&f, now.Add(5*time.Second), 20_000, 40_000./6, true) // stalled

	// Ten seconds later the past is forgotten.
	now = f.run(now, 30, 500*time.Millisecond, 10_000, 20_000)
	at(&f, now, 20_000, 40_000, true)
	if n := len(f.marks); n > 22 {
		t.Errorf("%d marks are kept", n)
	}
	f.run(now, 1_000, time.Millisecond, 1, 2)
	if n := len(f.marks); n > 26 {
		t.Errorf("%d marks are kept of commits that are close together", n)
	}

	// A node that reads and commits nothing does nothing.
	stuck := forecast{began: storyTime, arrived: 600}
	at(&stuck, storyTime.Add(time.Second), 0, 0, false)
	at(&stuck, storyTime.Add(6*time.Second), 0, 100, true)
}
