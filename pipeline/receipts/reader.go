package receipts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Reader reads the receipts of one ClickHouse server. It may be used by several
// goroutines at once.
type Reader struct {
	conn    driver.Conn
	address string
	schema  *schema.Schema
	// tables are the hot one and the sealed one, in the order in which they are
	// read, and never in one query: a day that is sealed in between is then seen
	// twice or once, while one query takes its snapshots in no known order and
	// might see it in neither.
	tables   [2]string
	settings clickhouse.Settings
}

// Open returns a reader of the tables of s at t. It connects when it is first
// asked something. The caller closes it.
func Open(opts *clickhouse.Options, s *schema.Schema, t schema.Tables) (*Reader, error) {
	address := strings.Join(opts.Addr, ", ")
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("receipts at %s: %w", address, err)
	}
	r := &Reader{conn: conn, address: address, schema: s, tables: [2]string{s.Hot(t), s.Sealed(t)}, settings: clickhouse.Settings{}}
	if t.Replicated {
		// A replica that has not yet fetched what another has acknowledged must
		// not answer that it is not stored.
		r.settings["select_sequential_consistency"] = 1
	}
	return r, nil
}

// Close closes the connections.
func (r *Reader) Close() error {
	if err := r.conn.Close(); err != nil {
		return fmt.Errorf("receipts at %s: close: %w", r.address, err)
	}
	return nil
}

// query runs one statement and hands each row of the answer to scan.
func (r *Reader) query(ctx context.Context, what, statement string, scan func(driver.Rows) error) (err error) {
	fail := func(err error) error { return fmt.Errorf("receipts at %s: read %s: %w", r.address, what, err) }
	rows, err := r.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(r.settings)), statement)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if e := rows.Close(); e != nil {
			err = errors.Join(err, fail(e))
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return nil
}

// Inserting reports whether an insert under the token is being executed now.
func (r *Reader) Inserting(ctx context.Context, token string) (running bool, err error) {
	statement := "SELECT count() > 0 FROM system.processes WHERE Settings['insert_deduplication_token'] = " + schema.QuoteString(token)
	return running, r.query(ctx, "inserts that are executed", statement, func(rows driver.Rows) error { return rows.Scan(&running) })
}
