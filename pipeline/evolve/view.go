package evolve

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/schema"
)

// maxViewBytes is how long the statement of a view may be: it lists every file
// of the cold tier, twice.
const maxViewBytes = 512 << 20

// renewViews gives the analysts' view of every shard the columns of a version
// that is ready. The compactor replaces it too; [schema.Schema.RenewView] says
// how the two get along.
func (r *Registry) renewViews(ctx context.Context, s *schema.Schema, report func(string)) error {
	for i := range r.conns {
		err := r.renewView(ctx, i, s, report)
		if errors.Is(err, schema.ErrSecret) {
			report(err.Error())
			continue
		}
		if err != nil {
			return fmt.Errorf("version %d of schema %s is ready, and the view has not its columns: %w", s.Version, s.Name, err)
		}
	}
	return nil
}

func (r *Registry) renewView(ctx context.Context, shard int, s *schema.Schema, report func(string)) error {
	var text string
	err := r.conns[shard].QueryRow(ctx, s.ViewCommentQuery(r.tables)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // whoever creates it gives it the columns there are then
	}
	if err != nil {
		return r.fail(shard, "read the comment of "+s.All(r.tables), err)
	}
	if c, err := schema.ParseViewComment(text); err == nil && c.SchemaVersion >= s.Version {
		return nil
	}
	statement, err := s.RenewView(r.tables, text)
	if err != nil {
		return err
	}
	large := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_query_size": maxViewBytes}))
	if err := r.conns[shard].Exec(large, statement); err != nil {
		return r.fail(shard, "replace "+s.All(r.tables), err)
	}
	report("view " + s.All(r.tables))
	return nil
}
