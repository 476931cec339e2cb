package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"penstock/ops/local/proxy"
)

// doNetwork breaks the nodes' connections, each node's on its own.
func (r *round) doNetwork(ctx context.Context) error {
	share := ceil(r.Faults, len(r.nodes))
	errs := make(chan error, len(r.nodes))
	for i, n := range r.nodes {
		source := rand.New(rand.NewPCG(r.rand.Uint64(), r.rand.Uint64()))
		faults := min(share, r.Faults-i*share)
		go func() { errs <- r.breakNetwork(ctx, n, faults, source) }()
	}
	var all error
	for range r.nodes {
		all = errors.Join(all, <-errs)
	}
	return errors.Join(all, r.flows(ctx))
}

// breakNetwork fires so many faults at a node's connections. One counts if
// something was on its way while it lasted.
func (r *round) breakNetwork(ctx context.Context, n *node, faults int, source *rand.Rand) error {
	for fired, misses := 0, 0; fired < faults && misses < 2*faults+5; {
		if err := sleep(ctx, between(source, 200*time.Millisecond, 1500*time.Millisecond)); err != nil {
			return err
		}
		where, way := "kafka", n.kafka
		if source.IntN(2) == 0 {
			where, way = "clickhouse", n.clickHouse
		}
		what, passed, err := breakOnce(ctx, way, source, r.sessionTimeout())
		if err != nil {
			return err
		}
		if passed {
			fired++
			r.out.fired(1, where+" "+what)
		} else {
			misses++
		}
	}
	return nil
}

// breakOnce breaks a way for a moment and makes it whole again.
func breakOnce(ctx context.Context, way *proxy.Proxy, source *rand.Rand, session time.Duration) (what string, hit bool, err error) {
	direction := proxy.Upstream
	if source.IntN(2) == 0 {
		direction = proxy.Downstream
	}
	lasts := between(source, 300*time.Millisecond, 2*time.Second)
	var fault proxy.Fault
	switch source.IntN(6) {
	case 0:
		fault, what = proxy.Reset(direction), "reset"
	case 1:
		fault, what = proxy.Hang(direction), "hang"
		if source.IntN(5) == 0 {
			lasts, what = session+between(source, 0, 3*time.Second), "hang past the session"
		}
	case 2:
		// Somewhere in a request's head, in its rows, or a few requests on.
		fault, what = proxy.CutAfter(direction, 1<<source.IntN(19)), "cut"
	case 3:
		fault, what = proxy.Delay(direction, between(source, 20*time.Millisecond, 1500*time.Millisecond)), "delay"
	case 4:
		fault, what = proxy.Slow(direction, 1+source.Int64N(64)), "slow"
	case 5:
		what = "refused"
	}
	before := way.Passed(direction)
	if what == "refused" {
		way.Refuse()
	} else if err := way.Break(fault); err != nil {
		return what, false, err
	}
	err = sleep(ctx, lasts)
	hit = what == "refused" || way.Passed(direction) > before
	return what, hit, errors.Join(err, way.Heal(), way.Restore())
}
