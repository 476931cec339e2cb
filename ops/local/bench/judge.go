package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/procfs"
)

const (
	// mergesTimeout bounds the wait for what an engine does after the last row.
	mergesTimeout = 30 * time.Second
	mergesEvery   = 250 * time.Millisecond
	// quietFor is how long nothing may be merged before merges count as over: an
	// engine looks for parts to merge every five seconds (merge_selecting_sleep_ms).
	quietFor = 6 * time.Second
)

// judge holds what is stored against what is in the topic, and drops it.
func (s *session) judge(ctx context.Context, c Case, t topic, database string, conn driver.Conn, f *figures) (err error) {
	var found map[int32]counts
	if c.Engine == Null {
		found, err = s.discarded(ctx, database+".telemetry")
	} else if found, err = stored(ctx, conn); err == nil {
		err = beside(ctx, conn, f)
	}
	if err != nil {
		return err
	}
	f.Wrong = append(f.Wrong, compare(found, t.content.Partitions)...)
	if err := conn.Exec(ctx, "DROP DATABASE "+database+" SYNC"); err != nil {
		return fmt.Errorf("drop database %s: %w", database, err)
	}
	return nil
}

// discarded is what an engine that discards rows has counted of a table.
func (s *session) discarded(ctx context.Context, table string) (_ map[int32]counts, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.stack.Addresses().ClickHouse.HTTP+discard.Path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", request.URL, response.Status)
	}
	var tables map[string]map[int32]discard.Count
	if err := json.NewDecoder(response.Body).Decode(&tables); err != nil {
		return nil, fmt.Errorf("GET %s: %w", request.URL, err)
	}
	out := map[int32]counts{}
	for p, c := range tables[table] {
		// It cannot tell one offset twice from two; the sum of all can.
		out[p] = counts{Rows: c.Rows, Distinct: c.Rows, Offsets: c.Offsets, First: c.First, Last: c.Last}
	}
	return out, nil
}

// merges waits until the engine has nothing to merge and reads what it took and
// what is left.
func (s *session) merges(ctx context.Context, conn driver.Conn, database string, f *figures) error {
	engine := s.stack.Addresses().ClickHouse.Pid
	before, err := procfs.CPUSeconds(engine)
	if err != nil {
		return err
	}
	tick := time.NewTicker(mergesEvery)
	defer tick.Stop()
	began := time.Now()
	for busy := began; time.Since(busy) < quietFor && time.Since(began) < mergesTimeout; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		var merging uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM system.merges WHERE database = $1", database).Scan(&merging); err != nil {
			return fmt.Errorf("look for merges: %w", err)
		}
		if merging > 0 {
			busy = time.Now()
		}
	}
	after, err := procfs.CPUSeconds(engine)
	if err != nil {
		return err
	}
	f.Merges = after - before
	err = conn.QueryRow(ctx, "SELECT count(), sum(bytes_on_disk) FROM system.parts WHERE active AND database = $1 AND table = 'telemetry'", database).Scan(&f.Parts, &f.Disk)
	if err != nil {
		return fmt.Errorf("look at the parts: %w", err)
	}
	return nil
}

// beside counts what is stored beside the rows: each has to be in a minute of the
// rollup and among the receipts, or the engine was spared the work.
func beside(ctx context.Context, conn driver.Conn, f *figures) error {
	for what, query := range map[string]string{
		"rollup counts":  "SELECT sum(events) FROM telemetry_1m_state",
		"receipts count": "SELECT sum(rows) FROM system.projection_parts WHERE active AND database = currentDatabase() AND table = 'telemetry' AND name = 'receipts'",
	} {
		var n uint64
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if n != f.Events {
			f.Wrong = append(f.Wrong, fmt.Sprintf("the %s %d events, want %d", what, n, f.Events))
		}
	}
	return nil
}

// stored counts what the engine holds.
func stored(ctx context.Context, conn driver.Conn) (_ map[int32]counts, err error) {
	rows, err := conn.Query(ctx, "SELECT _partition, count(), uniqExact(_offset), sum(_offset), min(_offset), max(_offset) FROM telemetry GROUP BY _partition")
	if err != nil {
		return nil, fmt.Errorf("count what is stored: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := map[int32]counts{}
	for rows.Next() {
		var p int32
		var c counts
		if err := rows.Scan(&p, &c.Rows, &c.Distinct, &c.Offsets, &c.First, &c.Last); err != nil {
			return nil, fmt.Errorf("count what is stored: %w", err)
		}
		out[p] = c
	}
	return out, rows.Err()
}
