package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"penstock/schema"
)

// Schema implements [tiering.Warehouse]: the schema file's fields, and those
// that the newest ready version has beyond it. A database that no version was
// written down in has what the file says.
func (w *ClickHouse) Schema(ctx context.Context) (*schema.Schema, error) {
	var version uint32
	var text string
	err := w.conn.QueryRow(ctx, w.schema.NewestVersion(w.config.Tables(), schema.Ready)).Scan(&version, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return w.schema, nil
	}
	if err != nil {
		return nil, w.fail("read the newest version of schema "+w.schema.Name, err)
	}
	ready, err := schema.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("version %d in %s: %w", version, w.schema.Versions(w.config.Tables()), err)
	}
	if ready.Version < w.schema.Version {
		return nil, fmt.Errorf("the schema file is version %d of %s, and the tables are at version %d; run \"ingest migrate\" with that file first",
			w.schema.Version, w.schema.Name, ready.Version)
	}
	return w.schema.With(ready)
}

// Unknown implements [tiering.Warehouse].
func (w *ClickHouse) Unknown(ctx context.Context, s *schema.Schema) ([]string, error) {
	var known []string
	for _, c := range s.Columns() {
		known = append(known, schema.QuoteString(c.Name))
	}
	var unknown []string
	err := w.conn.QueryRow(ctx, fmt.Sprintf(`SELECT groupArray(concat(table, '.', name)) FROM system.columns
		WHERE database = $1 AND table IN ($2, $3) AND name NOT IN (%s)`, strings.Join(known, ", ")),
		w.config.Database, s.Name, s.Name+"_sealed").Scan(&unknown)
	if err != nil {
		return nil, w.fail("read the columns of "+s.Name, err)
	}
	return unknown, nil
}
