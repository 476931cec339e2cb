package loadtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// store asks ClickHouse, over its native interface, what of a run is stored.
type store struct {
	conn  driver.Conn
	at    ClickHouse
	table string // quoted
	hot   string // quoted
	// since keeps the rows of earlier runs out of the watermarks: the offsets
	// of a topic that was created anew start at 0 again.
	since time.Time
	// total and live are the numbers of rows at the last poll.
	total, live uint64
}

// openStore connects to ClickHouse. Its error names the address and the remedy.
func openStore(ctx context.Context, c ClickHouse, since time.Time) (*store, error) {
	options := c.login().Options(c.Addr, c.Database)
	options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	options.ReadTimeout = time.Minute
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("clickhouse client for %s: %w", c.Addr, err)
	}
	qualified := func(table string) string {
		return schema.QuoteIdent(c.Database) + "." + schema.QuoteIdent(table)
	}
	s := &store{conn: conn, at: c, table: qualified(c.Table), hot: qualified(c.Hot), since: since}
	for _, table := range []string{s.table, s.hot} {
		rows, err := conn.Query(ctx, "SELECT device_id, seq, _partition, _offset, _index FROM "+table+" LIMIT 0")
		if err == nil {
			err = rows.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("look into %s at %s: %w; `ingest migrate` creates the tables; check address, user and password",
				table, c.Addr, closing(err, conn.Close))
		}
	}
	return s, nil
}

// closing returns err, and the error of close with it if it has one.
func closing(err error, close func() error) error {
	if errClose := close(); errClose != nil {
		return fmt.Errorf("%w (and on closing: %w)", err, errClose)
	}
	return err
}

func (s *store) close() error { return s.conn.Close() }

// Rows implements stored: it counts the rows of the run's own days. Late
// readings, which go to other days by inserts of their own, would only make it
// look as if there was something to see.
//
// Counting a whole table costs ClickHouse 1 ms, counting days of it 4, and
// finding the offsets 10.
func (s *store) Rows(ctx context.Context) (uint64, error) {
	var total, live uint64
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+s.hot).Scan(&total); err != nil || total == s.total {
		return s.live, err
	}
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+s.hot+" WHERE "+liveDays(s.since)).Scan(&live); err != nil {
		return 0, err
	}
	s.total, s.live = total, live
	return live, nil
}

// liveDays is the condition for days from since on. It names the partition and
// not the time, which the receipts projection does not have.
func liveDays(since time.Time) string {
	return since.UTC().Format("_partition_id >= '20060102'")
}

// Arrivals implements stored. It reads nothing but columns of the receipts
// projection, which is ordered by partition and offset, so that ClickHouse can
// answer it from the granules above the watermarks.
func (s *store) Arrivals(ctx context.Context, above []watermark) ([]arrivals, error) {
	rows, err := s.conn.Query(ctx, arrivalsQuery(s.hot, s.since, above))
	if err != nil {
		return nil, err
	}
	var out []arrivals
	for a, err := range scan(rows, func(a *arrivals) []any { return []any{&a.partition, &a.offsets} }) {
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func arrivalsQuery(table string, since time.Time, above []watermark) string {
	var q strings.Builder
	fmt.Fprintf(&q, "SELECT _partition, groupArray(_offset) FROM %s WHERE %s AND _ingested_at >= fromUnixTimestamp64Milli(%d, 'UTC') AND (",
		table, liveDays(since), since.UnixMilli())
	for i, w := range above {
		if i > 0 {
			q.WriteString(" OR ")
		}
		fmt.Fprintf(&q, "_partition = %d AND _offset > %d", w.partition, w.offset)
	}
	q.WriteString(") GROUP BY _partition SETTINGS max_threads = 1")
	return q.String()
}

// Count implements arrived.
func (s *store) Count(ctx context.Context, ids idRange) (uint64, error) {
	var n uint64
	err := s.conn.QueryRow(ctx, "SELECT count() FROM "+s.table+where, ids.from, ids.to).Scan(&n)
	return n, err
}

const where = " WHERE device_id >= ? AND device_id < ?"

// Devices implements arrived.
func (s *store) Devices(ctx context.Context, ids idRange) iter.Seq2[deviceRows, error] {
	return query(ctx, s.conn, func(r *deviceRows) []any {
		return []any{&r.device, &r.rows, &r.distinct, &r.min, &r.max, &r.places}
	}, "SELECT device_id, count(), uniqExact(seq), min(seq), max(seq), uniqExact(_partition, _offset, _index) FROM "+s.table+where+
		" GROUP BY device_id", ids)
}

// Readings implements arrived.
func (s *store) Readings(ctx context.Context, ids idRange) iter.Seq2[readingRows, error] {
	return query(ctx, s.conn, func(r *readingRows) []any {
		return []any{&r.device, &r.seq, &r.rows}
	}, "SELECT device_id, seq, count() FROM "+s.table+where+" GROUP BY device_id, seq ORDER BY device_id, seq", ids)
}

// Columns implements upgraded.
func (s *store) Columns(ctx context.Context, fields []newField) ([]bool, error) {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	var there []string
	err := s.conn.QueryRow(ctx, "SELECT groupArray(name) FROM system.columns WHERE database = ? AND table = ? AND name IN (?)",
		s.at.Database, s.at.Table, names).Scan(&there)
	if err != nil {
		return nil, err
	}
	columns := make([]bool, len(fields))
	for i, name := range names {
		columns[i] = slices.Contains(there, name)
	}
	return columns, nil
}

// NewFields implements upgraded.
func (s *store) NewFields(ctx context.Context, ids idRange, encoding schema.Encoding, fields []newField, columns []bool) iter.Seq2[fieldsRow, error] {
	return query(ctx, s.conn, func(r *fieldsRow) []any {
		return []any{&r.device, &r.firmware, &r.seq, &r.values}
	}, newFieldsQuery(s.table, encoding, fields, columns), ids)
}

func newFieldsQuery(table string, encoding schema.Encoding, fields []newField, columns []bool) string {
	var values []string
	for i := range fields {
		if columns[i] {
			values = append(values, fields[i].inColumn())
		} else {
			values = append(values, fields[i].inExtra(encoding))
		}
	}
	return fmt.Sprintf("SELECT device_id, toString(firmware) AS version, seq, [%s] AS new FROM %s%s AND (version = %s OR arrayExists(v -> v != '', new))",
		strings.Join(values, ", "), table, where, schema.QuoteString(upgradeFirmware))
}

// query streams the rows of q, which has the two ends of ids as parameters.
func query[T any](ctx context.Context, conn driver.Conn, fields func(*T) []any, q string, ids idRange) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows, err := conn.Query(ctx, q, ids.from, ids.to)
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		scan(rows, fields)(yield)
	}
}

// scan streams rows and closes them; fields names where a row's values go. An
// error is the last pair.
func scan[T any](rows driver.Rows, fields func(*T) []any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var err error
		stopped := false
		for !stopped && err == nil && rows.Next() {
			var row T
			if err = rows.Scan(fields(&row)...); err == nil {
				stopped = !yield(row, nil)
			}
		}
		if err == nil && !stopped {
			err = rows.Err()
		}
		if errClose := rows.Close(); err == nil {
			err = errClose
		}
		if err != nil && !stopped {
			var zero T
			yield(zero, err)
		}
	}
}
