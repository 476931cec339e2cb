package stacktest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// The program iceberg-register makes a table that pyiceberg and DuckDB read as the
// analysts' view does, value by value: at first, and when late rows have come and
// generations have been merged.
func testIceberg(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) {
		c.FileBytes, c.RowGroupRows, c.MergeGenerations = 1, 2_000, 1
	})
	dir := t.TempDir()
	catalog, config := filepath.Join(dir, "catalog.db"), filepath.Join(dir, "iceberg.yaml")
	overwrite(t, config, fmt.Appendf(nil, `s3: {endpoint: %q, bucket: %q, prefix: %q, access_key: %q, secret_key: %q}
catalog: {type: sql, uri: %q}
`, e.bucket.Endpoint, e.bucket.Bucket, e.bucket.Prefix, e.s3.AccessKey, e.s3.SecretKey, catalog))
	var columns []string
	for _, c := range s.schema.Columns() {
		columns = append(columns, c.Name)
	}
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	follow := func(when string) {
		t.Helper()
		s.passes(t, s.compactor(tiering.Events{}))
		said, err := exec.CommandContext(t.Context(), filepath.Join(products(t), "iceberg-register"), "run", "--once", "--config", config).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", when, err, said)
		}
		want := s.values(t, s.schema.All(s.tables))
		slices.SortFunc(want, slices.Compare)
		for _, reader := range []string{"pyiceberg", "duckdb"} {
			var got [][]string
			runPython(t, &got, "iceberg.py", reader, catalog, "penstock.telemetry", strings.Join(columns, ","),
				e.bucket.Endpoint, e.s3.AccessKey, e.s3.SecretKey, e.bucket.Region)
			slices.SortFunc(got, slices.Compare)
			s.sameValues(t, reader+", "+when, got, want)
		}
	}
	s.insert(t, day, 0, 5_000)
	s.insert(t, day+1, 1_000_000, 3_000)
	follow("two days")
	s.insert(t, day, 2_000_000, 100)
	follow("late rows, merged")
}
