package stacktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// testRestore brings a cold day back into a real ClickHouse, stopped at every
// block and begun again, while queries run through the view; shows it, releases
// it and drops it. Every event is seen at every look, and no Kafka offset twice.
func testRestore(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 200_000, 2_000 // a file of a few row groups
		c.Settle, c.Grace = time.Second, time.Second // longer than a query takes here
	})
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	s.insert(t, day, 0, 20_000)
	s.insert(t, day-1, 1_000_000, 3_000)
	s.passes(t, s.compactor(tiering.Events{}))
	s.insert(t, day, 2_000_000, 500)
	s.passes(t, s.compactor(tiering.Events{}))
	rows, hash := s.content(t, s.schema.All(s.tables))
	if rows != 23_500 {
		t.Fatalf("%d events are cold, want 23500", rows)
	}

	looking, stop := context.WithCancel(t.Context())
	looked := make(chan error)
	go func() { looked <- s.look(looking, rows) }()

	// Each attempt is stopped one block later than the last one; the token of
	// what was stored already keeps it from being stored again.
	days := []schema.Day{day}
	until := time.Now().Add(time.Hour)
	attempts := 0
	for done := false; !done; attempts++ {
		ctx, cancel := context.WithCancel(t.Context())
		blocks := 0
		c := s.compactor(tiering.Events{Loaded: func(schema.Day, uint64, uint64) {
			if blocks++; blocks > attempts {
				cancel()
			}
		}})
		_, err := c.Restore(ctx, days, until)
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("attempt %d: %v", attempts, err)
		}
		done = err == nil
	}
	if attempts < 9 {
		t.Errorf("restored at attempt %d; want one for each of 9 blocks at least", attempts)
	}
	if n := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables)); n != 20_500 {
		t.Errorf("%d rows are sealed, want 20500", n)
	}
	s.same(t, "restored", rows, hash)
	// The view reads files of the other day only.
	var comment string
	if err := s.conn.QueryRow(t.Context(), s.schema.ViewCommentQuery(s.tables)).Scan(&comment); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(comment, day.String()) || !strings.Contains(comment, (day-1).String()) {
		t.Errorf("the view is made of %s; want files of %s and nothing about %s", comment, day-1, day)
	}

	// Twice is once.
	c := s.compactor(tiering.Events{})
	if _, err := c.Restore(t.Context(), days, until); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Release(t.Context(), days); err != nil {
		t.Fatal(err)
	}
	s.same(t, "released", rows, hash)
	s.passes(t, c)
	s.same(t, "dropped", rows, hash)
	if n := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables)); n != 0 {
		t.Errorf("%d sealed rows are left", n)
	}
	for turn := range uint64(3) {
		if _, err := c.Verify(t.Context(), &tiering.Scope{OneIn: 3, Turn: turn}); err != nil {
			t.Error(err)
		}
	}
	// A second stay is not taken for the first, whose tokens may be remembered.
	if _, err := c.Restore(t.Context(), days, until); err != nil {
		t.Fatal(err)
	}
	s.same(t, "restored again", rows, hash)
	stop()
	if err := <-looked; err != nil {
		t.Error(err)
	}
}

// passes makes passes until no day is on its way.
func (s *services) passes(t *testing.T, c *tiering.Compactor) {
	t.Helper()
	for {
		left, err := c.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(time.Until(left[len(left)-1].Due))
	}
}

func (s *services) same(t *testing.T, when string, rows, hash uint64) {
	t.Helper()
	if r, h := s.content(t, s.schema.All(s.tables)); r != rows || h != hash {
		t.Errorf("%s, the view shows %d events with hash %d, want %d with %d", when, r, h, rows, hash)
	}
}

// look asks the view until ctx ends. The server takes its time between its looks
// at the tables.
func (s *services) look(ctx context.Context, events uint64) error {
	query := "SELECT count(), uniqExact(_partition, _offset), uniqExact(device_id, seq) FROM " + s.schema.All(s.tables) +
		" SETTINGS merge_tree_storage_snapshot_sleep_ms = 100"
	for n := 1; ; n++ {
		var rows, offsets, identities uint64
		err := s.conn.QueryRow(ctx, query).Scan(&rows, &offsets, &identities)
		if ctx.Err() != nil {
			if n < 10 {
				return fmt.Errorf("only %d looks at the view", n)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if rows != offsets || identities != events {
			return fmt.Errorf("look %d: %d rows of %d offsets, %d events; want each offset once and %d events", n, rows, offsets, identities, events)
		}
	}
}

// A day whose files lack columns of a later version is restored with what extra
// has of them, as the view showed it from the files.
func testRestoreOverVersions(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) { c.FileBytes, c.RowGroupRows = 1, 8_000 })
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	s.insert(t, day, 0, 1_000)
	const extra = `'{"noise_db":41.5,"fan_rpm":1200,"door_state":"open"}'`
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (seq + 500000 AS seq, _offset + 500000 AS _offset, %s AS extra) FROM (SELECT * FROM %[1]s WHERE seq < 10 AND _offset < 1000000)",
		s.schema.Hot(s.tables), extra))
	s.passes(t, s.compactor(tiering.Events{}))
	s.schema = s.nextVersion(t)
	s.insert(t, day, 1_000_000, 2_000)
	c := s.compactor(tiering.Events{})
	s.passes(t, c)

	rows, hash := s.content(t, s.schema.All(s.tables))
	if _, err := c.Restore(t.Context(), []schema.Day{day}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.same(t, "restored", rows, hash)
	if n := s.count(t, "SELECT countIf(door_state = 'open') FROM "+s.schema.Sealed(s.tables)); rows != 3_010 || n != 10 {
		t.Errorf("%d events, and %d of them with the value of extra; want 3010 and 10", rows, n)
	}
}
