package stacktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/ddl"
	"penstock/tiering/warehouse"
)

// What the statements make is, in engines that can be had here, what the view
// shows of the cold days, with files of two versions of the schema; for the
// others a parser of their SQL takes them.
func testDDL(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) { c.FileBytes, c.RowGroupRows = 1, 700 })
	today := schema.DayOf(time.Now().UnixMilli())
	s.insert(t, today-41, 0, 1_000)
	if _, err := s.compactor(tiering.Events{}).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.schema = s.nextVersion(t)
	s.insert(t, today-40, 1_000_000, 1_000)
	s.insert(t, today-41, 2_000_000, 100)
	c := s.compactor(tiering.Events{})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed, err := c.Listed(t.Context(), today-41, today-40)
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.Files) != 5 {
		t.Fatalf("listed %d files, want 2, 2 and 1", len(listed.Files))
	}
	order := " ORDER BY device_id, seq"
	want := s.values(t, "(SELECT * FROM "+s.schema.All(s.tables)+order+")")

	statements := func(engine ddl.Engine, name string) string {
		t.Helper()
		text, err := ddl.Statements(engine, ddl.Table{Name: name, Bucket: e.bucket, Listed: listed})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	file := func(engine ddl.Engine, name string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "statements.sql")
		if err := os.WriteFile(path, []byte(statements(engine, name)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	var columns []string
	for _, c := range s.schema.Columns() {
		columns = append(columns, `"`+c.Name+`"`)
	}
	var got [][]string
	query := "SELECT " + strings.Join(columns, ", ") + " FROM readings WHERE _day >= DATE '" + (today - 41).String() + "'" + order
	runPython(t, &got, "ddl.py", "duckdb", file(ddl.DuckDB, "readings"), query, e.bucket.Endpoint, e.s3.AccessKey, e.s3.SecretKey, e.bucket.Region)
	s.sameValues(t, "duckdb", got, want)

	// A ClickHouse that knows nothing of the tables.
	s.exec(t, "CREATE DATABASE elsewhere")
	base, err := e.bucket.URL(e.bucket.Endpoint, "/")
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, fmt.Sprintf("CREATE NAMED COLLECTION penstock_cold AS url = '%s', access_key_id = '%s', secret_access_key = '%s'", base, e.s3.AccessKey, e.s3.SecretKey))
	s.exec(t, strings.TrimSuffix(statements(ddl.ClickHouse, "elsewhere.readings"), ";\n"))
	s.sameValues(t, "clickhouse", s.values(t, "(SELECT * FROM elsewhere.readings WHERE _day >= '"+(today-41).String()+"'"+order+")"), want)

	for _, engine := range []ddl.Engine{ddl.Trino, ddl.Athena} {
		var parsed [][2]string
		runPython(t, &parsed, "ddl.py", string(engine), file(engine, "lake.readings"))
		text := fmt.Sprint(parsed)
		if !strings.Contains(text, "[Drop TABLE] [Create TABLE]") || !strings.HasSuffix(text, "[Create VIEW]]") {
			t.Errorf("%s: the parser found %s, want a table and a view", engine, text)
		}
	}
}
