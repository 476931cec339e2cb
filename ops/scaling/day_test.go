package scaling

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; understand the difference before you commit it")

// day is a group in the course of a day: nodes that take a while to come, and
// stand still for a moment whenever their number changes.
type day struct {
	scaler   *Scaler
	nodes    int             // that read
	coming   []time.Duration // when others do, since midnight
	stands   time.Duration   // until when the group rebalances
	lag      float64
	capacity float64 // of a node
	cap      float64 // of ClickHouse; 0 for none

	changes  int
	nodeTime time.Duration
	worst    time.Duration
	late     time.Duration // how long the oldest record was older than a minute
	story    strings.Builder
}

const (
	tick      = 5 * time.Second
	nodeComes = 40 * time.Second
	stall     = 3 * time.Second
)

// step plays a tick with so many records arriving a second.
func (d *day) step(at time.Duration, arriving float64) {
	for len(d.coming) > 0 && d.coming[0] <= at {
		d.nodes, d.coming, d.stands = d.nodes+1, d.coming[1:], at+stall
	}
	can := float64(d.nodes) * d.capacity
	bottleneck := ""
	if d.cap > 0 && can > d.cap {
		can, bottleneck = d.cap, "an insert takes 6s on average"
	}
	if d.stands > at {
		can *= 1 - min(1, float64(d.stands-at)/float64(tick))
	}
	d.lag = max(0, d.lag+(arriving-can)*tick.Seconds())
	behind := time.Duration(d.lag / max(1, arriving) * float64(time.Second))
	d.worst = max(d.worst, behind)
	if behind > time.Minute {
		d.late += tick
	}
	d.nodeTime += time.Duration(d.nodes+len(d.coming)) * tick

	o := group(d.nodes, 64, arriving, int64(d.lag), behind)
	o.At, o.Capacity = noon.Truncate(24*time.Hour).Add(at), d.capacity
	if d.lag > 0 {
		o.Bottleneck = bottleneck
	}
	decision := d.scaler.Decide(o)
	was := d.nodes + len(d.coming)
	if decision.Nodes == was || decision.Nodes == 0 {
		return
	}
	d.changes++
	fmt.Fprintf(&d.story, "%8v  %2d -> %2d  %7.0f/s arrive, %v behind\n", at, was, decision.Nodes, arriving, behind.Round(time.Second))
	for n := was; n < decision.Nodes; n++ {
		d.coming = append(d.coming, at+nodeComes)
	}
	if decision.Nodes < was {
		d.coming = d.coming[:max(0, len(d.coming)-(was-decision.Nodes))]
		d.nodes, d.stands = min(d.nodes, decision.Nodes), at+stall
	}
}

// A day of a fleet that sleeps at night, with noise, a burst of five times the load
// for ten minutes, and ClickHouse slow for half an hour: the number of nodes follows
// in few steps, and what it costs is shown beside nodes for the peak all day.
func TestADay(t *testing.T) {
	p := DefaultPolicy()
	p.Peaks = []Peak{{From: 6*time.Hour + 55*time.Minute, To: 7*time.Hour + 30*time.Minute, Nodes: 8}}
	d := &day{scaler: New(p), nodes: 2, capacity: 100_000}
	const length = 24 * time.Hour
	for at := time.Duration(0); at < length; at += tick {
		arriving := 220_000 - 180_000*math.Cos(2*math.Pi*at.Hours()/24)
		arriving *= 1 + 0.1*math.Sin(float64(at/time.Second)*0.7) // noise
		switch {
		case 7*time.Hour <= at && at < 7*time.Hour+20*time.Minute: // all wake up at seven
			arriving += 250_000
		case 14*time.Hour <= at && at < 14*time.Hour+10*time.Minute:
			arriving *= 5
		}
		d.cap = 0
		if 19*time.Hour <= at && at < 19*time.Hour+30*time.Minute {
			d.cap = 150_000
		}
		d.step(at, arriving)
	}
	static := 32 * length // what the burst takes
	fmt.Fprintf(&d.story, "\n%d changes; the oldest record was %v old at most, and older than a minute for %v; %.0f node hours, %.0f %% of those of 32 nodes\n",
		d.changes, d.worst.Round(time.Second), d.late, d.nodeTime.Hours(), 100*d.nodeTime.Hours()/static.Hours())
	if d.changes > 30 {
		t.Errorf("the number of nodes changed %d times in a day", d.changes)
	}
	if d.worst > 10*time.Minute || d.late > time.Hour {
		t.Errorf("the oldest record was %v old, and older than a minute for %v", d.worst, d.late)
	}
	if share := d.nodeTime.Hours() / static.Hours(); share > 0.4 {
		t.Errorf("it took %.0f %% of what 32 nodes take", 100*share)
	}
	golden(t, "day.txt", d.story.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
	}
}
