package loadtest

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestVisibility(t *testing.T) {
	v := newVisibility()
	at := func(ms int) time.Time { return testStart.Add(time.Duration(ms) * time.Millisecond) }
	// Offsets 3 and 6 belong to a resend and a reject: no one waits for them.
	for _, offset := range []int64{2, 4, 5, 7} {
		v.produced(1, offset, at(0))
	}
	v.produced(2, 100, at(500))
	if got := v.awaited(); len(got) != 2 || v.left() != 5 {
		t.Fatalf("awaited %v, %d left; want both partitions and 5", got, v.left())
	}

	v.arrived(arrivals{1, []int64{3, 2}}, at(1000)) // a row between two live readings
	if v.left() != 4 {
		t.Errorf("%d left after offset 3; want 4", v.left())
	}
	v.arrived(arrivals{1, []int64{2}}, at(1500)) // an older answer changes nothing
	if got := v.awaited(); !slices.Contains(got, watermark{1, 3}) {
		t.Errorf("awaited %v after an older answer; want partition 1 above 3", got)
	}
	v.arrived(arrivals{9, []int64{50}}, at(1500))
	v.arrived(upTo(1, 4, 7), at(2000))
	if got := v.awaited(); len(got) != 1 || got[0] != (watermark{2, 99}) {
		t.Errorf("awaited %v; want partition 2 above 99", got)
	}
	// Stored before Kafka's acknowledgement was heard: it was visible when it was
	// found.
	v.arrived(arrivals{2, []int64{100, 102, 103}}, at(2500))
	v.produced(2, 102, at(600))

	got, waited, _ := v.overall()
	near := func(name string, got, want time.Duration) {
		if got < want-want/100 || got > want+want/100 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("p50", got.p50, 1900*time.Millisecond+100*time.Millisecond) // of 1000, 1900, 2000, 2000, 2000, 2000
	near("max", got.max, 2*time.Second)
	if waited != 5 { // all but one, which took a second and no more
		t.Errorf("%d had to wait, want 5", waited)
	}
	if live, seen := v.progress(); live != 6 || seen != 6 {
		t.Errorf("%d live and %d seen, want 6", live, seen)
	}
	if n := v.all.TotalCount(); n != 6 {
		t.Errorf("%d latencies, want 6", n)
	}
}

func TestVisibilityAbandon(t *testing.T) {
	v := newVisibility()
	v.produced(0, 0, testStart)
	v.produced(0, 1, testStart)
	v.arrived(upTo(0, 0, 0), testStart.Add(time.Second))
	if n := v.abandon(testStart.Add(time.Minute)); n != 1 || v.left() != 0 {
		t.Errorf("abandoned %d, %d left; want 1 and 0", n, v.left())
	}
	if got, _, _ := v.overall(); got.max < 59*time.Second {
		t.Errorf("max is %v; what never came has to count as a minute at least", got.max)
	}
}

// TestOutOfOrder: the insert of a batch hangs while the next one of the same
// partition is stored. Its readings wait, and the others do not.
func TestOutOfOrder(t *testing.T) {
	v := newVisibility()
	at := func(seconds float64) time.Time { return testStart.Add(time.Duration(seconds * float64(time.Second))) }
	for offset := range int64(200) {
		v.produced(0, offset, at(0))
	}
	v.arrived(upTo(0, 100, 199), at(0.5))
	if got := v.awaited(); v.left() != 100 || len(got) != 1 || got[0] != (watermark{0, -1}) {
		t.Errorf("%d are left, awaited above %v; want the first hundred", v.left(), got)
	}
	v.arrived(upTo(0, 100, 199), at(3)) // found again, above what is waited for
	v.arrived(upTo(0, 0, 199), at(5))
	if l, waited, _ := v.overall(); v.left() != 0 || l.count != 200 || waited != 100 || l.max < 5*time.Second || l.p50 > time.Second || len(v.awaited()) != 0 {
		t.Errorf("%d left; of %d latencies %d waited, %v at most, median %v; want 0, 200, 100, 5 s and half a second", v.left(), l.count, waited, l.max, l.p50)
	}
	v.produced(0, 200, at(6))
	v.arrived(arrivals{0, []int64{201, 202, 203}}, at(6.1)) // not acknowledged yet
	v.produced(0, 202, at(6))
	if q := v.partitions[0]; v.left() != 1 || len(q.early) != 1 {
		t.Errorf("%d left, and %v seen early; want the one before it, and what nobody has heard of", v.left(), q.early)
	}
}

// TestQueueIsReused pushes and pops many times the queue's length.
func TestQueueIsReused(t *testing.T) {
	var q queue
	next := int64(0)
	for i := range int64(200_000) {
		q.push(waiting{offset: i})
		if i%4 != 0 || i > 100_000 {
			if got := q.first().offset; got != next {
				t.Fatalf("first is %d, want %d", got, next)
			}
			q.head++
			next++
		}
	}
	if cap(q.waiting) > 150_000 {
		t.Errorf("a queue of %d readings holds room for %d", q.len(), cap(q.waiting))
	}
}

// TestIntervals: a reading counts where it was to be sent, whenever it became
// visible.
func TestIntervals(t *testing.T) {
	v := newVisibility()
	v.keepIntervals(newIntervals(testStart, 5*time.Second, []Phase{{Name: "calm", For: 10 * time.Second}, {Name: "storm", For: 5 * time.Second}}))
	at := func(seconds float64) time.Time { return testStart.Add(time.Duration(seconds * float64(time.Second))) }
	v.produced(0, 1, at(-0.1))
	v.produced(0, 2, at(4.9))
	v.produced(0, 3, at(12))
	v.produced(0, 4, at(13))
	v.produced(1, 1, at(1e6))
	v.arrived(upTo(0, 1, 2), at(10))
	v.arrived(upTo(0, 3, 4), at(14))
	v.abandon(at(1e6 + 1))
	got, phases := v.timeline()
	want := []Interval{
		{From: 0, Count: 2, VisibleP50: 5100, VisibleP99: 10_100, VisibleMax: 10_100},
		{From: 10, Count: 2, VisibleP50: 1000, VisibleP99: 2000, VisibleMax: 2000},
		{From: 5 * (maxIntervals - 1), Count: 1, VisibleP50: 1000, VisibleP99: 1000, VisibleMax: 1000},
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= b/100 }
	if !slices.EqualFunc(got, want, func(a, b Interval) bool {
		return a.From == b.From && a.Count == b.Count && near(a.VisibleP50, b.VisibleP50) && near(a.VisibleP99, b.VisibleP99) && near(a.VisibleMax, b.VisibleMax)
	}) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(phases) != 2 || phases[0].Name != "calm" || phases[0].Count != 2 || !near(phases[0].VisibleMax, 10_100) ||
		phases[1].From != 10 || phases[1].To != 15 || phases[1].Count != 3 || !near(phases[1].VisibleMax, 2000) {
		t.Errorf("by phase: %+v; what comes after the last one counts in it", phases)
	}
	if got, phases := newVisibility().timeline(); got != nil || phases != nil {
		t.Errorf("nobody asked for intervals, got %v, %v", got, phases)
	}
}

func BenchmarkVisibility(b *testing.B) {
	v := newVisibility()
	now := testStart
	offset := int64(0)
	for b.Loop() {
		v.produced(int32(offset%8), offset/8, now)
		if offset++; offset%4096 == 0 {
			for p := range int32(8) {
				v.arrived(upTo(p, offset/8-512, offset/8-1), now.Add(time.Second))
			}
		}
	}
}
