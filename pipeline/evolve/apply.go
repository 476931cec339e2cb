package evolve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/schema"
)

// ErrOvertaken is that another wrote down the version first, with other fields.
var ErrOvertaken = errors.New("another change of the schema came first; look at it with \"ingest schema show\" and plan again")

// Begin brings the tables to the schema file, or, where they are ahead of it,
// every table to where the others are: a shard may be new. Every step that is
// done is given to report.
func (r *Registry) Begin(ctx context.Context, report func(step string)) error {
	ready, err := r.finished(ctx, report)
	if err != nil {
		return err
	}
	if ready == nil || ready.Version < r.file.Version {
		return r.Apply(ctx, r.file, report)
	}
	s, err := r.file.With(ready)
	if err != nil {
		return err
	}
	return r.addColumns(ctx, s, 1, report)
}

// Apply brings every table to a version that extends what is written down, and
// returns when every shard and replica has its columns. Every step that is done
// is given to report.
//
// It may be killed at any point and repeated, by anyone: what is accepted and
// not ready is finished first. Several may apply at once; those who are too late
// with another text are told so by [ErrOvertaken].
func (r *Registry) Apply(ctx context.Context, next *schema.Schema, report func(step string)) error {
	ready, err := r.finished(ctx, report)
	if err != nil {
		return err
	}
	since := 1
	if ready != nil {
		if ready.Text() == next.Text() {
			return nil
		}
		if ready.Version >= next.Version {
			return fmt.Errorf("version %d of schema %s is written down already: %w", ready.Version, next.Name, ErrOvertaken)
		}
		if err := next.Extends(ready); err != nil {
			return fmt.Errorf("version %d of schema %s cannot follow version %d: %w", next.Version, next.Name, ready.Version, err)
		}
		since = ready.Version
	}
	if err := r.put(ctx, next, schema.Accepted); err != nil {
		return err
	}
	decided, err := r.Newest(ctx, schema.Accepted)
	switch {
	case err != nil:
		return err
	case decided == nil:
		return fmt.Errorf("version %d of schema %s was written down in %s and is not there", next.Version, next.Name, r.file.Versions(r.tables))
	case decided.Text() != next.Text():
		return fmt.Errorf("version %d of schema %s: %w", decided.Version, next.Name, ErrOvertaken)
	}
	report(fmt.Sprintf("version %d of schema %s accepted", next.Version, next.Name))
	return r.finish(ctx, next, since, report)
}

// finished returns the newest version that is ready, after it has finished the
// one that is accepted and not ready, if there is one; nil if there is none.
func (r *Registry) finished(ctx context.Context, report func(step string)) (*schema.Schema, error) {
	accepted, err := r.Newest(ctx, schema.Accepted)
	if err != nil || accepted == nil {
		return nil, err
	}
	ready, err := r.Newest(ctx, schema.Ready)
	if err != nil {
		return nil, err
	}
	since := 1 // whose columns the tables were created with
	if ready != nil {
		if since = ready.Version; since == accepted.Version {
			return ready, r.renewViews(ctx, ready, report) // it may have ended before that
		}
	}
	return accepted, r.finish(ctx, accepted, since, report)
}

// finish gives every table the columns of a version that came after another, and
// writes the version down as ready.
func (r *Registry) finish(ctx context.Context, s *schema.Schema, since int, report func(string)) error {
	if err := r.addColumns(ctx, s, since, report); err != nil {
		return err
	}
	if err := r.put(ctx, s, schema.Ready); err != nil {
		return err
	}
	report(fmt.Sprintf("version %d of schema %s ready", s.Version, s.Name))
	return r.renewViews(ctx, s, report)
}

// addColumns gives every table the columns of the fields that came after a
// version, and returns when all have them.
func (r *Registry) addColumns(ctx context.Context, s *schema.Schema, since int, report func(string)) error {
	// An answer is that of the replicas that are up; the others are waited for
	// below.
	settings := clickhouse.Settings{"alter_sync": 1, "distributed_ddl_output_mode": "none_only_active"}
	for _, statement := range s.AddColumns(r.tables, since) {
		head, _, _ := strings.Cut(statement, "\n")
		// On every shard, though ON CLUSTER reaches all of its own cluster from
		// one: shards need not be of one cluster, and it may be repeated.
		for i, conn := range r.conns {
			if err := conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), statement); err != nil {
				return r.fail(i, head, err)
			}
		}
		report(head)
	}
	query := s.MissingColumns(r.tables, since)
	if query == "" {
		return nil
	}
	for i := range r.conns {
		if err := r.await(ctx, i, query); err != nil {
			return fmt.Errorf("version %d of schema %s is not everywhere: %w; repeat this to finish it", s.Version, s.Name, err)
		}
	}
	return nil
}

// awaitPause is between two looks at the columns of all replicas.
const awaitPause = 100 * time.Millisecond

// await returns when the query finds no table that lacks columns. A replica that
// does not answer may lack them.
func (r *Registry) await(ctx context.Context, shard int, query string) error {
	for {
		missing, err := r.missing(ctx, shard, query)
		if err == nil && len(missing) == 0 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("columns are missing yet in %s", strings.Join(missing, ", "))
		}
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// missing returns the tables, each as host/name, that lack columns.
func (r *Registry) missing(ctx context.Context, shard int, query string) (all []string, err error) {
	rows, err := r.conns[shard].Query(ctx, query)
	if err != nil {
		return nil, r.fail(shard, "read the columns of every replica", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var host, table string
		var has uint64
		if err := rows.Scan(&host, &table, &has); err != nil {
			return nil, r.fail(shard, "read the columns of every replica", err)
		}
		all = append(all, host+"/"+table)
	}
	return all, rows.Err()
}
