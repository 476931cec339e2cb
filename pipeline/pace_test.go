package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"penstock/schema"
)

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	f := func(name string, newest, want time.Duration, behind bool, took ...time.Duration) {
		t.Helper()
		p := pace{cfg: Batching{Age: 200 * ms, AgeLimit: time.Second, Behind: 5 * time.Second}}
		for _, d := range took {
			p.stored(d)
		}
		if got, is := p.wait(newest); got != want || is != behind {
			t.Errorf("%s: waits %v, behind is %v; want %v, %v", name, got, is, want, behind)
		}
	}
	f("nothing was inserted yet", 0, 200*ms, false)
	f("inserts are quick", 0, 200*ms, false, 20*ms, 20*ms)
	f("inserts are slow", 0, 400*ms, false, 100*ms, 100*ms)
	f("inserts are slower than the limit allows for", 0, time.Second, false, 900*ms, 900*ms)
	f("one slow insert among quick ones", 0, 272*ms, false, 20*ms, 260*ms)
	f("an outage", 0, time.Second, false, 20*ms, time.Hour)
	f("records of a moment ago", 4999*ms, 200*ms, false, 20*ms)
	f("records of a while ago", 5*time.Second, 5*time.Second, true, 20*ms)
	f("a record that comes from the future", -time.Minute, 200*ms, false)
	f("batch.age above its limit", 0, 200*ms, false, 20*ms)
}

// Once an outage is over batches are soon small again.
func TestPaceForgetsAnOutage(t *testing.T) {
	p := pace{cfg: Default().Batch}
	p.stored(time.Minute)
	inserts := 0
	for ; ; inserts++ {
		if age, _ := p.wait(0); age == p.cfg.Age {
			break
		}
		p.stored(20 * time.Millisecond)
	}
	if inserts > 40 {
		t.Errorf("batches are wider for %d inserts after an outage", inserts)
	}
}

// What a batch's inserts take widens those to come, and not how many they are.
func TestBatchesWidenByWhatAnInsertTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSewer(t)
		defer s.end()
		s.owned.take(0, "")
		s.table.setBefore(func(ctx context.Context, token string, rows []schema.Origin) error {
			time.Sleep(100 * time.Millisecond)
			return s.hold(ctx, token, rows)
		})
		b := <-s.lane.free
		b.id, b.rows = "a", 3
		for day := range 3 {
			s.putAt(b, 0, day, curtain.AddDate(0, 0, -day))
		}
		s.lane.full <- b
		time.Sleep(time.Second)
		s.expectStored("three days", 3)
		if age, _ := s.lane.pace.wait(0); age != 400*time.Millisecond {
			t.Errorf("a batch waits %v after inserts of 100 ms", age)
		}
	})
}
