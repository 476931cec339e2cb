package faults

import (
	"context"
	"time"
)

// restartTimeout is how long a started node may take to its first insert before
// it counts as stuck: several sessions, and a ClickHouse that comes back.
const restartTimeout = 40 * time.Second

// doKill kills one to three nodes at a time and starts them again; now and then
// it lets them lie until the others have taken over.
func (r *round) doKill(ctx context.Context) error {
	takeovers := 0
	if r.measured() {
		takeovers = max(1, r.Faults/10)
	}
	for fired := 0; fired < r.Faults; {
		victims := r.pick(min(1+r.rand.IntN(len(r.nodes)), r.Faults-fired))
		lie := takeovers > 0 && len(victims) < len(r.nodes) && r.rand.IntN(3) == 0
		if takeovers > 0 && r.Faults-fired <= 2*takeovers { // the last chances
			victims, lie = victims[:1], true
		}
		if err := r.moment(ctx, victims); err != nil {
			return err
		}
		for _, n := range victims {
			if err := n.kill(); err != nil {
				return err
			}
		}
		killed := time.Now()
		fired += len(victims)
		r.out.fired(len(victims), "kill -9")
		if lie {
			takeovers--
			if err := r.takeover(ctx, killed); err != nil {
				return err
			}
		} else if err := sleep(ctx, between(r.rand, 0, time.Second)); err != nil {
			return err
		}
		if err := r.restart(ctx, victims); err != nil {
			return err
		}
	}
	return nil
}

// takeover measures how long it is from a kill until every partition has stored
// what was produced after it. That is the dead nodes' partitions in truth: the
// others' go on.
func (r *round) takeover(ctx context.Context, killed time.Time) error {
	ends, err := r.ends(ctx)
	if err != nil {
		return err
	}
	if err := r.progress.await(ctx, ends, restartTimeout, r.revive); err != nil {
		return err
	}
	r.measures.takeover.add(time.Since(killed))
	return nil
}

// restart starts killed nodes and waits until each of them inserts; how long
// that takes is measured. A node that gets no partition does not insert, so
// there have to be more partitions than nodes; there are.
func (r *round) restart(ctx context.Context, nodes []*node) error {
	for _, n := range nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	inserted := make(chan bool, len(nodes))
	for _, n := range nodes {
		go func() {
			ok := n.awaitMetric(ctx, metricInserts, 1, restartTimeout)
			if ok && r.measured() {
				r.measures.restart.add(time.Since(n.process.Started))
			}
			inserted <- ok
		}()
	}
	all := true
	for range nodes {
		all = <-inserted && all
	}
	if err := r.revive(); err != nil {
		return err
	}
	if !all && ctx.Err() == nil {
		return &stuckError{"a node has inserted nothing within " + restartTimeout.String() + " of its start"}
	}
	return context.Cause(ctx)
}

// doRebalance adds and removes nodes in order and measures how long partitions
// stand still around it.
func (r *round) doRebalance(ctx context.Context) error {
	for range r.Faults {
		if err := sleep(ctx, between(r.rand, 500*time.Millisecond, 2*time.Second)); err != nil {
			return err
		}
		var idle []*node
		for _, n := range r.nodes {
			if !n.running() {
				idle = append(idle, n)
			}
		}
		began := time.Now()
		what := "node removed"
		if len(idle) == len(r.nodes)-1 || len(idle) > 0 && r.rand.IntN(2) == 0 {
			what = "node added"
			n := idle[r.rand.IntN(len(idle))]
			if err := n.start(); err != nil {
				return err
			}
			if !n.awaitMetric(ctx, metricInserts, 1, restartTimeout) {
				return &stuckError{n.spec.Name + " was added and has inserted nothing within " + restartTimeout.String()}
			}
		} else if err := r.pick(1)[0].process.Stop(); err != nil {
			r.out.found("%v", err)
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
		r.measures.stall.add(r.progress.stall(began, time.Now()))
		r.out.fired(1, what)
	}
	return nil
}

// doZombie has nodes stand still until others have taken their partitions over,
// with rows of theirs on the way to ClickHouse that arrive only then; and has
// them go on, not knowing.
func (r *round) doZombie(ctx context.Context) error {
	for range r.Faults {
		zombie := r.pick(1)[0]
		what := "stopped past its session"
		if r.rand.IntN(4) > 0 {
			zombie.inserts.Hold()
			if r.awaitHeld(ctx, zombie) {
				what = "the same, with an insert on its way"
			}
		} else if err := r.moment(ctx, []*node{zombie}); err != nil {
			return err
		}
		if err := zombie.pause(); err != nil {
			return err
		}
		ends, err := r.ends(ctx)
		if err != nil {
			return err
		}
		// Every partition has stored what was produced while the zombie stood
		// still: others own what it had.
		if err := r.progress.await(ctx, ends, restartTimeout, r.revive); err != nil {
			return err
		}
		first, second := zombie.resume, func() error { zombie.inserts.Release(); return nil }
		if r.rand.IntN(2) == 0 {
			first, second = second, first
		}
		if err := first(); err != nil {
			return err
		}
		if err := sleep(ctx, between(r.rand, 0, time.Second)); err != nil {
			return err
		}
		if err := second(); err != nil {
			return err
		}
		r.out.fired(1, what)
		if !zombie.awaitMetric(ctx, metricOwned, 1, restartTimeout) {
			r.out.found("%s has no partition within %v of going on", zombie.spec.Name, restartTimeout)
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitHeld waits until rows of the node are on their way and held there, all of
// them: the node has nothing to do any more for them to arrive.
func (r *round) awaitHeld(ctx context.Context, n *node) bool {
	const quiet = 50 * time.Millisecond
	last := n.inserts.Held()
	for patience := time.Now().Add(3 * time.Second); time.Now().Before(patience); {
		if sleep(ctx, quiet) != nil {
			return false
		}
		now := n.inserts.Held()
		if now > 0 && now == last {
			return true
		}
		last = now
	}
	return false
}
