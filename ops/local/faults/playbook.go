package faults

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// playbook is what fires the faults of each scenario. It returns when they have
// been fired; an error is the harness's own, a stuckError the product's.
var playbook = map[Scenario]func(*round, context.Context) error{
	Kill:           (*round).doKill,
	Failpoints:     (*round).doFailpoints,
	Rebalance:      (*round).doRebalance,
	Zombie:         (*round).doZombie,
	ClickHouseKill: (*round).doClickHouseKill,
	Network:        (*round).doNetwork,
	LostAnswer:     (*round).doLostAnswer,
	Overflow:       (*round).doOverflow,
	BrokerKill:     (*round).doBrokerKill,
	Coordinator:    (*round).doCoordinator,
	DeadLetters:    (*round).doDeadLetters,
	DiskFull:       (*round).doDiskFull,
	Backlog:        (*round).doBacklog,
}

// initialNodes is how many nodes a round begins with.
func (r *round) initialNodes() int {
	if r.Scenario == Rebalance {
		return slots - 1 // so that one can be added
	}
	return slots
}

// shortSession is the session timeout of rounds in which nothing is measured: a
// dead node's partitions wait for it, and what is looked for there is what their
// next owner finds.
const shortSession = 2 * time.Second

// sessionTimeout of the round's nodes.
func (r *round) sessionTimeout() time.Duration {
	if r.Scenario == Failpoints || r.Scenario == Backlog || r.Scenario == Kill && !r.measured() {
		return min(shortSession, r.cfg.SessionTimeout)
	}
	return r.cfg.SessionTimeout
}

// insertTimeout of the round's nodes, which is about how long ClickHouse goes on
// with an insert, too. A zombie's is to arrive after others have taken over.
func (r *round) insertTimeout() time.Duration {
	if r.Scenario == Zombie {
		return 30 * time.Second // the product's default
	}
	return 5 * time.Second
}

// recovery is how the round's nodes come back from being behind.
func (r *round) recovery() string {
	if r.Scenario == Backlog {
		return FreshFirst
	}
	return r.cfg.Recovery
}

// measured tells whether a round of kills has the session timeout that times are
// taken with. Every other one has, and all of a run of few.
func (r *round) measured() bool { return r.Place%2 == 0 }

// between draws a time.
func between(source *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(source.Int64N(int64(to-from)+1))
}

// sleep waits; it returns an error if ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pick draws so many of the running nodes.
func (r *round) pick(n int) []*node {
	var running []*node
	for _, candidate := range r.nodes {
		if candidate.running() {
			running = append(running, candidate)
		}
	}
	r.rand.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	return running[:min(n, len(running))]
}

// aim waits until rows are on their way from one of the nodes to ClickHouse, and
// then a moment that ends before, in or after what ClickHouse does with them.
func (r *round) aim(ctx context.Context, nodes []*node) error {
	const enough = 4 << 10 // more than a query's text
	before := map[*node]int64{}
	for _, n := range nodes {
		before[n] = n.inserts.Bytes()
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for patience := time.Now().Add(2 * time.Second); time.Now().Before(patience); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		for _, n := range nodes {
			if n.inserts.Bytes()-before[n] > enough {
				return sleep(ctx, between(r.rand, 0, 60*time.Millisecond))
			}
		}
	}
	return nil
}

// moment waits for the next fault: at a time that has to do with nothing, or
// while an insert is on its way.
func (r *round) moment(ctx context.Context, nodes []*node) error {
	if r.rand.IntN(2) == 0 {
		return r.aim(ctx, nodes)
	}
	return sleep(ctx, between(r.rand, 0, 1500*time.Millisecond))
}

// what lists the faults that happened, by what they were.
func (o *outcome) what() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(o.Fired)) {
		parts = append(parts, fmt.Sprintf("%d %s", o.Fired[name], name))
	}
	return strings.Join(parts, ", ")
}
