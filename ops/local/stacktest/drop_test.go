package stacktest

import (
	"fmt"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// What is dropped are the parts that were listed, whatever ClickHouse and other
// compactors do between the two: merge them, drop them, seal more.
func testDropIsOfWhatWasListed(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(*tiering.Config, *warehouse.Config) {})
	today := schema.DayOf(time.Now().UnixMilli())
	seal := func(day schema.Day) {
		t.Helper()
		if err := s.warehouse.Seal(t.Context(), day, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	// f drops what is listed first of a day of two parts; meanwhile happens
	// between the list and the drop.
	f := func(name string, day schema.Day, meanwhile func(), wantLists int, wantLeft uint64) {
		t.Helper()
		s.insert(t, day, 0, 400)
		s.insert(t, day, 1_000, 400)
		seal(day)
		var bound int64
		lists := 0
		err := s.warehouse.DropSealed(t.Context(), day, func(parts []tiering.Part) (own []tiering.Part, err error) {
			lists++
			if lists == 1 {
				for _, part := range parts {
					bound = max(bound, part.LastBlock)
				}
				meanwhile()
				return parts, nil
			}
			for _, part := range parts {
				if part.FirstBlock <= bound {
					own = append(own, part)
				}
			}
			return own, nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		left := s.count(t, fmt.Sprintf("SELECT count() FROM %s WHERE toDate(ts) = '%s'", s.schema.Sealed(s.tables), day))
		if lists != wantLists || left != wantLeft {
			t.Errorf("%s: listed %d times, %d rows left; want %d and %d", name, lists, left, wantLists, wantLeft)
		}
		s.exec(t, fmt.Sprintf("ALTER TABLE %s DROP PARTITION '%s'", s.schema.Sealed(s.tables), day))
	}
	partition := func(day schema.Day) string { return fmt.Sprintf("%s PARTITION '%s'", s.schema.Sealed(s.tables), day) }
	f("nothing happens", today-40, func() {}, 1, 0)
	f("the parts are merged", today-41, func() { s.exec(t, "OPTIMIZE TABLE "+partition(today-41)+" FINAL") }, 2, 0)
	f("another seals more", today-42, func() {
		s.insert(t, today-42, 2_000, 100)
		seal(today - 42)
	}, 1, 102)
	f("another drops them and seals more", today-43, func() {
		s.exec(t, fmt.Sprintf("ALTER TABLE %s DROP PARTITION '%s'", s.schema.Sealed(s.tables), today-43))
		s.insert(t, today-43, 2_000, 100)
		seal(today - 43)
	}, 2, 102)

	// Rows that a lightweight DELETE masks are in no file, and not counted.
	s.insert(t, today-44, 0, 400)
	s.exec(t, "ALTER TABLE "+s.schema.Hot(s.tables)+" MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild'")
	s.exec(t, "DELETE FROM "+s.schema.Hot(s.tables)+" WHERE seq = 7")
	seal(today - 44)
	parts, err := s.warehouse.SealedParts(t.Context(), today-44)
	if err != nil {
		t.Fatal(err)
	}
	var rows uint64
	for _, part := range parts {
		rows += part.Rows
	}
	if rows != 407 {
		t.Errorf("the parts %+v have %d rows, want 407: 400 and 8 resends without the one that is masked", parts, rows)
	}
}
