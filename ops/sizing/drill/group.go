package drill

import (
	"fmt"
	"time"

	"penstock/ops/scaling"
)

// group is the nodes, and what scales them.
type group struct {
	system   System
	scenario Scenario
	observer *scaling.Observer
	scaler   *scaling.Scaler
	before   map[string]scaling.Sample // of the last look

	nodes  []*node
	next   int             // number of the next node, which names it
	coming []time.Duration // when others are there, soonest first
	stands time.Duration   // until when the group rebalances
	wanted int             // what was decided last
	held   bool            // and whether for ClickHouse
	reason string
}

// node is one that reads. Its counters are what its page would say.
type node struct {
	name string
	scaling.Sample
}

// lookEvery is how often the scaler looks.
const lookEvery = 5 * time.Second

// midnight is when the day begins. Any would do: a policy's peaks are by the hour.
var midnight = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

func newGroup(s System, what Scenario) *group {
	g := &group{system: s, scenario: what, scaler: scaling.New(s.Policy), observer: scaling.NewObserver(s.Policy.SlowInsert, s.NodeCores), wanted: s.Nodes}
	g.join(0, s.Nodes)
	g.stands = 0 // they were there before
	return g
}

// join adds nodes that begin anew.
func (g *group) join(at time.Duration, nodes int) {
	for range nodes {
		g.nodes = append(g.nodes, &node{fmt.Sprintf("node-%d", g.next), scaling.Sample{
			Began: float64(midnight.Add(at).Unix()), Cores: g.system.NodeCores, Partitions: map[int32]scaling.Position{},
		}})
		g.next++
	}
	g.stands = at + g.scenario.Stall
}

// die ends all nodes, and those that were coming.
func (g *group) die() { g.nodes, g.coming, g.before = nil, nil, nil }

// arrive lets nodes in that are due.
func (g *group) arrive(at time.Duration) {
	due := 0
	for due < len(g.coming) && g.coming[due] <= at {
		due++
	}
	if due > 0 {
		g.coming = g.coming[due:]
		g.join(at, due)
	}
}

// work is what the group did in a second.
type work struct {
	stored  float64
	inserts float64 // batches
	took    float64 // seconds of an insert
	waiting bool    // lanes are full, since ClickHouse takes no more
	away    bool    // it does not answer at all
}

// count has the counters of the nodes' pages say so.
func (g *group) count(w work) {
	n := float64(len(g.nodes))
	for _, node := range g.nodes {
		node.Records += w.stored / n
		node.CPU += float64(g.system.Lanes)*g.system.LaneCPU + g.system.NodeCPU*w.stored/n
		node.Inserts += w.inserts / n
		node.InsertSeconds += w.took * w.inserts / n
		node.BreakerOpen = w.away
		node.PausedLanes = 0
		if w.waiting || w.away {
			node.PausedLanes = float64(g.system.Lanes)
		}
	}
}

// look has the scaler look, and does what it decides. While ClickHouse is away
// partitions are paused, and nobody sees what comes.
func (g *group) look(at time.Duration, q *queue, away bool) {
	if len(g.nodes) == 0 {
		return // nobody answers, and what was decided stands
	}
	now := make(map[string]scaling.Sample, len(g.nodes))
	for i, node := range g.nodes {
		old := node.Partitions
		node.At, node.Assigned, node.Partitions = midnight.Add(at), 0, map[int32]scaling.Position{}
		for id := i; id < g.system.Partitions; id += len(g.nodes) {
			node.Assigned++
			p, known := old[int32(id)]
			if !away || !known {
				share := int64(g.system.Partitions)
				p = scaling.Position{High: float64(q.arrived / share), Lag: q.lag() / share, Behind: q.behind(at)}
			}
			node.Partitions[int32(id)] = p
		}
		now[node.name] = node.Sample
	}
	before := g.before
	g.before = now
	if before == nil {
		return // rates take two looks
	}
	d := g.scaler.Decide(g.observer.Observe(midnight.Add(at), before, now))
	g.held, g.reason = d.Held, d.Reason
	if d.Nodes > 0 && d.Nodes != g.wanted {
		g.scale(at, d.Nodes)
	}
}

// scale begins nodes, or ends some.
func (g *group) scale(at time.Duration, wanted int) {
	for n := len(g.nodes) + len(g.coming); n < wanted; n++ {
		g.coming = append(g.coming, at+g.scenario.Starts)
	}
	if fewer := len(g.nodes) + len(g.coming) - wanted; fewer > 0 {
		g.coming = g.coming[:max(0, len(g.coming)-fewer)]
		if len(g.nodes) > wanted {
			g.nodes, g.stands = g.nodes[:wanted], at+g.scenario.Stall
		}
	}
	g.wanted = wanted
}
