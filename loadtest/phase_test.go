package loadtest

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRamp: a rate that rises from 0 to 1000 in 10 s has sent a quarter of its
// records in half of the time, and the phases after it begin when it ends.
func TestRamp(t *testing.T) {
	s := newSchedule(testStart,
		Phase{For: 10 * time.Second, From: 0, To: 1000},
		Phase{For: 5 * time.Second},
		Phase{For: 2 * time.Second, From: 1000, To: 500})
	f := func(slot int64, want time.Duration) {
		t.Helper()
		if got := s.at(slot).Sub(testStart); (got - want).Abs() > 2*time.Millisecond {
			t.Errorf("record %d is to be sent after %v, want %v", slot, got, want)
		}
	}
	f(0, 0)
	f(1250, 5*time.Second)
	f(4999, 9999*time.Millisecond)
	f(5000, 15*time.Second) // nothing is sent in the pause
	f(6499, 16998*time.Millisecond)
	if s.slots != 6500 || s.over(6499) || !s.over(6500) {
		t.Errorf("%d records, want 6500", s.slots)
	}
}

// TestScheduleFollowsRates: whatever the phases are, no record is meant to be
// sent before the one before it, and by the end of each phase as many were as its
// rates say.
func TestScheduleFollowsRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var phases []Phase
		for range rapid.IntRange(1, 5).Draw(t, "phases") {
			phases = append(phases, Phase{
				For:  time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond,
				From: float64(rapid.IntRange(0, 500).Draw(t, "from")), To: float64(rapid.IntRange(0, 500).Draw(t, "to")),
			})
		}
		s := newSchedule(testStart, phases...)
		var times []time.Duration
		for slot := range s.slots {
			times = append(times, s.at(slot).Sub(testStart))
			if slot > 0 && times[slot] < times[slot-1] {
				t.Fatalf("record %d is meant to be sent at %v, the one before it at %v", slot, times[slot], times[slot-1])
			}
		}
		end, want, got := time.Duration(0), 0.0, 0
		for _, p := range phases {
			end, want = end+p.For, want+(p.From+p.To)/2*p.For.Seconds()
			for got < len(times) && times[got] < end {
				got++
			}
			if math.Abs(float64(got)-want) > 1.01 {
				t.Fatalf("%d records by %v, want %.1f", got, end, want)
			}
		}
	})
}

// TestPhasesOfAFleet: each phase has its own shares, and its own whale.
func TestPhasesOfAFleet(t *testing.T) {
	c := testConfig()
	c.Phases = []Phase{
		{Name: "plain", For: time.Second, From: 1000, To: 1000},
		{Name: "whale", For: time.Second, From: 4000, To: 4000, Whale: 0.6},
		{Name: "poison", For: time.Second, From: 1000, To: 1000, Shares: Shares{Malformed: 0.5}},
		{Name: "burst", For: time.Second, From: 1000, To: 1000, Shares: Shares{Kept: 0.8}},
	}
	c.Brokers, c.ClickHouse.Addr = []string{"127.0.0.1:1"}, "127.0.0.1:2"
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	f, plan := newFleet(c, testStart), newSchedule(testStart, c.Phases...)
	var all, whale, flawed, old [4]int
	for slot := range plan.slots {
		at := plan.at(slot)
		r := f.draw(at.UnixMilli())
		i := int(at.Sub(testStart) / time.Second)
		all[i]++
		switch r.kind {
		case malformed:
			flawed[i]++
		case late:
			old[i]++
			if age := at.Sub(time.UnixMilli(r.ts)); age < 0 || age > kept {
				t.Errorf("a reading that was kept is %v old", age)
			}
		}
		if r.device == 0 {
			whale[i]++
		}
	}
	near := func(what string, got [4]int, want [4]float64) {
		t.Helper()
		for i := range got {
			if share := float64(got[i]) / float64(all[i]); math.Abs(share-want[i]) > 0.05 {
				t.Errorf("%s: phase %d has a share of %.2f, want %.2f", what, i, share, want[i])
			}
		}
	}
	near("of the whale", whale, [4]float64{0.03, 0.61, 0.03, 0.03})
	near("malformed", flawed, [4]float64{0, 0, 0.5, 0})
	near("kept", old, [4]float64{0, 0, 0, 0.8})
}

func TestPhaseFaults(t *testing.T) {
	f := func(p Phase, last bool, wants ...string) {
		t.Helper()
		err := p.Validate(last)
		if (err == nil) != (len(wants) == 0) {
			t.Errorf("%+v: %v", p, err)
		}
		for _, want := range wants {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v; want %q in it", p, err, want)
			}
		}
	}
	f(Phase{For: time.Second, From: 0, To: 10}, false)
	f(Phase{From: 10, To: 10}, true)
	f(Phase{From: 10, To: 10}, false, "for is 0s")
	f(Phase{From: 10, To: 20}, true, "constant rate, not 10 to 20")
	f(Phase{For: time.Second, From: -1, To: 1e9, Whale: 1, Shares: Shares{Kept: 0.7, Late: 0.7}}, true,
		"rate is -1", "rate is 1e+09", "whale is 1", "kept are 1.4 together")
}
