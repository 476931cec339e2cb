package stacktest

import (
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
}
