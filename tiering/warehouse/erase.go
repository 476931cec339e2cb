package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"penstock/schema"
	"penstock/tiering"
)

// RowsOf implements [tiering.Warehouse].
func (w *ClickHouse) RowsOf(ctx context.Context, devices []string) (_ []tiering.Partition, err error) {
	of, day := w.ofDevices(devices), "toDate("+schema.QuoteIdent(w.schema.Time.Field)+")"
	rows, err := w.conn.Query(ctx, fmt.Sprintf(`SELECT toString(day), sum(hot), sum(sealed) FROM (
		SELECT %[1]s AS day, count() AS hot, 0 AS sealed FROM %[2]s WHERE %[4]s GROUP BY day
		UNION ALL SELECT %[1]s AS day, 0 AS hot, count() AS sealed FROM %[3]s WHERE %[4]s GROUP BY day) GROUP BY day ORDER BY day`,
		day, w.schema.Hot(w.config.Tables()), w.schema.Sealed(w.config.Tables()), of))
	if err != nil {
		return nil, w.fail("count the rows of devices", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []tiering.Partition
	for rows.Next() {
		var p tiering.Partition
		var name string
		if err := rows.Scan(&name, &p.HotRows, &p.SealedRows); err != nil {
			return nil, w.fail("count the rows of devices", err)
		}
		if p.Day, err = schema.ParseDay(name); err != nil {
			return nil, fmt.Errorf("count the rows of devices: %w", err)
		}
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, w.fail("count the rows of devices", err)
	}
	return out, nil
}

// Erase implements [tiering.Warehouse].
func (w *ClickHouse) Erase(ctx context.Context, devices []string, sealed []schema.Day) (left []string, err error) {
	t := w.config.Tables()
	for _, statement := range w.eraseStatements(devices, sealed) {
		if err := w.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	for _, r := range w.schema.RollupTables(t) {
		if !r.ByDevice() {
			left = append(left, r.Name())
		}
	}
	return left, nil
}

// eraseStatements are mutations, which the server goes on with by itself.
func (w *ClickHouse) eraseStatements(devices []string, sealed []schema.Day) []string {
	t, of := w.config.Tables(), w.ofDevices(devices)
	all := []string{fmt.Sprintf("ALTER TABLE %s DELETE WHERE %s", w.schema.Hot(t), of)}
	for _, day := range sealed {
		all = append(all, fmt.Sprintf("ALTER TABLE %s DELETE IN PARTITION %s WHERE %s", w.schema.Sealed(t), schema.QuoteString(day.String()), of))
	}
	for _, r := range w.schema.RollupTables(t) {
		if r.ByDevice() {
			all = append(all, fmt.Sprintf("ALTER TABLE %s DELETE WHERE %s", r.State(), of))
		}
	}
	return all
}

// Erasing implements [tiering.Warehouse]. A mutation of another's is waited for
// too: it stands before ours, or does what ours does.
func (w *ClickHouse) Erasing(ctx context.Context) (parts uint64, err error) {
	tables := []string{w.schema.Name, w.schema.Name + "_sealed"}
	for _, r := range w.schema.RollupTables(w.config.Tables()) {
		tables = append(tables, r.StateName())
	}
	return w.mutating(ctx, tables...)
}

// Deleting implements [tiering.Warehouse].
func (w *ClickHouse) Deleting(ctx context.Context) (bool, error) {
	parts, err := w.mutating(ctx, w.schema.Name+"_sealed")
	return parts > 0, err
}

// mutating counts the parts that mutations of these tables have still to rewrite,
// at least one for each.
func (w *ClickHouse) mutating(ctx context.Context, tables ...string) (parts uint64, err error) {
	for i, t := range tables {
		tables[i] = schema.QuoteString(t)
	}
	query := fmt.Sprintf(`SELECT count(), toUInt64(sum(greatest(parts_to_do, 1))), anyIf(concat(table, ', ', mutation_id, ': ', latest_fail_reason), latest_fail_reason != '')
		FROM %s WHERE database = %s AND table IN (%s) AND NOT is_done AND NOT is_killed`,
		w.config.Tables().System("mutations"), schema.QuoteString(w.config.Database), strings.Join(tables, ", "))
	var mutations uint64
	var failed string
	if err := w.conn.QueryRow(ctx, query).Scan(&mutations, &parts, &failed); err != nil {
		return 0, w.fail("look at the mutations of "+w.schema.Name, err)
	}
	if failed != "" {
		return 0, fmt.Errorf("clickhouse %s: a mutation does not get on, of %s; ClickHouse tries it again: remove the cause and run again, or KILL MUTATION", w.config.Addr, failed)
	}
	return parts, nil
}

func (w *ClickHouse) ofDevices(devices []string) string {
	quoted := make([]string, len(devices))
	for i, d := range devices {
		quoted[i] = schema.QuoteString(d)
	}
	return fmt.Sprintf("%s IN (%s)", schema.QuoteIdent(w.schema.Device), strings.Join(quoted, ", "))
}
