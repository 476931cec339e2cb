package watcher

import (
	"math"
	"slices"
	"time"

	"penstock/ops/state"
)

// sightings are what became of canaries, over the last quarter of an hour. It reads no
// clock.
type sightings struct {
	sent, lost int64
	last       time.Time // when one was seen
	err        string    // of what was tried last
	windows    []window  // oldest first; the last may not be over
}

// window is a [state.SampleEvery].
type window struct {
	ends time.Time
	took []float64 // seconds, of those that were seen in it
	lost int
}

const (
	windowsKept = int(state.HistoryFor / state.SampleEvery)
	// freshWindows are those of the last minute.
	freshWindows = int(time.Minute / state.SampleEvery)
)

// at returns the window of a time.
func (s *sightings) at(now time.Time) *window {
	ends := now.Truncate(state.SampleEvery).Add(state.SampleEvery)
	if n := len(s.windows); n > 0 && !s.windows[n-1].ends.Before(ends) {
		return &s.windows[n-1]
	}
	s.windows = append(s.windows, window{ends: ends})
	s.windows = s.windows[max(0, len(s.windows)-windowsKept):]
	return &s.windows[len(s.windows)-1]
}

func (s *sightings) seen(now time.Time, took time.Duration) {
	w := s.at(now)
	w.took = append(w.took, took.Seconds())
	s.last, s.err = now, ""
}

// missed notes one that was lost or could not be sent.
func (s *sightings) missed(now time.Time, err string) {
	s.at(now).lost++
	s.lost++
	s.err = err
}

// state says it for people; oldest is when the one was begun that is on its way the longest.
func (s *sightings) state(now time.Time, stream string, limit time.Duration, oldest maybe[time.Time]) state.Canary {
	c := state.Canary{Stream: stream, Sent: s.sent, Lost: s.lost, Limit: limit.Seconds(), Seen: utc(s.last), Error: s.err}
	if oldest.known {
		c.Waiting = now.Sub(oldest.value).Seconds()
	}
	var recent []float64
	for _, w := range s.windows {
		switch age := now.Sub(w.ends); {
		case age > state.HistoryFor:
			continue
		case age < time.Duration(freshWindows)*state.SampleEvery:
			recent = append(recent, w.took...)
		}
		sample := state.CanarySample{At: w.ends.UTC(), Lost: w.lost}
		sample.P50, sample.P99 = quantiles(w.took)
		c.History = append(c.History, sample)
	}
	c.P50, c.P99 = quantiles(recent)
	return c
}

// quantiles returns the median and the 99th centile, nil of nothing.
func quantiles(of []float64) (p50, p99 *float64) {
	if len(of) == 0 {
		return nil, nil
	}
	sorted := slices.Sorted(slices.Values(of))
	at := func(q float64) *float64 {
		v := sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
		return &v
	}
	return at(0.5), at(0.99)
}
