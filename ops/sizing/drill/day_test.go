package drill

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/ops/scaling"
	"penstock/ops/sizing"
)

// simple is a system without overhead: a node does 100 events a second, a shard 200.
func simple() System {
	p := scaling.DefaultPolicy()
	p.Max = 12
	return System{
		Rate: 100, Peak: 1, Partitions: 12, Nodes: 2, NodeCores: 1, Lanes: 1, NodeCPU: 0.01,
		Shards: 4, ServerCores: 2, EngineCPU: 0.01, BatchRows: 1000, BatchAge: 1, Efficiency: 1,
		KafkaKeeps: time.Hour, Policy: p,
	}
}

func short(away Part, lasts time.Duration) Scenario {
	return Scenario{Away: away, At: 20 * time.Minute, For: lasts, Starts: 40 * time.Second, Stall: 3 * time.Second, Length: 2 * time.Hour}
}

// Whatever arrives is stored or waits, and nothing is stored that has not arrived.
func TestNothingIsLostOrMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simple()
		s.Rate = rapid.Float64Range(1, 2000).Draw(t, "rate")
		s.Peak = rapid.Float64Range(1, 2).Draw(t, "peak")
		s.Noise = rapid.Float64Range(0, 0.1).Draw(t, "noise")
		s.Nodes = rapid.IntRange(1, 12).Draw(t, "nodes")
		s.Shards = rapid.IntRange(1, 8).Draw(t, "shards")
		what := short(rapid.SampledFrom([]Part{ClickHouse, Ingest}).Draw(t, "away"), time.Duration(rapid.IntRange(0, 1800).Draw(t, "for"))*time.Second)
		what.Length = time.Hour
		d := Play(s, what)
		last := d.Minutes[len(d.Minutes)-1]
		if v := d.Verdict; v.Arrived != v.Stored+last.Lag || last.Lag < 0 || v.MaxLag < last.Lag {
			t.Errorf("%d arrived, %d were stored and %d wait, %d at most", v.Arrived, v.Stored, last.Lag, v.MaxLag)
		}
		var arrived, stored float64
		for _, m := range d.Minutes {
			arrived, stored = arrived+60*m.Arriving, stored+60*m.Stored
			if m.Lag < 0 || math.Abs(arrived-stored-float64(m.Lag)) > 1 {
				t.Errorf("at %v %.0f have arrived, %.0f are stored, and %d wait", m.At, arrived, stored, m.Lag)
			}
			if m.EngineUse > 1.001 || m.NodeUse > 1.001 {
				t.Errorf("at %v nodes use %v and ClickHouse %v of their cores", m.At, m.NodeUse, m.EngineUse)
			}
		}
		if arrived < s.Rate*0.3*3600*(2-s.Peak) {
			t.Errorf("%.0f arrived, with %.0f a second", arrived, s.Rate)
		}
	})
}

// A system of a fixed size catches up if it can do more than arrives, and enough more
// for the time there is.
func TestItCatchesUpIfItCanDoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simple()
		s.Nodes = rapid.IntRange(1, 12).Draw(t, "nodes")
		s.Policy.Min, s.Policy.Max = s.Nodes, s.Nodes
		s.Shards = rapid.IntRange(1, 4).Draw(t, "shards")
		can := min(s.nodesCan(s.Nodes), s.engineCan())
		s.Rate = can * rapid.Float64Range(0.2, 1.5).Draw(t, "load")
		away := time.Duration(rapid.IntRange(60, 1800).Draw(t, "for")) * time.Second
		what := short(ClickHouse, away)
		backlog, left := s.Rate*away.Seconds(), (what.Length - what.At - away).Seconds()
		takes := math.Inf(1) // until what waits is as young as promised
		if can > s.Rate {
			takes = (backlog - Promised.Seconds()*s.Rate) / (can - s.Rate)
		}
		if takes > left*0.98 && takes < left*1.02 {
			t.Skip("by a hair")
		}
		v := Play(s, what).Verdict
		if want := takes < left; v.Recovered != want {
			t.Fatalf("it has caught up: %v; can do %.0f/s of %.0f/s, has %.0f s and needs %.0f", v.Recovered, can, s.Rate, left, takes)
		}
		if got := v.After.Seconds(); v.Recovered && math.Abs(got-takes) > 10+0.05*takes {
			t.Errorf("it took %.0f s, want %.0f", got, takes)
		}
	})
}

// While ClickHouse is away nothing is scaled, and after that as much as it takes.
func TestTheScalerHoldsAndThenDrains(t *testing.T) {
	s := simple()
	d := Play(s, short(ClickHouse, 10*time.Minute))
	var said []string
	for _, c := range d.Changes {
		said = append(said, clock(c.At)+" "+c.Reason)
		if away := c.At > 20*time.Minute && c.At <= 30*time.Minute; away && c.From != c.To {
			t.Errorf("%d -> %d at %s, while ClickHouse is away", c.From, c.To, clock(c.At))
		}
	}
	i := slices.IndexFunc(d.Changes, func(c Change) bool { return c.At > 20*time.Minute })
	if i < 0 || !strings.Contains(d.Changes[i].Reason, "the circuit breaker of 2 of 2 nodes is open") {
		t.Errorf("it does not hold for the breaker: %s", said)
	}
	up := slices.IndexFunc(d.Changes, func(c Change) bool { return c.At > 30*time.Minute && c.To > c.From })
	if up < 0 || d.Changes[up].At > 32*time.Minute {
		t.Errorf("it does not scale up when ClickHouse is back: %s", said)
	}
	v := d.Verdict
	if !v.Recovered || v.Held < 9*time.Minute || v.MaxBehind < 10*time.Minute || v.MaxBehind > 11*time.Minute || !v.Safe {
		t.Errorf("%+v", v)
	}
	// Two nodes had taken ten minutes at least.
	if v.After > 6*time.Minute {
		t.Errorf("it took %v with more nodes", v.After)
	}
	if len(d.Changes) > 6 {
		t.Errorf("it flaps: %s", said)
	}
}

// Without nodes nobody looks: what was decided comes back, and begins anew.
func TestNoNodes(t *testing.T) {
	d := Play(simple(), short(Ingest, 5*time.Minute))
	for _, m := range d.Minutes {
		if out := m.At > 20*time.Minute && m.At <= 25*time.Minute; out != (m.Nodes == 0) || out != (m.Stored == 0) {
			t.Errorf("at %s %d nodes store %.0f/s", clock(m.At), m.Nodes, m.Stored)
		}
	}
	if v := d.Verdict; !v.Recovered || v.MaxLag < 30_000 || v.MaxLag > 31_000 {
		t.Errorf("%+v; want 30,000 events and those of a rebalance", v)
	}
}

// A ClickHouse that cannot catch up is named, and more nodes are not asked for.
func TestClickHouseIsTooSmall(t *testing.T) {
	s := simple()
	s.Rate, s.Nodes, s.Shards = 150, 4, 1 // which does 200
	s.Policy.Min = 4
	s.KafkaKeeps = 5 * time.Minute
	d := Play(s, short(ClickHouse, 60*time.Minute))
	v := d.Verdict
	if v.Recovered || v.Slow != "ClickHouse" || v.Safe {
		t.Errorf("%+v", v)
	}
	for _, c := range d.Changes {
		if c.To > 8 {
			t.Errorf("%d nodes are wanted: %s", c.To, c.Reason)
		}
	}
	for _, want := range []string{"has not caught up", "bounded it was ClickHouse", "events were lost"} {
		if !strings.Contains(v.String(), want) {
			t.Errorf("%q is not in: %s", want, v)
		}
	}
}

// The most nodes there are partitions for are as fast as those that have one more.
func TestUnevenNodes(t *testing.T) {
	s := simple()
	f := func(nodes int, want float64) {
		t.Helper()
		if got := s.nodesCan(nodes); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d nodes can do %v, want %v", nodes, got, want)
		}
	}
	f(0, 0)
	f(1, 100)
	f(4, 400)
	f(5, 400) // three partitions each, or two
	f(6, 600)
	f(12, 1200)
	f(20, 1200)
}

// What was measured: a node that was away for a minute, on two cores that everything
// shared (docs/performance.md, "All of it at once", backlog).
func TestItForetellsTheBacklogThatWasMeasured(t *testing.T) {
	in := sizing.DefaultInput()
	in.Size = 466
	p, err := sizing.New(in, sizing.DefaultFigures())
	if err != nil {
		t.Fatal(err)
	}
	s := FromPlan(p)
	s.Rate, s.Peak, s.Noise, s.Partitions = 40_000, 1, 0, 8
	s.Nodes, s.Policy.Min, s.Policy.Max = 1, 1, 1
	// One server stands for the machine, so an event takes what all programs took.
	s.Shards, s.ServerCores, s.EngineCPU, s.InsertCPU = 1, 2, p.Value("drain_us")/1e6, 0
	what := Scenario{Away: Ingest, At: 2 * time.Minute, For: time.Minute, Length: 10 * time.Minute}
	v := Play(s, what).Verdict
	f := func(what string, got, measured, within float64) {
		t.Helper()
		t.Logf("%s: foretold %.4g, measured %.4g", what, got, measured)
		if math.Abs(got/measured-1) > within {
			t.Errorf("%s: foretold %.4g, measured %.4g; want within %.0f %%", what, got, measured, 100*within)
		}
	}
	f("records behind", float64(v.MaxLag), 2_407_111, 0.02)
	f("seconds until it was worked off", v.After.Seconds(), 13, 0.15)

	// 150,000/s were held on that machine, by what they took then.
	s.Rate, s.EngineCPU = p.Value("fast_rate"), p.Value("fast_us")/1e6
	what.For = 0
	if v := Play(s, what).Verdict; v.MaxBehind > Promised {
		t.Errorf("150,000/s were held, and it foretells %v behind", v.MaxBehind)
	}
	s.Rate *= 1.1
	if v := Play(s, what).Verdict; v.MaxBehind < Promised {
		t.Errorf("165,000/s take more than the %v of both cores that were ever used, and it foretells %v behind", s.Efficiency, v.MaxBehind)
	}
}
