package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// rejectsOf is n rejects of a reason.
func rejectsOf(reason schema.Reason, n int, detail string) []reject {
	all := make([]reject, n)
	for i := range all {
		all[i] = reject{record: &kgo.Record{Partition: 3, Offset: int64(i)}, why: &schema.Rejection{Reason: reason, Detail: detail}}
	}
	return all
}

func TestRejectRate(t *testing.T) {
	cfg := Rejects{Share: 0.1, Window: time.Minute, Least: 100}
	type step struct {
		after            time.Duration // since the one before
		records, rejects int
		high             bool
		of               int // records in the window
	}
	f := func(name string, steps ...step) {
		t.Helper()
		rate, now := rejectRate{cfg: cfg}, time.Unix(1_700_000_001, 0)
		for i, s := range steps {
			now = now.Add(s.after)
			rate.add(now, s.records, rejectsOf(schema.ReasonType, s.rejects, ""))
			if got := rate.look(now); got.High != s.high || got.Records != s.of {
				t.Errorf("%s, step %d: high %v with %d of %d records rejected; want %v of %d", name, i, got.High, got.Rejects, got.Records, s.high, s.of)
			}
		}
	}
	f("nothing", step{0, 0, 0, false, 0})
	f("as much as is allowed", step{0, 100, 10, false, 100})
	f("more", step{0, 100, 11, true, 100})
	f("of too few records", step{0, 99, 99, false, 99})
	f("by and by", step{0, 60, 6, false, 60}, step{time.Second, 60, 7, true, 120})
	f("then less", step{0, 100, 20, true, 100}, step{time.Second, 200, 0, false, 300})
	f("long ago", step{0, 100, 20, true, 100}, step{50 * time.Second, 0, 0, true, 100}, step{15 * time.Second, 0, 0, false, 0})
	f("the window moves", step{0, 100, 50, true, 100}, step{30 * time.Second, 100, 0, true, 200}, step{31 * time.Second, 0, 0, false, 100})
	f("a slot is used again", step{0, 100, 50, true, 100}, step{time.Hour, 100, 0, false, 100})
}

// Whoever is called wants to know what it mostly is, and one of it.
func TestRejectRateNamesTheReason(t *testing.T) {
	rate, now := rejectRate{cfg: DefaultRejects()}, time.Unix(1_700_000_001, 0)
	rate.add(now, 1000, append(rejectsOf(schema.ReasonTime, 40, "ts is 1970"), rejectsOf(schema.ReasonType, 30, "seq is x")...))
	rate.add(now.Add(10*time.Second), 1000, rejectsOf(schema.ReasonType, 35, "seq is y"))
	got := rate.look(now.Add(11 * time.Second))
	if got.Reason != schema.ReasonType || got.Top != 65 || got.Rejects != 105 || got.Records != 2000 || got.Sample.Rejection.Detail == "ts is 1970" || !got.High {
		t.Errorf("got %+v", got)
	}
}

// It is told once that the rate is high, and once that it no longer is, also if
// nothing comes any more.
func TestTheRejectRateIsToldWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []bool
		g := newRejectGuard(Rejects{Share: 0.1, Window: time.Minute, Least: 10, Policy: RejectAlert}, func(r RejectRate) { told = append(told, r.High) })
		for range 3 {
			if err := g.take(10, rejectsOf(schema.ReasonType, 5, "")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		g.look()
		time.Sleep(time.Hour)
		g.look()
		g.look()
		if fmt.Sprint(told) != "[true false]" {
			t.Errorf("told %v", told)
		}
	})
}

// A bad schema change dead-letters no fleet: the node stops with the letters of
// the batch unwritten, however often it is started, and one that can store the
// records does.
func TestTooManyRejectsStopTheNode(t *testing.T) {
	r := newRig(t)
	r.cfg.Rejects = Rejects{Share: 0.2, Window: time.Minute, Least: 50, Policy: RejectStop}
	for i := range 100 {
		r.send(0, event("dev", i))
		r.send(0, ahead("dev", 1000+i, 0))
	}
	for range 2 {
		r.expectStop("rejects.share allows 20.0 %", "for the reason time", "such as p0@", "set rejects.policy to alert")
	}
	written := 0
	if _, err := ReadLetters(t.Context(), r.cfg.Kafka, schema.Telemetry(), LetterFilter{}, func(Letter) error { written++; return nil }, nil); err != nil {
		t.Fatal(err)
	}
	// What comes in batches of fewer than rejects.least is not enough to tell.
	if written > 50 {
		t.Errorf("%d letters are written", written)
	}
	told := make(chan RejectRate, 100)
	r.cfg.Rejects.Policy = RejectAlert
	stop := r.start(Events{RejectRate: func(r RejectRate) { told <- r }})
	if rate := <-told; !rate.High || rate.Reason != schema.ReasonTime || !strings.Contains(rate.Sample.Rejection.Detail, "2035") {
		t.Errorf("told of %+v", rate)
	}
	r.await("commit of all", func() bool { return r.committed()[0] == 200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if stored, doubled := r.table.counts(); stored != 100 || doubled != 0 {
		t.Errorf("%d rows are stored, %d of them twice; want 100", stored, doubled)
	}
	if n := len(r.deadLetters(100)); n < 100 {
		t.Errorf("%d letters, want 100", n)
	}
}

func TestFaultsOfTheRejectBound(t *testing.T) {
	f := func(want string, change func(*Rejects)) {
		t.Helper()
		cfg := DefaultRejects()
		change(&cfg)
		if err := errors.Join(cfg.faults()...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("rejects.share is 0;", func(c *Rejects) { c.Share = 0 })
	f("rejects.share is 1.5;", func(c *Rejects) { c.Share = 1.5 })
	f("rejects.window is 1ms;", func(c *Rejects) { c.Window = time.Millisecond })
	f("rejects.least is 0;", func(c *Rejects) { c.Least = 0 })
	f(`rejects.policy is "ignore"; want alert or stop`, func(c *Rejects) { c.Policy = "ignore" })
}
