package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/stack"
)

// The tables of a round, in its own database.
const (
	hotTable    = "telemetry"
	sealedTable = "telemetry_sealed"
	rollupTable = "telemetry_1m_state"
	allView     = "telemetry_all"
)

// tables asks ClickHouse about a round, and not through the proxies.
type tables struct {
	conn     driver.Conn
	database string
}

func openTables(a stack.ClickHouseAddress, database string) (*tables, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native},
		Auth: clickhouse.Auth{Username: a.User, Password: a.Password},
		// One that answers does so at once; one that is being killed does not
		// hold up the next fault.
		DialTimeout: time.Second,
		ReadTimeout: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return &tables{conn: conn, database: database}, nil
}

func (t *tables) name(table string) string { return "`" + t.database + "`.`" + table + "`" }

// marks returns, per Kafka partition, the highest offset stored.
func (t *tables) marks(ctx context.Context) (_ map[int32]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	rows, err := t.conn.Query(ctx, "SELECT _partition, max(_offset) FROM "+t.name(hotTable)+" GROUP BY _partition SETTINGS max_threads = 1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	marks := map[int32]int64{}
	for rows.Next() {
		var p int32
		var offset int64
		if err := rows.Scan(&p, &offset); err != nil {
			return nil, err
		}
		marks[p] = offset
	}
	return marks, rows.Err()
}

// count returns count() and uniqExact(_partition, _offset) over hot and sealed.
func (t *tables) count(ctx context.Context) (rows, places uint64, err error) {
	err = t.conn.QueryRow(ctx, fmt.Sprintf("SELECT count(), uniqExact(_partition, _offset) FROM (SELECT _partition, _offset FROM %s UNION ALL SELECT _partition, _offset FROM %s)",
		t.name(hotTable), t.name(sealedTable))).Scan(&rows, &places)
	return rows, places, err
}

// days returns the rows of each day and what the rollup says they are.
func (t *tables) days(ctx context.Context) (_ []day, err error) {
	rows, err := t.conn.Query(ctx, fmt.Sprintf(`SELECT toString(day), sum(raw), sum(rollup) FROM (
    SELECT toDate(ts) AS day, count() AS raw, toUInt64(0) AS rollup FROM %s GROUP BY day
    UNION ALL
    SELECT toDate(minute) AS day, toUInt64(0) AS raw, sum(events) AS rollup FROM %s GROUP BY day
) GROUP BY day ORDER BY day`, t.name(hotTable), t.name(rollupTable)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var days []day
	for rows.Next() {
		var d day
		if err := rows.Scan(&d.Day, &d.Raw, &d.Rollup); err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, rows.Err()
}

// set changes a setting of one of the round's tables.
func (t *tables) set(ctx context.Context, table, setting string, value uint64) error {
	return t.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s MODIFY SETTING %s = %d", t.name(table), setting, value))
}

// merges lets the server merge parts or keeps it from it. What it merges at the
// moment is given up.
func (t *tables) merges(ctx context.Context, on bool) error {
	if on {
		return t.conn.Exec(ctx, "SYSTEM START MERGES")
	}
	return t.conn.Exec(ctx, "SYSTEM STOP MERGES")
}

// drop removes the round's database.
func (t *tables) drop(ctx context.Context) error {
	return t.conn.Exec(ctx, "DROP DATABASE IF EXISTS `"+t.database+"` SYNC")
}

func (t *tables) close() error { return t.conn.Close() }
