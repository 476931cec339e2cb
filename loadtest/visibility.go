package loadtest

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// visibility knows which live readings are acknowledged but not yet seen in
// ClickHouse, and how long those seen took from their intended send time.
//
// It does no I/O and reads no clock. The sender's acknowledgements fill it, the
// watcher drains it, progress looks at it.
type visibility struct {
	mu sync.Mutex
	// What follows is guarded by mu.

	partitions map[int32]*queue
	waiting    int
	produce    uint64 // readings entered
	unmeasured uint64 // readings not queued, because maxWaiting were
	seen       uint64 // readings that became visible
	all        *hdrhistogram.Histogram
	recent     *hdrhistogram.WindowedHistogram
	intervals  *intervals // nil if nobody asked for them
	// waited counts those that took longer than patience.
	waited   uint64
	patience time.Duration
}

const (
	// maxWaiting bounds the queues' memory, 24 bytes each: 384 MiB are 14
	// minutes of 20,000 events/s of which nothing becomes visible. Readings
	// beyond it are not measured, and counted as such.
	maxWaiting = 16 << 20
	// maxLatency is the highest latency told apart; higher ones count as it.
	maxLatency = 4 * time.Hour
	// recentSeconds is what the live percentiles look back on.
	recentSeconds = 10
)

func newVisibility() *visibility {
	limit := maxLatency.Microseconds()
	return &visibility{
		partitions: map[int32]*queue{},
		patience:   DefaultConfig().Waited,
		all:        hdrhistogram.New(1, limit, 3),
		recent:     hdrhistogram.NewWindowed(recentSeconds, 1, limit, 2),
	}
}

// keepIntervals has latencies told apart by when the readings were to be sent.
// It is called before the first of them is entered.
func (v *visibility) keepIntervals(t *intervals) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.intervals = t
}

// produced enters a live reading. A partition's offsets come in order.
func (v *visibility) produced(partition int32, offset int64, intended time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.produce++
	q := v.partitions[partition]
	if q == nil {
		q = &queue{early: map[int64]time.Time{}}
		v.partitions[partition] = q
	}
	q.last = offset
	switch seen, early := q.early[offset]; {
	case early:
		// Seen in ClickHouse before Kafka's acknowledgement got here.
		v.record(intended.UnixNano(), seen)
	case v.waiting >= maxWaiting:
		v.unmeasured++
	default:
		q.push(waiting{offset: offset, intended: intended.UnixNano()})
		v.waiting++
	}
	q.forget(offset)
}

// watermark is an offset of a partition: all that was waited for up to it is
// visible.
type watermark struct {
	partition int32
	offset    int64
}

// arrivals are the offsets above a watermark that were found in ClickHouse.
type arrivals struct {
	partition int32
	offsets   []int64
}

// awaited returns, for each partition that has readings waiting, the watermark
// above which to look.
func (v *visibility) awaited() []watermark {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []watermark
	for p, q := range v.partitions {
		if q.len() > 0 {
			out = append(out, watermark{p, q.first().offset - 1})
		}
	}
	return out
}

// arrived notes that at now these offsets of a partition were visible. It sorts
// them. Those nobody waits for change nothing, whatever lies beside them: a batch
// may be stored before one with lower offsets.
func (v *visibility) arrived(a arrivals, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	q := v.partitions[a.partition]
	if q == nil {
		return
	}
	slices.Sort(a.offsets)
	i := q.head
	for _, offset := range a.offsets {
		for i < len(q.waiting) && q.waiting[i].offset < offset {
			i++
		}
		switch {
		case i < len(q.waiting) && q.waiting[i].offset == offset:
			if w := &q.waiting[i]; !w.seen {
				w.seen = true
				v.record(w.intended, now)
				v.waiting--
			}
		case offset > q.last:
			q.early[offset] = now
		}
	}
	for q.len() > 0 && q.first().seen {
		q.head++
	}
}

// abandon counts what is still waiting as if it became visible now, so that a
// run which gave up on readings does not look faster for it. It returns how
// many there were.
func (v *visibility) abandon(now time.Time) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := v.waiting
	for _, q := range v.partitions {
		for ; q.len() > 0; q.head++ {
			if w := q.first(); !w.seen {
				v.record(w.intended, now)
			}
		}
	}
	v.waiting = 0
	return left
}

func (v *visibility) record(intended int64, seen time.Time) {
	latency := time.Duration(seen.UnixNano() - intended)
	v.seen++
	if latency > v.patience {
		v.waited++
	}
	us := min(max(latency, time.Microsecond), maxLatency).Microseconds()
	count(v.all, us)
	count(v.recent.Current, us)
	if v.intervals != nil {
		v.intervals.record(intended, us)
	}
}

func count(h *hdrhistogram.Histogram, us int64) {
	if err := h.RecordValue(us); err != nil {
		panic("BUG: latency outside the histogram: " + err.Error())
	}
}

// latencies are the figures of a histogram.
type latencies struct {
	count         int64
	p50, p99, max time.Duration
}

func figures(h *hdrhistogram.Histogram) latencies {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return latencies{h.TotalCount(), at(50), at(99), time.Duration(h.Max()) * time.Microsecond}
}

// overall returns the figures of the whole run, how many readings had to wait,
// and how many are in neither.
func (v *visibility) overall() (l latencies, waited, unmeasured uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return figures(v.all), v.waited, v.unmeasured
}

// timeline returns the figures of each interval and of each phase, if they were
// asked for.
func (v *visibility) timeline() ([]Interval, []PhaseFigures) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.intervals.figures(), v.intervals.byPhase()
}

// progress returns how many readings were entered, and are visible.
func (v *visibility) progress() (live, seen uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.produce, v.seen
}

// tick returns the figures of the last seconds and the number waiting, and
// starts the next second.
func (v *visibility) tick() (latencies, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := figures(v.recent.Merge())
	v.recent.Rotate()
	return l, v.waiting
}

// left returns how many readings are waiting.
func (v *visibility) left() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.waiting
}

// waiting is a live reading, in the queue until it and all before it are seen.
type waiting struct {
	offset   int64
	intended int64 // ns since 1970
	seen     bool
}

// queue is a partition's readings not seen yet, in the order of offsets. The first
// of them is one that is not.
type queue struct {
	waiting []waiting
	head    int   // waiting[:head] are gone
	last    int64 // offset of the last live reading Kafka has acknowledged
	// early are offsets above last that were seen, and when: of live readings
	// whose acknowledgement is still on its way, and of others.
	early map[int64]time.Time
}

func (q *queue) len() int       { return len(q.waiting) - q.head }
func (q *queue) first() waiting { return q.waiting[q.head] }

// forget drops what was seen early and is not above last any more.
func (q *queue) forget(last int64) {
	for offset := range q.early {
		if offset <= last {
			delete(q.early, offset)
		}
	}
}

func (q *queue) push(w waiting) {
	// Half of it gone: moving the rest costs less than one move a reading.
	if q.head > 1024 && q.head > len(q.waiting)/2 {
		q.waiting = q.waiting[:copy(q.waiting, q.waiting[q.head:])]
		q.head = 0
	}
	q.waiting = append(q.waiting, w)
}
