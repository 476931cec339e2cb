package loadtest

import (
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

	v.advance(watermark{1, 3}, at(1000)) // a row between two live readings
	if v.left() != 4 {
		t.Errorf("%d left after offset 3; want 4", v.left())
	}
	v.advance(watermark{1, 2}, at(1500)) // an older answer changes nothing
	if got := v.awaited(); !slices.Contains(got, watermark{1, 3}) {
		t.Errorf("awaited %v after an older answer; want partition 1 above 3", got)
	}
	v.advance(watermark{9, 50}, at(1500))
	v.advance(watermark{1, 7}, at(2000))
	if got := v.awaited(); len(got) != 1 || got[0] != (watermark{2, 99}) {
		t.Errorf("awaited %v; want partition 2 above 99", got)
	}
	// Stored before Kafka's acknowledgement was heard: it was visible when the
	// watermark passed it.
	v.advance(watermark{2, 103}, at(2500))
	v.produced(2, 102, at(600))

	got, _ := v.overall()
	near := func(name string, got, want time.Duration) {
		if got < want-want/100 || got > want+want/100 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("p50", got.p50, 1900*time.Millisecond+100*time.Millisecond) // of 1000, 1900, 2000, 2000, 2000, 2000
	near("max", got.max, 2*time.Second)
	if n := v.all.TotalCount(); n != 6 {
		t.Errorf("%d latencies, want 6", n)
	}
}

func TestVisibilityAbandon(t *testing.T) {
	v := newVisibility()
	v.produced(0, 0, testStart)
	v.produced(0, 1, testStart)
	v.advance(watermark{0, 0}, testStart.Add(time.Second))
	if n := v.abandon(testStart.Add(time.Minute)); n != 1 || v.left() != 0 {
		t.Errorf("abandoned %d, %d left; want 1 and 0", n, v.left())
	}
	if got, _ := v.overall(); got.max < 59*time.Second {
		t.Errorf("max is %v; what never came has to count as a minute at least", got.max)
	}
}

// TestQueueIsReused pushes and pops many times the queue's length.
func TestQueueIsReused(t *testing.T) {
	var q queue
	next := int64(0)
	for i := range int64(200_000) {
		q.push(waiting{offset: i})
		if i%4 != 0 || i > 100_000 {
			if got := q.pop().offset; got != next {
				t.Fatalf("popped %d, want %d", got, next)
			}
			next++
		}
	}
	if cap(q.waiting) > 150_000 {
		t.Errorf("a queue of %d readings holds room for %d", q.len(), cap(q.waiting))
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
				v.advance(watermark{p, offset/8 - 1}, now.Add(time.Second))
			}
		}
	}
}
