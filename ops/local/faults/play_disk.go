package faults

import (
	"context"
	"errors"
	"time"

	"penstock/ops/local/stack"
)

// diskMiB is the disk that ClickHouse has while it is to become full: enough for
// some minutes of a round's load.
const diskMiB = 512

// noRoom is more than any disk has free.
const noRoom = 1 << 60

// confine starts ClickHouse anew on a small disk of its own. Where that takes
// more rights than this process has, the disk cannot be filled in truth, and
// the other ways of having no room remain.
func (h *harness) confine(ctx context.Context) (undo func() error, err error) {
	nothing := func() error { return nil }
	if err := stack.CanConfine(ctx); err != nil {
		h.say("  ClickHouse's disk is not filled, only said to be full: %v", err)
		return nothing, nil
	}
	ch := h.stack.ClickHouse
	if err := ch.Stop(); err != nil {
		return nothing, err
	}
	ch.Confine(diskMiB)
	return func() error {
		stopped := ch.Stop()
		ch.Confine(0)
		return errors.Join(stopped, ch.Start(ctx))
	}, ch.Start(ctx)
}

// doDiskFull takes ClickHouse's room away for a while: in truth, when whatever
// it writes next fails in the middle; or by a reserve, which has it refuse
// inserts with the error of a full disk, before the rows are written or, if it
// is the rollup that finds no room, after they are.
//
// While the disk is full in truth nothing is merged. A merge that runs out of
// room left ClickHouse 26.7 with a part whose marks are empty (error 246), so
// that rows it had acknowledged could not be read any more: that is the
// server's to mend, and nothing a client does can.
func (r *round) doDiskFull(ctx context.Context) error {
	const reserve = "min_free_disk_bytes_to_perform_insert"
	for i := range r.Faults {
		if err := r.moment(ctx, r.nodes); err != nil {
			return err
		}
		var fill, empty func() error
		var what string
		set := func(table string, bytes uint64) func() error {
			return func() error { return r.tables.set(ctx, table, reserve, bytes) }
		}
		switch way := i % 3; {
		case way == 0 && r.stack.ClickHouse.Confined():
			left := r.rand.Int64N(2 << 20)
			what = "disk full"
			fill = func() error { return errors.Join(r.tables.merges(ctx, false), r.stack.ClickHouse.Fill(left)) }
			empty = func() error { return errors.Join(r.stack.ClickHouse.Empty(), r.tables.merges(ctx, true)) }
		case way == 2:
			what = "no room for the rollup of rows"
			fill, empty = set(rollupTable, noRoom), set(rollupTable, 0)
		default:
			what = "no room for rows"
			fill, empty = set(hotTable, noRoom), set(hotTable, 0)
		}
		before := r.retries(ctx)
		if err := fill(); err != nil {
			return err
		}
		if err := sleep(ctx, between(r.rand, 2*time.Second, 5*time.Second)); err != nil {
			return err
		}
		after := r.retries(ctx)
		if err := empty(); err != nil {
			return err
		}
		if after > before {
			r.out.fired(1, what)
		}
		if err := r.flows(ctx); err != nil {
			return err
		}
	}
	return nil
}

// retries is how many attempts of all running nodes have failed so far.
func (r *round) retries(ctx context.Context) (sum float64) {
	for _, n := range r.nodes {
		if !n.running() {
			continue
		}
		if v, err := n.metric(ctx, metricRetries); err == nil {
			sum += v
		}
	}
	return sum
}
