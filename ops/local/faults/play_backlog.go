package faults

import (
	"context"
	"regexp"
	"time"
)

// gapFound is what a node says of a partition that it begins to read at its head.
var gapFound = regexp.MustCompile(`partition ready.* gap=[1-9]`)

// doBacklog kills all nodes and lets a backlog grow. The nodes that are started
// then read what is fresh first and the backlog beside it; in the middle of that
// some are killed, and others take over what they had read at two places.
func (r *round) doBacklog(ctx context.Context) error {
	for range r.Faults {
		victims := r.pick(len(r.nodes))
		for _, n := range victims {
			if err := n.kill(); err != nil {
				return err
			}
		}
		if err := sleep(ctx, between(r.rand, 4*time.Second, 8*time.Second)); err != nil {
			return err
		}
		for _, n := range victims {
			if err := n.start(); err != nil {
				return err
			}
		}
		if err := r.awaitGapFound(ctx, victims); err != nil {
			return err
		}
		if err := sleep(ctx, between(r.rand, 0, 800*time.Millisecond)); err != nil {
			return err
		}
		victims = r.pick(1 + r.rand.IntN(len(r.nodes)))
		what := "killed beside a gap"
		for _, n := range victims {
			if left, err := n.metric(ctx, metricGap); err == nil && left > 0 {
				what = "killed while a gap was read"
			}
		}
		for _, n := range victims {
			if err := n.kill(); err != nil {
				return err
			}
		}
		r.out.fired(1, what)
		if err := sleep(ctx, between(r.rand, 0, 3*time.Second)); err != nil {
			return err
		}
		if err := r.restart(ctx, victims); err != nil {
			return err
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitGapFound waits until one of the nodes was given a partition that is behind.
func (r *round) awaitGapFound(ctx context.Context, nodes []*node) error {
	for patience := time.Now().Add(restartTimeout); time.Now().Before(patience); {
		for _, n := range nodes {
			said, err := n.said()
			if err != nil {
				return err
			}
			if gapFound.MatchString(said) {
				return nil
			}
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return &stuckError{"no node has read what is fresh first within " + restartTimeout.String() + " of its start"}
}
