package stacktest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// Generations that are in the cold tier are written again, by a real ClickHouse
// from a real S3, and the view shows the same, or what is to be left of it.
func testGenerationsAreRewritten(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 1, 8_000
		c.MergeGenerations, c.MergeRows = 2, 10_000
	})
	cold := schema.DayOf(time.Now().UnixMilli()) - 40
	pass := func() *tiering.Manifest {
		t.Helper()
		c := s.compactor(tiering.Events{})
		for range 3 {
			if _, err := c.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		manifests, err := c.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return manifests[0]
	}
	s.insert(t, cold, 0, 20_000)
	pass()
	for i := range 3 {
		s.insert(t, cold, 1_000_000*(i+1), 1_000)
		rows, hash := s.content(t, s.schema.All(s.tables))
		m := pass()
		if r, h := s.content(t, s.schema.All(s.tables)); r != rows || h != hash {
			t.Errorf("after late generation %d the view shows %d events with hash %d, want %d with %d", i+1, r, h, rows, hash)
		}
		if i == 2 && (len(m.Generations) != 2 || m.Generations[1].Rows != 3_000 || m.LastGeneration != 5) {
			t.Errorf("generations %+v; want the first and one of 3,000 rows", m.Generations)
		}
	}

	// A device is erased of a cold day, of late rows that are hot, and of a hot day.
	s.insert(t, cold, 9_000_000, 1_000)
	s.insert(t, cold+38, 11_000_000, 3_000)
	all, gone := s.schema.All(s.tables), "device_id IN ('device-5', 'device-6')"
	others := fmt.Sprintf("(SELECT * FROM %s WHERE NOT (%s))", all, gone)
	rows, hash := s.content(t, others)
	was := s.count(t, fmt.Sprintf("SELECT count() FROM %s WHERE %s", all, gone))
	c := s.compactor(tiering.Events{})
	report, err := c.Erase(t.Context(), []string{"device-5", "device-6", "no such device"}, func(context.Context, uint64) error {
		time.Sleep(50 * time.Millisecond)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.count(t, fmt.Sprintf("SELECT count() FROM %s WHERE %s", all, gone)); n != 0 {
		t.Errorf("the view shows %d rows of what was erased", n)
	}
	if r, h := s.content(t, others); r != rows || h != hash {
		t.Errorf("of other devices the view shows %d events with hash %d, want %d with %d", r, h, rows, hash)
	}
	var erased uint64
	for _, d := range report.Days {
		erased += d.Hot + d.Sealed + d.Cold
	}
	if len(report.Days) != 2 || erased != was || report.Days[0].Rewritten == 0 || report.Days[0].Rewritten == report.Days[0].Files || report.Days[1].Cold != 0 {
		t.Errorf("erased %+v; want all of the %d rows, of two days, and some of the older one's files rewritten", report.Days, was)
	}
	for _, r := range s.schema.RollupTables(s.tables) {
		if n := s.count(t, fmt.Sprintf("SELECT count() FROM %s", r.State())); n == 0 {
			t.Errorf("rollup %s is empty", r.Name())
		}
		if r.ByDevice() {
			if n := s.count(t, fmt.Sprintf("SELECT count() FROM %s WHERE %s", r.State(), gone)); n != 0 {
				t.Errorf("rollup %s has %d rows of what was erased", r.Name(), n)
			}
		}
	}
	if _, err := c.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}

	// What was replaced goes, and nothing else.
	garbage, err := c.GC(t.Context(), openS3(t, e.bucket), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	var deleted int
	for _, g := range garbage {
		if g.Deleted && g.Reason == tiering.Replaced {
			deleted++
		}
	}
	if want := 3 + report.Days[0].Rewritten; deleted != want {
		t.Errorf("%d replaced files deleted, want %d: 3 that were merged and those that were rewritten", deleted, want)
	}
	if r, h := s.content(t, all); r != rows || h != hash {
		t.Errorf("after gc the view shows %d events with hash %d, want %d with %d", r, h, rows, hash)
	}
	if _, err := c.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
