package coldfaults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/stack"
	"penstock/schema"
)

// batchRows is the most rows of a batch: its rows have the offsets from
// id * batchRows on, so that an offset tells its batch.
const batchRows = 100_000

// table is a round's table in ClickHouse, asked past every proxy.
type table struct {
	conn   driver.Conn
	schema *schema.Schema
	tables schema.Tables
}

func openTable(ctx context.Context, a stack.ClickHouseAddress, database string) (*table, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native}, Auth: clickhouse.Auth{Username: a.User, Password: a.Password},
		DialTimeout: time.Second, ReadTimeout: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	t := &table{conn: conn, schema: schema.Telemetry(), tables: schema.Tables{Database: database}}
	for _, statement := range append([]string{t.tables.CreateDatabase()}, t.schema.DDL(t.tables)...) {
		if err := conn.Exec(ctx, statement); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", statement, err), conn.Close())
		}
	}
	return t, nil
}

func (t *table) close() error { return t.conn.Close() }

// drop removes what the round has stored.
func (t *table) drop(ctx context.Context) error {
	return t.conn.Exec(ctx, "DROP DATABASE "+schema.QuoteIdent(t.tables.Database)+" SYNC")
}

// rows returns the SELECT of a batch's rows. Every column follows from the row's
// number, and every nullable one is NULL now and then, so that a hash of what was
// stored needs no second look at it.
func (t *table) rows(b batch) string {
	var columns []string
	for _, c := range t.schema.Columns() {
		var expr string
		switch {
		case c.Name == t.schema.Device:
			expr = "concat('device-', toString(n % 97))"
		case c.Name == "seq":
			expr = "n"
		case c.Name == schema.ColOffset:
			expr = "number"
		case c.Name == schema.ColPartition || c.Name == schema.ColIndex:
			expr = "0"
		case c.Type == schema.TimestampMS:
			expr = fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d + (n * 7919) %% 86400000), 'UTC')", b.day.Start().UnixMilli())
		case c.Type == schema.String:
			expr = fmt.Sprintf("if(n %% 5 = 0, '', concat('%s ', toString(n %% 13)))", c.Name)
		case c.Type == schema.Bool:
			expr = "n % 2 = 0"
		case strings.HasPrefix(string(c.Type), "float"):
			expr = fmt.Sprintf("(toInt64(cityHash64(n, %d) %% 4294967296) - 2147483648) / 1e6", c.ID)
		default:
			expr = fmt.Sprintf("cityHash64(n, %d)", c.ID)
		}
		if c.Nullable {
			expr = fmt.Sprintf("if(n %% %d = 0, NULL, %s)", c.ID, expr)
		}
		columns = append(columns, fmt.Sprintf("CAST(%s, %s) AS %s", expr, schema.QuoteString(c.ClickHouse()), schema.QuoteIdent(c.Name)))
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT number, number - %d AS n FROM numbers(%d, %d))",
		strings.Join(columns, ", "), (b.id-b.of)*batchRows, b.id*batchRows, b.rows)
}

// hashed is the sum of a hash of all columns; NULL is told from every value.
func (t *table) hashed() string {
	var columns []string
	for _, c := range t.schema.Columns() {
		q := schema.QuoteIdent(c.Name)
		if c.Nullable {
			columns = append(columns, "isNull("+q+")", "ifNull("+q+", CAST(0, "+schema.QuoteString(strings.TrimSuffix(strings.TrimPrefix(c.ClickHouse(), "Nullable("), ")"))+"))")
			continue
		}
		columns = append(columns, q)
	}
	return "sum(cityHash64(" + strings.Join(columns, ", ") + "))"
}

// hash computes what [batch].hash is.
func (t *table) hash(ctx context.Context, b batch) (hash uint64, err error) {
	err = t.conn.QueryRow(ctx, "SELECT "+t.hashed()+" FROM ("+t.rows(b)+")").Scan(&hash)
	return hash, err
}

// insert stores a batch as one block.
func (t *table) insert(ctx context.Context, b batch) error {
	return t.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s %s SETTINGS max_threads = 1, max_insert_threads = 1, max_block_size = %d",
		t.schema.Hot(t.tables), t.rows(b), 2*batchRows))
}

// look asks the view, as an analyst would.
func (t *table) look(ctx context.Context, k *look) (err error) {
	hash, where := "toUInt64(0)", ""
	if k.hashed {
		hash = t.hashed()
	}
	if k.day != nil {
		where = fmt.Sprintf(" WHERE toDate(%s) = %s", schema.QuoteIdent(t.schema.Time.Field), schema.QuoteString(k.day.String()))
	}
	rows, err := t.conn.Query(ctx, fmt.Sprintf("SELECT toUInt64(intDiv(_offset, %d)) AS batch, count(), uniqExact(_offset), %s FROM %s%s GROUP BY batch",
		batchRows, hash, t.schema.All(t.tables), where))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	k.seen = map[uint64]sight{}
	for rows.Next() {
		var id uint64
		var s sight
		if err := rows.Scan(&id, &s.rows, &s.places, &s.hash); err != nil {
			return err
		}
		k.seen[id] = s
	}
	return rows.Err()
}

// left counts the rows of days before this one that are not on S3 alone.
func (t *table) left(ctx context.Context, before schema.Day) (rows uint64, err error) {
	day := "toDate(" + schema.QuoteIdent(t.schema.Time.Field) + ") < " + schema.QuoteString(before.String())
	err = t.conn.QueryRow(ctx, fmt.Sprintf("SELECT (SELECT count() FROM %s WHERE %s) + (SELECT count() FROM %s)",
		t.schema.Hot(t.tables), day, t.schema.Sealed(t.tables))).Scan(&rows)
	return rows, err
}

// identities counts the view's rows of days before this one, and how many events
// they are.
func (t *table) identities(ctx context.Context, before schema.Day) (rows, events uint64, err error) {
	err = t.conn.QueryRow(ctx, fmt.Sprintf("SELECT count(), uniqExact(device_id, seq) FROM %s WHERE toDate(%s) < %s",
		t.schema.All(t.tables), schema.QuoteIdent(t.schema.Time.Field), schema.QuoteString(before.String()))).Scan(&rows, &events)
	return rows, events, err
}
