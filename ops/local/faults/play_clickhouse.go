package faults

import (
	"context"
	"time"
)

// doClickHouseKill kills ClickHouse, mostly while rows are on the way, and
// starts it again after a while.
func (r *round) doClickHouseKill(ctx context.Context) error {
	for range r.Faults {
		if err := r.moment(ctx, r.nodes); err != nil {
			return err
		}
		if err := r.stack.ClickHouse.Kill(); err != nil {
			return err
		}
		r.out.fired(1, "kill -9")
		if err := sleep(ctx, between(r.rand, 0, 2*time.Second)); err != nil {
			return err
		}
		if err := r.stack.ClickHouse.Start(ctx); err != nil {
			return err
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}
