package loadtest

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Interval is how soon those live readings were visible that were to be sent in
// one interval of a run. Where something happened meanwhile, it tells those it
// happened to from the others.
type Interval struct {
	// From is the interval's beginning, in seconds since that of the sending.
	From       float64 `json:"from_s"`
	Count      int64   `json:"count"`
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`
	VisibleMax float64 `json:"visible_max_ms"`
}

// maxIntervals bounds the memory, some 30 kB each. Later readings count in the
// last one.
const maxIntervals = 1000

// intervals are histograms of latencies by the time readings were to be sent.
type intervals struct {
	start  time.Time
	length time.Duration
	all    []*hdrhistogram.Histogram // nil for one without readings
	phases []phaseTimes
}

// phaseTimes is the histogram of one phase.
type phaseTimes struct {
	name string
	// from and to are since the start. What comes after the last phase, such as
	// closing readings, counts in it.
	from, to time.Duration
	all      *hdrhistogram.Histogram
}

func newIntervals(start time.Time, length time.Duration, phases []Phase) *intervals {
	t := &intervals{start: start, length: length}
	from := time.Duration(0)
	for _, p := range phases {
		t.phases = append(t.phases, phaseTimes{p.Name, from, from + p.For, hdrhistogram.New(1, maxLatency.Microseconds(), 3)})
		from += p.For
	}
	return t
}

// record enters a latency, in microseconds, of a reading that was to be sent at
// a time, in nanoseconds since 1970.
func (t *intervals) record(intended, us int64) {
	after := max(0, intended-t.start.UnixNano())
	i := int(min(after/int64(t.length), maxIntervals-1))
	for i >= len(t.all) {
		t.all = append(t.all, nil)
	}
	if t.all[i] == nil {
		t.all[i] = hdrhistogram.New(1, maxLatency.Microseconds(), 2)
	}
	count(t.all[i], us)
	for i, p := range t.phases {
		if time.Duration(after) < p.to || i == len(t.phases)-1 {
			count(p.all, us)
			break
		}
	}
}

func (t *intervals) figures() []Interval {
	if t == nil {
		return nil
	}
	var out []Interval
	for i, h := range t.all {
		if h == nil {
			continue
		}
		l := figures(h)
		out = append(out, Interval{From: (time.Duration(i) * t.length).Seconds(), Count: l.count,
			VisibleP50: milliseconds(l.p50), VisibleP99: milliseconds(l.p99), VisibleMax: milliseconds(l.max)})
	}
	return out
}

func (t *intervals) byPhase() []PhaseFigures {
	if t == nil {
		return nil
	}
	var out []PhaseFigures
	for _, p := range t.phases {
		l := figures(p.all)
		out = append(out, PhaseFigures{Name: p.name, From: p.from.Seconds(), To: p.to.Seconds(), Count: l.count,
			VisibleP50: milliseconds(l.p50), VisibleP99: milliseconds(l.p99), VisibleMax: milliseconds(l.max)})
	}
	return out
}
