package watcher

import (
	"testing"
	"time"

	"penstock/ops/state"
)

func TestSightings(t *testing.T) {
	var s sightings
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	none := maybe[time.Time]{}
	if c := s.state(noon, "t", time.Minute, none); c.P50 != nil || len(c.History) > 0 || !c.Seen.IsZero() {
		t.Errorf("nothing was seen: %+v", c)
	}
	for i := range 60 * 20 { // twenty minutes, of which the last is slow
		took := time.Second
		if i >= 60*19 {
			took = 3 * time.Second
		}
		s.seen(at(time.Duration(i)*time.Second), took)
	}
	s.missed(at(20*time.Minute-time.Second), "it is not there")
	c := s.state(at(20*time.Minute), "t", time.Minute, is(at(20*time.Minute-4*time.Second)))
	if *c.P50 != 3 || *c.P99 != 3 || c.Lost != 1 || c.Waiting != 4 || c.Error != "it is not there" {
		t.Errorf("%+v", c)
	}
	// A quarter of an hour, and no more.
	if first, n := c.History[0].At, len(c.History); n != int(state.HistoryFor/state.SampleEvery) || first.Before(at(5*time.Minute)) {
		t.Errorf("the history has %d samples from %v on", n, first)
	}
	if last := c.History[len(c.History)-1]; last.Lost != 1 || *last.P50 != 3 || *c.History[0].P99 != 1 {
		t.Errorf("%+v ... %+v", c.History[0], last)
	}
	// It goes stale with time, also if nothing happens.
	if c := s.state(at(time.Hour), "t", time.Minute, none); c.P50 != nil || len(c.History) > 0 {
		t.Errorf("an hour later: %+v", c)
	}
}
