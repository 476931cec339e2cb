package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// prove ends the load, waits until everything has arrived, stops the nodes, so
// that nothing can come after the proof, and asks the oracle.
func (r *round) prove(ctx context.Context) error {
	var f facts
	// What ends the load is visible before the gaps below it are read, and the
	// fleet takes it for the end of everything.
	err := r.awaitGaps(ctx)
	if err != nil {
		return err
	}
	if f.fleet, err = r.fleet.finish(); err != nil {
		return err
	}
	r.out.Stall = r.progress.stall(time.Time{}, time.Now())
	if f.lag, err = r.awaitNoLag(ctx); err != nil {
		return err
	}
	if err := errors.Join(r.revive(), r.stopNodes()); err != nil {
		return err
	}
	ends, err := r.ends(ctx)
	if err != nil {
		return err
	}
	for _, end := range ends {
		f.records += uint64(end)
	}
	if f.rows, f.places, err = r.tables.count(ctx); err != nil {
		return err
	}
	if f.days, err = r.tables.days(ctx); err != nil {
		return err
	}
	v := f.judge()
	v.Findings = append(r.out.Findings, v.Findings...)
	r.out.verdict = v
	r.out.Produced, r.out.Stored = f.fleet.Produced, f.rows
	if differ := f.daysThatDiffer(); len(differ) > 0 {
		if err := r.repair(ctx, len(differ)); err != nil {
			return err
		}
	}
	if v.Missing > 0 || v.Duplicated > 0 {
		r.out.Findings = append(r.out.Findings, f.fleet.Examples...)
	}
	return nil
}

// repair has the product recompute the rollups of the days that differ from their
// rows, if it can, and looks whether they still do. A rollup may miss rows when
// ClickHouse dies between a part and its rollup's, and the node that would have
// tried again dies, too; and miss some or have too many when an insert of a dead
// or frozen node meets the one that settles it, since rows and rollup each take
// the first that comes. It is provisional until it is repaired.
func (r *round) repair(ctx context.Context, differ int) error {
	const flag = "--repair-rollups"
	help, err := exec.CommandContext(ctx, r.cfg.Program, "audit", "--help").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ingest audit --help: %w", err)
	}
	if !strings.Contains(string(help), flag) {
		r.out.found("the rollups of %d days differ from their rows, and ingest cannot repair them", differ)
		return nil
	}
	audit := r.call(ctx, "audit", "audit", flag, "--config", r.nodes[0].spec.Config)
	after, err := r.tables.days(ctx)
	if err != nil {
		return err
	}
	left := facts{days: after}.daysThatDiffer()
	r.out.Repaired = differ - len(left)
	if len(left) > 0 {
		r.out.found("the rollups of %d days differ from their rows also after %s: %s (%v)", len(left), flag, strings.Join(left, ", "), audit)
	}
	return nil
}

// stopNodes stops every node in order.
func (r *round) stopNodes() error {
	var errs []error
	for _, n := range r.nodes {
		if n.running() {
			if err := n.process.Stop(); err != nil {
				r.out.found("%v", err)
			}
		}
	}
	return errors.Join(errs...)
}

// awaitGaps waits until everything is committed that was produced until now.
func (r *round) awaitGaps(ctx context.Context) error {
	ends, err := r.ends(ctx)
	if err != nil || r.recovery() == InOrder {
		return err
	}
	deadline := time.Now().Add(r.cfg.DrainTimeout)
	for {
		lag, err := r.lag(ctx, ends)
		if err != nil || lag == 0 {
			return err
		}
		if time.Now().After(deadline) {
			r.out.found("%d records are not committed %v after the last fault", lag, r.cfg.DrainTimeout)
			return nil
		}
		if err := errors.Join(sleep(ctx, 200*time.Millisecond), r.revive()); err != nil {
			return err
		}
	}
}

// awaitNoLag gives the last commits, which follow the last rows, twenty seconds.
func (r *round) awaitNoLag(ctx context.Context) (lag int64, err error) {
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ends, err := r.ends(ctx)
		if err == nil {
			lag, err = r.lag(ctx, ends)
		}
		if err != nil || lag == 0 {
			return lag, err
		}
		select {
		case <-ctx.Done():
			return lag, context.Cause(ctx)
		case <-deadline.C:
			return lag, nil // the oracle says that it is not 0
		case <-tick.C:
		}
	}
}

// lag is how many records below the ends the group has not committed.
func (r *round) lag(ctx context.Context, ends map[int32]int64) (int64, error) {
	committed, err := r.admin.FetchOffsets(ctx, r.names.group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("commits of group %s: %w", r.names.group, err)
	}
	lag := int64(0)
	for p, end := range ends {
		at := int64(0)
		if o, ok := committed.Lookup(r.names.topic, p); ok {
			at = max(at, o.At)
		}
		lag += max(0, end-at)
	}
	return lag, nil
}
