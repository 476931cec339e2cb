package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/schema"
)

// Repair compares a day and, if it differs, computes it anew from its rows: into
// a table of its own, whose partition then replaces the rollup's. It may be
// killed at any moment and repeated as often as one likes.
//
// REPLACE PARTITION takes along what the view adds between the computing and the
// replacing. So the day is replaced only if none of its rows came meanwhile, and
// compared again after, for the moment between that look and the replacing. A
// day that is written to all the time is therefore left as it is.
//
// What the rollup remembers of insert tokens outlives the replacing, so an insert
// that is repeated after it adds nothing. But the token of an insert whose part
// of the rollup never came was never spent: if a node still repeats such an
// insert, which it does only while it is in doubt about it, the rows count once
// more. The next comparison shows it, and repairing again mends it.
func (r *Rollups) Repair(ctx context.Context, of schema.RollupTables, day schema.Day) (Day, error) {
	out, err := r.Compare(ctx, of, day)
	if err != nil || out.State != Differs {
		return out, err
	}
	for n := range repairs {
		if n > 0 {
			select {
			case <-time.After(r.again):
			case <-ctx.Done():
				return out, context.Cause(ctx)
			}
		}
		replaced, err := r.replace(ctx, of, day)
		if err != nil {
			return out, err
		}
		if !replaced {
			continue
		}
		if out, err = r.Compare(ctx, of, day); err != nil {
			return out, err
		}
		if out.State == Agrees {
			out.State = Repaired
			return out, nil
		}
	}
	out.State = Differs
	out.Why = fmt.Sprintf("not repaired: rows of the day came during each of %d attempts; repair it when the day is over, or while no node runs", repairs)
	return out, nil
}

// replace computes the day anew and puts it in place of the rollup's, unless the
// day's rows changed on the way.
func (r *Rollups) replace(ctx context.Context, of schema.RollupTables, day schema.Day) (replaced bool, err error) {
	scratch, create := of.Scratch("repair", day)
	drop := "DROP TABLE IF EXISTS " + scratch + " SYNC" // also what a killed repair left
	if err := r.exec(ctx, drop); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.exec(context.WithoutCancel(ctx), drop)) }()
	if err := r.exec(ctx, create); err != nil {
		return false, err
	}
	before, err := r.rows(ctx, of, day)
	if err != nil {
		return false, err
	}
	for _, table := range []string{r.schema.Hot(r.tables), r.schema.Sealed(r.tables)} {
		if err := r.exec(ctx, "INSERT INTO "+scratch+"\n"+of.Of(table, r.on(day))); err != nil {
			return false, err
		}
	}
	computed, err := r.rollup(ctx, of, scratch, day)
	if err != nil {
		return false, err
	}
	after, err := r.rows(ctx, of, day)
	if err != nil || !before.equal(computed) || !computed.equal(after) {
		return false, err
	}
	return true, r.exec(ctx, fmt.Sprintf("ALTER TABLE %s REPLACE PARTITION %s FROM %s", of.State(), schema.QuoteString(day.String()), scratch))
}

// exec runs a statement that changes something. A day is grouped in the table's
// own order, which takes memory for one device at a time.
func (r *Rollups) exec(ctx context.Context, statement string) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"optimize_aggregation_in_order": 1, "insert_deduplicate": 0}))
	if err := r.conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("rollup at %s: %.80s: %w", r.address, statement, err)
	}
	return nil
}
