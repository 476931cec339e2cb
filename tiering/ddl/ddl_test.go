package ddl_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/ddl"
	"penstock/tiering/store"
	"penstock/transport"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; understand the difference before you commit it")

// fleet is a schema with every kind of column, two of them of its second version.
func fleet(t *testing.T) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(`name: fleet
version: 2
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: small, type: int8}
  - {id: 5, name: short, type: int16, nullable: true}
  - {id: 6, name: plain, type: int32}
  - {id: 7, name: long, type: int64}
  - {id: 8, name: percent, type: uint8, nullable: true}
  - {id: 9, name: code, type: uint16}
  - {id: 10, name: uptime, type: uint32, nullable: true}
  - {id: 11, name: load, type: float32}
  - {id: 12, name: latitude, type: float64, nullable: true}
  - {id: 13, name: open, type: bool}
  - {id: 14, name: fan_rpm, type: uint32, nullable: true, since: 2}
  - {id: 15, name: door, type: string, low_cardinality: true, since: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func table(t *testing.T, files int) ddl.Table {
	t.Helper()
	s := fleet(t)
	first, err := schema.ParseDay("2026-10-01")
	if err != nil {
		t.Fatal(err)
	}
	b := store.DefaultS3Config()
	b.Bucket, b.Endpoint, b.AccessKey, b.SecretKey = "cold", "http://127.0.0.1:7070", transport.NewSecret("key"), transport.NewSecret("secret")
	out := ddl.Table{Name: "readings", Bucket: b, Listed: tiering.Listed{Schema: s}}
	for i := range files {
		f := tiering.ListedFile{Day: first + schema.Day(i/2), File: tiering.File{
			Path: fmt.Sprintf("day=%s/gen=%06d/part-00000-%016x.parquet", first+schema.Day(i/2), 1+i%2, i)}}
		for _, c := range s.Columns() {
			if c.Since < 2 || i >= 2 { // the first day is older than the newest columns
				f.Columns = append(f.Columns, tiering.ColumnSum{ID: c.ID, Name: c.Name})
			}
		}
		out.Files = append(out.Files, f)
	}
	return out
}

func TestStatementsGolden(t *testing.T) {
	for _, e := range ddl.Engines() {
		listed := table(t, 3)
		if e == ddl.Trino {
			listed.Name = "lake.readings"
		}
		got, err := ddl.Statements(e, listed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", string(e)+".sql")
		if *rewrite {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(got), want) {
			t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
		}
		if strings.Contains(got, "secret'") || strings.Contains(got, "'key'") {
			t.Errorf("%s: the statements have the credentials in them", e)
		}
	}
}

func TestRefused(t *testing.T) {
	f := func(e ddl.Engine, files int, name, want string) {
		t.Helper()
		listed := table(t, files)
		listed.Name = name
		if _, err := ddl.Statements(e, listed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
	f("hive", 1, "readings", `no engine "hive"; want one of [athena clickhouse duckdb trino]`)
	f(ddl.DuckDB, 0, "readings", "list no file of these days; see `compactor plan`")
	f(ddl.Trino, 1, "readings", "needs the schema too, such as fleet.readings")
	f(ddl.DuckDB, 1, `r"; DROP TABLE x`, "the view cannot be called")
	f(ddl.DuckDB, 1, "lake.", "the view cannot be called")
	f(ddl.Athena, 4_000, "readings", "Athena takes 262144; ask for fewer days with --from and --to")
}
