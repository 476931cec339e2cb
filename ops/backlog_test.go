package ops

import (
	"testing"
	"time"

	"penstock/pipeline"
)

// TestAge: what counts is the oldest record that is not committed.
func TestAge(t *testing.T) {
	b := newBacklog()
	b.assigned([]int32{0})
	p := b.owned[0]
	f := func(what string, want time.Duration, known bool) {
		t.Helper()
		if got, ok := p.age(storyTime); got != want || ok != known {
			t.Errorf("%s: %v, %v; want %v, %v", what, got, ok, want, known)
		}
	}
	poll := func(first, high int64, ago time.Duration) {
		b.polled(pipeline.Polled{First: first, Time: storyTime.Add(-ago).UnixMilli(), HighWatermark: high}, storyTime)
	}
	commit := func(next int64) {
		b.committed(pipeline.Committed{Next: map[int32]int64{0: next}}, storyTime)
	}
	f("nothing is known", 0, false)
	b.settled(pipeline.Settled{Next: 100})
	f("nothing was read", 0, false)
	poll(100, 1000, 60*time.Second)
	poll(200, 1000, 50*time.Second)
	poll(300, 1000, 40*time.Second)
	f("nothing is committed", 60*time.Second, true)
	commit(199)
	f("a part of the first read", 60*time.Second, true)
	commit(200)
	f("all of it", 50*time.Second, true)
	commit(350)
	f("more", 40*time.Second, true)
	commit(1000)
	f("everything", 0, true)
	commit(1010)
	f("more than was known to be there", 0, true)
	poll(1010, 1020, -time.Second)
	f("a record of tomorrow", 0, true)
	b.polled(pipeline.Polled{First: 1015, Time: -1, HighWatermark: 1020}, storyTime)
	commit(1016)
	f("a record without a time comes as it is read", 0, true)
}

// TestManyReads: of a partition that is far behind, not every read is remembered,
// and the age is still nearly right.
func TestManyReads(t *testing.T) {
	b := newBacklog()
	b.assigned([]int32{0})
	b.settled(pipeline.Settled{Next: 0})
	p := b.owned[0]
	const many = 10_000
	for i := range int64(many) {
		b.polled(pipeline.Polled{First: i, Time: storyTime.Add(time.Duration(i-many) * time.Second).UnixMilli(), HighWatermark: many}, storyTime)
	}
	if n := len(p.reads); n > maxReads {
		t.Errorf("%d reads are kept", n)
	}
	for _, next := range []int64{0, 1234, 5000, 9990} {
		b.committed(pipeline.Committed{Next: map[int32]int64{0: next}}, storyTime)
		want := time.Duration(many-next) * time.Second
		if got, ok := p.age(storyTime); !ok || got < want || got > want+4*many/maxReads*time.Second {
			t.Errorf("at %d of %d the oldest is %v old, want about %v", next, many, got, want)
		}
	}
}

// TestGap: of a partition that is read at its head and in a gap, the gap is what
// is to be done, and what arrives at the head is no part of it.
func TestGap(t *testing.T) {
	b := newBacklog()
	b.assigned([]int32{0})
	b.settled(pipeline.Settled{Next: 1000, Gap: 9000})
	at := func(ago time.Duration) int64 { return storyTime.Add(-ago).UnixMilli() }
	f := func(what string, todo int64, age time.Duration, done, arrived int64) {
		t.Helper()
		s := b.standing(storyTime)
		if s.todo != todo || s.age != age || b.forecast.done != done || b.forecast.arrived != arrived {
			t.Errorf("%s: %d to do, %v old, %d done, %d arrived; want %d, %v, %d, %d",
				what, s.todo, s.age, b.forecast.done, b.forecast.arrived, todo, age, done, arrived)
		}
	}
	b.polled(pipeline.Polled{First: 10_000, Time: at(time.Second), HighWatermark: 10_100}, storyTime)
	b.polled(pipeline.Polled{First: 1000, Time: at(90 * time.Second), HighWatermark: 10_100}, storyTime)
	f("both are read", 9000, 90*time.Second, 0, 0)
	b.polled(pipeline.Polled{First: 4000, Time: at(60 * time.Second), HighWatermark: 10_100}, storyTime)
	b.committed(pipeline.Committed{Next: map[int32]int64{0: 4000}, Gap: map[int32]int64{0: 6000}}, storyTime)
	b.polled(pipeline.Polled{First: 10_100, Time: at(0), HighWatermark: 10_300}, storyTime)
	f("a third is done", 6000, 60*time.Second, 3000, 0)
	b.committed(pipeline.Committed{Next: map[int32]int64{0: 10_200}, Gap: map[int32]int64{0: 0}}, storyTime)
	f("the gap is closed", 100, 0, 9000, 0)
	b.polled(pipeline.Polled{First: 10_300, Time: at(0), HighWatermark: 10_400}, storyTime)
	b.committed(pipeline.Committed{Next: map[int32]int64{0: 10_400}}, storyTime)
	f("as any other", 0, 0, 9200, 100)
}

// TestHandover: a partition that comes or goes is nothing done and nothing that
// arrived.
func TestHandover(t *testing.T) {
	b := newBacklog()
	b.assigned([]int32{0})
	b.settled(pipeline.Settled{Next: 1_000_000})
	b.polled(pipeline.Polled{First: 1_000_000, HighWatermark: 2_000_000}, storyTime)
	b.committed(pipeline.Committed{Next: map[int32]int64{0: 1_000_100}}, storyTime)
	b.disowned([]int32{0})
	b.committed(pipeline.Committed{Next: map[int32]int64{0: 1_900_000}}, storyTime)
	if s := b.standing(storyTime); s.todo != 0 || s.behind() {
		t.Errorf("a partition that was given away is still to be done: %+v", s)
	}
	b.assigned([]int32{0})
	b.settled(pipeline.Settled{Next: 1_900_000})
	b.polled(pipeline.Polled{First: 1_900_000, HighWatermark: 2_500_000}, storyTime)
	if b.forecast.done != 100 || b.forecast.arrived != 0 {
		t.Errorf("%d done and %d arrived, want 100 and 0", b.forecast.done, b.forecast.arrived)
	}
}
