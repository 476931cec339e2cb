package scaling

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// group is an observation of evenly used partitions.
func group(nodes, partitions int, arriving float64, lag int64, behind time.Duration) Observation {
	o := Observation{Nodes: nodes, Capacity: 100_000, Topic: partitions}
	for id := range partitions {
		o.Partitions = append(o.Partitions, Partition{ID: int32(id), Arriving: arriving / float64(partitions), Lag: lag / int64(partitions), Behind: behind})
	}
	return o
}

// lasting has a scaler see the same for a while and returns its last decision.
func lasting(s *Scaler, from time.Time, o Observation, lasts time.Duration) (d Decision) {
	for at := time.Duration(0); at <= lasts; at += 5 * time.Second {
		o.At = from.Add(at)
		d = s.Decide(o)
	}
	return d
}

// What is wanted of a load that lasts, with nodes that do 100,000 records a
// second, of which 70,000 are planned with.
func TestWanted(t *testing.T) {
	f := func(name string, change func(*Policy), o Observation, want int, say string) {
		t.Helper()
		p := DefaultPolicy()
		if change != nil {
			change(&p)
		}
		d := lasting(New(p), noon, o, 10*time.Minute)
		if d.Nodes != want || !strings.Contains(d.Reason, say) {
			t.Errorf("%s: %d nodes since %q; want %d since %q", name, d.Nodes, d.Reason, want, say)
		}
	}
	none := func(*Policy) {}
	f("nothing arrives", none, group(8, 64, 0, 0, 0), 1, "a node can do 100000")
	f("one node is enough", none, group(1, 64, 70_000, 0, 0), 1, "70000 records/s arrive")
	f("a little more", none, group(1, 64, 70_001, 0, 0), 2, "")
	f("three would do, of 64 partitions four are even", none, group(1, 64, 200_000, 0, 0), 4, "")
	f("of 60 three are", none, group(1, 60, 200_000, 0, 0), 3, "")
	f("a backlog of records", none, group(1, 64, 60_000, 60_000_000, time.Minute), 4, "260000 have to be done for the lag to be gone in 5m0s")
	f("few records, and old ones", none, group(1, 64, 60_000, 64, 20*time.Minute), 1, "60000 have to be done")
	f("a backlog to be gone in an hour", func(p *Policy) { p.Drain = time.Hour }, group(1, 64, 60_000, 60_000_000, time.Minute), 2, "")
	f("fewer partitions than nodes are wanted", none, group(1, 4, 1_000_000, 0, 0), 4, "partition 0 alone gets 250000/s")
	f("as many partitions as nodes", func(p *Policy) { p.PartitionShare = 1 }, group(1, 16, 700_000, 160_000_000, time.Minute), 16, "18 would be wanted, and there are 16 partitions")
	f("max is less", func(p *Policy) { p.Max = 6 }, group(1, 64, 700_000, 0, 0), 6, "10 would be wanted, and max is 6")
	f("min is more", func(p *Policy) { p.Min = 3 }, group(1, 64, 10, 0, 0), 4, "at least 3 at this time")
	f("a peak that is due", func(p *Policy) { p.Peaks = []Peak{{From: 11 * time.Hour, To: 13 * time.Hour, Nodes: 16}} }, group(1, 64, 10, 0, 0), 16, "at least 16 at this time")
	f("a peak that is not", func(p *Policy) { p.Peaks = []Peak{{From: 22 * time.Hour, To: 2 * time.Hour, Nodes: 16}} }, group(1, 64, 10, 0, 0), 1, "")

	unknown := group(3, 64, 1_000_000, 0, 0)
	unknown.Capacity = 0
	f("nobody knows what a node can do", none, unknown, 3, "not known yet")

	hot := group(2, 64, 64_000, 0, 0)
	hot.Partitions[7].Arriving, hot.Partitions[7].Lag, hot.Partitions[7].Behind = 80_000, 50_000_000, 10*time.Minute
	f("a hot partition is not scaled for", none, hot, 2, "partition 7 alone gets 80000/s, more than a node reads of one")

	busy := group(2, 64, 700_000, 60_000_000, 5*time.Minute)
	busy.Bottleneck = "an insert takes 8s on average"
	f("ClickHouse takes no more", none, busy, 2, "ClickHouse is the bottleneck: an insert takes 8s on average; for the load there should be 16 nodes, and more could only wait")
	calm := group(8, 64, 10_000, 0, 0)
	calm.Bottleneck = "an insert takes 8s on average"
	f("nor are there fewer: what waits is more than is seen", none, calm, 8, "ClickHouse is the bottleneck")
	f("a peak is kept all the same", func(p *Policy) { p.Peaks = []Peak{{From: 11 * time.Hour, To: 13 * time.Hour, Nodes: 16}} }, calm, 16, "ClickHouse is the bottleneck")

	partial := group(8, 64, 10_000, 0, 0)
	partial.Partial, partial.Partitions = true, partial.Partitions[:40]
	f("part of the group is not seen", none, partial, 8, "40 of 64 partitions are seen")
	empty := group(1, 64, 70_001, 0, 0)
	empty.Partitions = empty.Partitions[3:] // in which nothing has ever come
	empty.Partitions[0].Arriving += 3 * 70_001 / 64.
	f("partitions without records count", none, empty, 2, "")
}

// The number goes up once more have been wanted throughout 30 s, and down once
// fewer were wanted throughout five minutes.
func TestSteady(t *testing.T) {
	s := New(DefaultPolicy())
	at := noon
	var said []string
	f := func(arriving float64, lasts time.Duration) {
		end := at.Add(lasts)
		for ; at.Before(end); at = at.Add(5 * time.Second) {
			o := group(2, 64, arriving, 0, 0)
			o.At = at
			if d := s.Decide(o); d.Nodes > 0 && len(said) == 0 || d.Nodes > 0 && !strings.HasSuffix(said[len(said)-1], fmt.Sprint(" ", d.Nodes)) {
				said = append(said, fmt.Sprintf("%v %d", at.Sub(noon), d.Nodes))
			}
		}
	}
	f(100_000, time.Minute)      // two
	f(500_000, 25*time.Second)   // a burst that is over too soon
	f(100_000, time.Minute)      //
	f(500_000, 10*time.Minute)   // one that stays
	f(100_000, 290*time.Second)  // a lull
	f(500_000, 5*time.Second)    //
	f(100_000, 10*time.Minute)   // and the end
	f(1_000_000, 35*time.Second) //
	want := []string{"30s 2", "2m55s 8", "22m20s 2", "27m50s 16"}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", said, want)
	}
}

// What was wanted while ClickHouse took no more is forgotten when it does again.
func TestHeldIsForgotten(t *testing.T) {
	s := New(DefaultPolicy())
	busy := group(2, 64, 700_000, 0, 0)
	busy.Bottleneck = "the breaker is open"
	if d := lasting(s, noon, busy, 10*time.Minute); d.Nodes != 2 || !d.Held {
		t.Fatalf("%+v", d)
	}
	busy.Bottleneck = ""
	busy.At = noon.Add(11 * time.Minute)
	if d := s.Decide(busy); d.Nodes != 2 || d.Held {
		t.Errorf("%+v; want what there is until it has lasted", d)
	}
	if d := lasting(s, noon.Add(12*time.Minute), busy, 30*time.Second); d.Nodes != 16 {
		t.Errorf("%+v; want 16", d)
	}
}

// A node that does not answer for a while is no reason to have fewer.
func TestANodeThatStartsAnew(t *testing.T) {
	s := New(DefaultPolicy())
	lasting(s, noon, group(4, 64, 250_000, 0, 0), time.Minute)
	seen := group(3, 64, 250_000, 0, 0)
	seen.Partitions, seen.Partial = seen.Partitions[:48], true
	if d := lasting(s, noon.Add(2*time.Minute), seen, 20*time.Minute); d.Nodes != 4 {
		t.Errorf("%+v; want 4", d)
	}
	// Another has its partitions, and it comes back for them.
	if d := lasting(s, noon.Add(30*time.Minute), group(3, 64, 250_000, 0, 0), 20*time.Minute); d.Nodes != 4 {
		t.Errorf("%+v; want 4", d)
	}
}

// A scaler that starts while half of the group is starting too does not take what
// answers first for all there is.
func TestTheFirstAnswerWaits(t *testing.T) {
	s := New(DefaultPolicy())
	if d := lasting(s, noon, group(2, 64, 10, 0, 0), 20*time.Second); d.Nodes != 0 || !strings.Contains(d.Reason, "watched for 30s") {
		t.Errorf("%+v; want none yet", d)
	}
	if d := lasting(s, noon.Add(25*time.Second), group(4, 64, 10, 0, 0), 10*time.Second); d.Nodes != 4 {
		t.Errorf("%+v; want the most that were seen", d)
	}
}

// What was before a time in which nobody looked does not last.
func TestAGapIsForgotten(t *testing.T) {
	s := New(DefaultPolicy())
	lasting(s, noon, group(8, 64, 10, 0, 0), time.Minute)
	late := group(8, 64, 10, 0, 0)
	late.At = noon.Add(20 * time.Minute)
	if d := s.Decide(late); d.Nodes != 8 {
		t.Errorf("%+v; want 8 still", d)
	}
}

func TestPolicyFaults(t *testing.T) {
	f := func(change func(*Policy), want string) {
		t.Helper()
		p := DefaultPolicy()
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(p *Policy) { p.Min = 0 }, "min is 0")
	f(func(p *Policy) { p.Max = 0 }, "max is 0 with min 1")
	f(func(p *Policy) { p.Drain = 0 }, "drain is 0s")
	f(func(p *Policy) { p.Headroom = 1.1 }, "headroom is 1.1")
	f(func(p *Policy) { p.PartitionShare = 0 }, "partition_share is 0")
	f(func(p *Policy) { p.UpAfter = -1 }, "up_after is -1ns")
	f(func(p *Policy) { p.DownAfter = time.Second }, "down_after is 1s with up_after 30s")
	f(func(p *Policy) { p.SlowInsert = 0 }, "slow_insert is 0s")
	f(func(p *Policy) { p.Peaks = []Peak{{Nodes: 65}} }, "peaks has one of 65 nodes, and max is 64")
	if err := DefaultPolicy().Validate(); err != nil {
		t.Error(err)
	}
}

func TestPeak(t *testing.T) {
	f := func(text string, want Peak) {
		t.Helper()
		var p Peak
		err := p.UnmarshalText([]byte(text))
		if want.Nodes > 0 && (err != nil || p != want) || want.Nodes == 0 && err == nil {
			t.Errorf("%s: got %+v, %v; want %+v", text, p, err, want)
		}
	}
	f("07:30-09:00=12", Peak{7*time.Hour + 30*time.Minute, 9 * time.Hour, 12})
	f("22:00-02:00=4", Peak{22 * time.Hour, 2 * time.Hour, 4})
	f("00:00-24:00=4", Peak{0, 24 * time.Hour, 4})
	for _, bad := range []string{"", "7-9=12", "07:30-09:00", "07:30-07:30=1", "25:00-26:00=1", "07:60-09:00=1", "07:30-09:00=0", "07:30-09:00=12x", "-1:00-02:00=3"} {
		f(bad, Peak{})
	}
}
