package stacktest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// What a compactor sends that was frozen past its lease is not carried out: the
// move comes too late, and the view it has prepared is gone.
func testLateStatements(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(*tiering.Config, *warehouse.Config) {})
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	s.insert(t, day, 0, 100)
	hot := s.count(t, "SELECT count() FROM "+s.schema.Hot(s.tables))

	if err := s.warehouse.Seal(t.Context(), day, time.Now()); !errors.Is(err, tiering.ErrNotSealed) || !strings.Contains(err.Error(), "too late: the lease has run out") {
		t.Errorf("a move that comes too late: %v", err)
	}
	if rows := s.count(t, "SELECT count() FROM "+s.schema.Hot(s.tables)); rows != hot {
		t.Errorf("%d rows are hot of %d", rows, hot)
	}

	shown := func(v tiering.View) bool {
		t.Helper()
		shown, err := s.warehouse.Shows(t.Context(), s.schema, v)
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	right, stale := tiering.View{}, tiering.View{CutOver: []schema.Day{day}}
	confirmed := func(context.Context) error { return nil }
	takenOver := func(ctx context.Context) error { return s.warehouse.Fence(ctx, 8) }
	if err := s.warehouse.ReplaceView(t.Context(), s.schema, right, 7, confirmed); err != nil || !shown(right) {
		t.Fatalf("the view is not replaced: %v", err)
	}
	if err := s.warehouse.ReplaceView(t.Context(), s.schema, stale, 7, takenOver); err == nil || !strings.Contains(err.Error(), "telemetry_all_next_7") {
		t.Errorf("a view that was prepared under a lease which passed to another: %v", err)
	}
	if !shown(right) {
		t.Error("the view is that of a compactor whose lease passed to another")
	}
	if err := s.warehouse.ReplaceView(t.Context(), s.schema, stale, 8, confirmed); err != nil || !shown(stale) {
		t.Errorf("the holder cannot replace the view: %v", err)
	}
	if n := s.count(t, "SELECT count() FROM system.tables WHERE database = "+schema.QuoteString(s.tables.Database)+" AND name LIKE '%\\_next\\_%'"); n != 0 {
		t.Errorf("%d prepared views are left", n)
	}
}
