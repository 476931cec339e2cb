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
}

// maxIntervals bounds the memory, some 30 kB each. Later readings count in the
// last one.
const maxIntervals = 1000

// intervals are histograms of latencies by the time readings were to be sent.
type intervals struct {
	start  time.Time
	length time.Duration
	all    []*hdrhistogram.Histogram // nil for one without readings
}

// record enters a latency, in microseconds, of a reading that was to be sent at
// a time, in nanoseconds since 1970.
func (t *intervals) record(intended, us int64) {
	i := int(min(max(0, intended-t.start.UnixNano())/int64(t.length), maxIntervals-1))
	for i >= len(t.all) {
		t.all = append(t.all, nil)
	}
	if t.all[i] == nil {
		t.all[i] = hdrhistogram.New(1, maxLatency.Microseconds(), 2)
	}
	count(t.all[i], us)
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
		out = append(out, Interval{From: (time.Duration(i) * t.length).Seconds(), Count: l.count, VisibleP50: milliseconds(l.p50), VisibleP99: milliseconds(l.p99)})
	}
	return out
}
