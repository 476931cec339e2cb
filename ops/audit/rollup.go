package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// State says how a day of the rollup stands to the rows it is made of.
type State string

// The states.
const (
	Agrees   State = "agrees"
	Differs  State = "differs"
	Repaired State = "repaired"
	// Unsettled: the day is being written, and what differs changed from one
	// look to the next.
	Unsettled State = "being written"
	// NotFilled: the rollup was added later, and `ingest migrate` has not yet
	// counted what was stored before.
	NotFilled State = "not backfilled yet"
	// NotHere: some of the day's rows are in the cold tier only, so that there is
	// nothing to hold the rollup against.
	NotHere State = "cold, not compared"
)

// Day is a day of a rollup.
type Day struct {
	Name    string `json:"name"`            // the rollup's view, as telemetry_1m
	Day     string `json:"day"`             // as 2026-11-22
	Shard   string `json:"shard,omitempty"` // empty if there is only one
	State   State  `json:"state"`
	Rows    uint64 `json:"rows"`    // hot and sealed
	Rollup  uint64 `json:"rollup"`  // the rollup's count of them
	Periods int    `json:"periods"` // that differ
	Why     string `json:"why,omitempty"`
}

// Rollups compares rollups with the rows they are made of, and computes days of
// them anew. A materialized view keeps each, whose part is stored after that of the
// rows: if ClickHouse dies between the two, and so does the node that would
// repeat the insert, the rollup lacks the rows.
type Rollups struct {
	conn     driver.Conn
	address  string
	schema   *schema.Schema
	tables   schema.Tables
	database string
	settings clickhouse.Settings
	// again is the time between two looks. An insert whose rows are seen and
	// whose part of the rollup is not has stored both by then.
	again time.Duration
}

const (
	// looks is how often a day that does not agree is looked at, at most.
	looks = 5
	// repairs is how often a day is computed anew, at most.
	repairs = 5
)

// OpenRollups connects when it is first asked something. The caller closes it.
func OpenRollups(opts *clickhouse.Options, s *schema.Schema, t schema.Tables) (*Rollups, error) {
	address := strings.Join(opts.Addr, ", ")
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("rollup at %s: %w", address, err)
	}
	r := &Rollups{conn: conn, address: address, schema: s, tables: t, database: cmp.Or(t.Database, "default"), settings: clickhouse.Settings{}, again: 2 * time.Second}
	if t.Replicated {
		r.settings["select_sequential_consistency"] = 1
	}
	return r, nil
}

// Close closes the connections.
func (r *Rollups) Close() error { return r.conn.Close() }

// counts are numbers of events by minute, Unix seconds.
type counts map[uint32]uint64

func (c counts) sum() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

// look is one look at a day: its rows before and after the rollup was read.
type look struct{ before, rollup, after counts }

// suspects returns the periods that cannot be explained by inserts between the
// looks at the rows, and by how much the rollup has what the rows have not.
func (l look) suspects() map[uint32][2]uint64 {
	all := map[uint32][2]uint64{}
	for _, of := range []counts{l.before, l.rollup, l.after} {
		for m := range of {
			if l.rollup[m] < l.before[m] || l.rollup[m] > l.after[m] {
				all[m] = [2]uint64{l.after[m], l.rollup[m]}
			}
		}
	}
	return all
}

// same returns the periods that two looks suspect of the same.
func same(a, b map[uint32][2]uint64) (n int) {
	for m, of := range a {
		if other, ok := b[m]; ok && of == other {
			n++
		}
	}
	return n
}

// Compare holds a day of a rollup against its rows, period by period. What
// differs has to differ by the same in two looks: rows are seen a moment before
// their part of the rollup is.
func (r *Rollups) Compare(ctx context.Context, of schema.RollupTables, day schema.Day) (Day, error) {
	out := Day{Name: of.Name(), Day: day.String()}
	if filling, err := r.filling(ctx, of); err != nil || filling {
		out.State, out.Why = NotFilled, "`ingest migrate` counts what was stored before the rollup was added"
		return out, err
	}
	var last map[uint32][2]uint64
	for n := range looks {
		if n > 0 {
			select {
			case <-time.After(r.again):
			case <-ctx.Done():
				return out, context.Cause(ctx)
			}
		}
		seen, err := r.look(ctx, of, day)
		if err != nil {
			return out, err
		}
		suspects := seen.suspects()
		out.Rows, out.Rollup, out.Periods = seen.after.sum(), seen.rollup.sum(), len(suspects)
		if len(suspects) == 0 {
			out.State = Agrees
			return out, nil
		}
		if out.Periods = same(last, suspects); out.Periods > 0 {
			return r.differs(ctx, day, out)
		}
		last = suspects
	}
	out.State, out.Periods = Unsettled, len(last)
	out.Why = fmt.Sprintf("what differs changed in each of %d looks; ask again when the day is no longer written to", looks)
	return out, nil
}

// differs tells a day whose rollup is wrong from one whose rows are elsewhere.
// The view shows those of the cold tier too; a day is whole here if it shows no
// others.
func (r *Rollups) differs(ctx context.Context, day schema.Day, out Day) (Day, error) {
	var shown uint64
	err := r.query(ctx, "SELECT count() FROM "+r.schema.All(r.tables)+" WHERE "+r.on(day), func(rows driver.Rows) error { return rows.Scan(&shown) })
	switch {
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case err != nil:
		out.State, out.Why = Unsettled, fmt.Sprintf("whether all of its rows are here is not known: %v", err)
	case shown > out.Rows:
		out.State = NotHere
	default:
		out.State = Differs
		out.Why = fmt.Sprintf("%d periods differ; `ingest audit --repair-rollups --day %s` computes the day anew from its rows", out.Periods, out.Day)
	}
	return out, nil
}

// filling reports whether a rollup that was added later is still without some of
// what was stored before.
func (r *Rollups) filling(ctx context.Context, of schema.RollupTables) (filling bool, err error) {
	err = r.query(ctx, "SELECT comment != '' FROM system.tables WHERE database = "+schema.QuoteString(r.database)+" AND name = "+schema.QuoteString(of.Name()),
		func(rows driver.Rows) error { return rows.Scan(&filling) })
	return filling, err
}

// on is the condition that an event is of a day.
func (r *Rollups) on(day schema.Day) string {
	return "toDate(" + schema.QuoteIdent(r.schema.Time.Field) + ") = " + schema.QuoteString(day.String())
}

func (r *Rollups) look(ctx context.Context, of schema.RollupTables, day schema.Day) (l look, err error) {
	if l.before, err = r.rows(ctx, of, day); err != nil {
		return l, err
	}
	if l.rollup, err = r.rollup(ctx, of, of.State(), day); err != nil {
		return l, err
	}
	l.after, err = r.rows(ctx, of, day)
	return l, err
}

// rows counts a day's rows, hot and then sealed.
func (r *Rollups) rows(ctx context.Context, of schema.RollupTables, day schema.Day) (counts, error) {
	all := counts{}
	for _, table := range []string{r.schema.Hot(r.tables), r.schema.Sealed(r.tables)} {
		statement := fmt.Sprintf("SELECT toUInt32(%s) AS p, count() FROM %s WHERE %s GROUP BY p", of.PeriodOf(), table, r.on(day))
		if err := r.count(ctx, statement, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// rollup counts what the rollup, or a table like it, has of a day.
func (r *Rollups) rollup(ctx context.Context, of schema.RollupTables, table string, day schema.Day) (counts, error) {
	all := counts{}
	return all, r.count(ctx, fmt.Sprintf("SELECT toUInt32(%s) AS p, sum(`events`) FROM %s WHERE toDate(%[1]s) = %[3]s GROUP BY p",
		of.Period(), table, schema.QuoteString(day.String())), all)
}

func (r *Rollups) count(ctx context.Context, statement string, into counts) error {
	return r.query(ctx, statement, func(rows driver.Rows) error {
		var period uint32
		var n uint64
		if err := rows.Scan(&period, &n); err != nil {
			return err
		}
		into[period] += n
		return nil
	})
}

func (r *Rollups) query(ctx context.Context, statement string, scan func(driver.Rows) error) (err error) {
	rows, err := r.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(r.settings)), statement)
	if err == nil {
		for err == nil && rows.Next() {
			err = scan(rows)
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	if err != nil {
		return fmt.Errorf("rollup at %s: %w", r.address, err)
	}
	return nil
}

func (c counts) equal(other counts) bool { return maps.Equal(c, other) }
