package faults

import (
	"context"
	"errors"
	"time"
)

// doLostAnswer has rows stored of which the node never hears: the answer is
// lost, and then the connection. The node may send them again, or be killed.
func (r *round) doLostAnswer(ctx context.Context) error {
	for misses := 0; r.out.faults() < r.Faults && misses < 2*r.Faults+5; {
		n := r.pick(1)[0]
		stored, err := r.loseAnswer(ctx, n)
		if err != nil {
			return err
		}
		if !stored {
			misses++
		}
		twice := r.rand.IntN(4) == 0 // the next answer, too
		if !twice {
			n.answers.Lose(false)
		}
		kill := r.rand.IntN(5) == 0
		if kill {
			err = n.kill()
		} else {
			n.clickHouse.Cut()
		}
		if err != nil {
			return err
		}
		if twice && !kill {
			if err := sleep(ctx, between(r.rand, 300*time.Millisecond, time.Second)); err != nil {
				return err
			}
			n.clickHouse.Cut()
		}
		n.answers.Lose(false)
		if kill {
			if err := n.start(); err != nil {
				return err
			}
		}
		switch {
		case stored && kill:
			r.out.fired(1, "answer lost, then kill -9")
		case stored:
			r.out.fired(1, "answer lost, then tried again")
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// loseAnswer begins to lose the answers to a node's inserts and waits until rows
// of its partitions are stored though no answer has passed since. It goes on
// losing. False: there was no insert, or it was not stored.
func (r *round) loseAnswer(ctx context.Context, n *node) (stored bool, err error) {
	m, err := n.process.Metrics(ctx)
	if err != nil {
		return false, nil // a node that has just started has no answer to lose
	}
	owned, err := m.Partitions(metricCommitted)
	if err != nil {
		return false, err
	}
	lost := n.answers.Lost()
	n.answers.Lose(true)
	before, err := r.tables.marks(ctx)
	if err != nil {
		return false, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for patience := time.Now().Add(3 * time.Second); time.Now().Before(patience); {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-tick.C:
		}
		if n.answers.Lost() == lost {
			continue
		}
		after, err := r.tables.marks(ctx)
		if err != nil {
			return false, err
		}
		for p := range owned {
			if after[p] > before[p] {
				return true, nil
			}
		}
	}
	return false, nil
}

// smallWindow is how many tokens a table remembers while overflows are tried.
const smallWindow = 3

// doOverflow has ClickHouse forget the token of a batch that is stored and whose
// node does not know: the window is small, and the other nodes' batches fill
// it. Then the node is killed, or hears that its connection is gone and tries
// the batch again.
func (r *round) doOverflow(ctx context.Context) error {
	const window = "non_replicated_deduplication_window"
	for _, table := range []string{hotTable, rollupTable} {
		if err := r.tables.set(ctx, table, window, smallWindow); err != nil {
			return err
		}
	}
	for misses := 0; r.out.faults() < r.Faults && misses < 2*r.Faults+5; {
		n := r.pick(1)[0]
		stored, err := r.loseAnswer(ctx, n)
		if err != nil {
			return err
		}
		over := stored && r.spendTokens(ctx, n)
		n.answers.Lose(false)
		what := "tokens forgotten, then tried again"
		if r.rand.IntN(2) == 0 {
			what = "tokens forgotten, then kill -9"
			err = errors.Join(n.kill(), n.start())
		} else {
			n.clickHouse.Cut()
		}
		if err != nil {
			return err
		}
		if over {
			r.out.fired(1, what)
		} else {
			misses++
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// spendTokens waits until the other nodes have made more inserts than the window
// holds, while the connections of n stay silent.
func (r *round) spendTokens(ctx context.Context, n *node) bool {
	const enough = 3*smallWindow + 3
	count := func() (sum float64) {
		for _, other := range r.nodes {
			if other == n || !other.running() {
				continue
			}
			if v, err := other.metric(ctx, metricInserts); err == nil {
				sum += v
			}
		}
		return sum
	}
	began := count()
	// Within the nodes' insert_timeout: beyond it n tries again by itself, also
	// a way to meet a token that is forgotten.
	for patience := time.Now().Add(15 * time.Second); time.Now().Before(patience); {
		if count() >= began+enough {
			return true
		}
		if sleep(ctx, 100*time.Millisecond) != nil {
			return false
		}
	}
	return false
}
