package stacktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/pipeline/evolve"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// newColumns are three fields of a later version of the schema.
const newColumns = `
  - {id: 30, name: noise_db, type: float64, nullable: true, since: 2, doc: "Noise."}
  - {id: 31, name: fan_rpm, type: int32, nullable: true, since: 2, doc: "Fan."}
  - {id: 32, name: door_state, type: string, low_cardinality: true, since: 2, doc: "Door."}
`

// seen is what a reader finds in days of several schema versions.
type seen struct {
	Rows  uint64         `json:"rows"`
	Noise float64        `json:"noise"`
	Fan   int64          `json:"fan"`
	Doors uint64         `json:"doors"`
	IDs   map[string]int `json:"ids"`
}

// A day is exported, the schema gets three columns, another day is exported: the
// view shows every value by name at once, also those that the first day has in
// extra, and every reader reads the files of both as one table.
func testVersionsReadAsOne(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) { c.FileBytes, c.RowGroupRows = 1, 8_000 })
	today := schema.DayOf(time.Now().UnixMilli())
	s.insert(t, today-40, 0, 1_000)
	const extra = `'{"noise_db":41.5,"fan_rpm":1200,"door_state":"open"}'`
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (seq + 500000 AS seq, _offset + 500000 AS _offset, %s AS extra) FROM (SELECT * FROM %[1]s WHERE seq < 10 AND _offset < 1000000)",
		s.schema.Hot(s.tables), extra))
	pass := func() *tiering.Compactor {
		t.Helper()
		c := s.compactor(tiering.Events{})
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		return c
	}
	pass()

	next := s.nextVersion(t)
	query := "SELECT count(), sum(noise_db), toInt64(sum(fan_rpm)), countIf(door_state != '') FROM "
	look := func(table string) (got seen) {
		t.Helper()
		var noise *float64
		var fan *int64
		if err := s.conn.QueryRow(t.Context(), query+table).Scan(&got.Rows, &noise, &fan, &got.Doors); err != nil {
			t.Fatal(err)
		}
		if noise != nil {
			got.Noise, got.Fan = *noise, *fan
		}
		return got
	}
	if got := look(s.schema.All(s.tables)); got.Rows != 1_010 || got.Noise != 415 || got.Fan != 12_000 || got.Doors != 10 {
		t.Errorf("with the new columns the view shows %+v of the day on S3, want the ten values that are in its extra", got)
	}

	s.schema = next
	s.insert(t, today-41, 1_000_000, 2_000)
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (seq + 500000 AS seq, _offset + 500000 AS _offset, 'ajar' AS door_state) FROM (SELECT * FROM %[1]s WHERE seq %% 7 = 0 AND _offset < 10000000)",
		s.schema.Hot(s.tables)))
	before := look(s.schema.Hot(s.tables) + " WHERE _offset < 10000000") // without what is sent twice
	c := pass()
	after := look(s.schema.All(s.tables))
	want := seen{Rows: 1_010 + before.Rows, Noise: 415 + before.Noise, Fan: 12_000 + before.Fan, Doors: 10 + before.Doors}
	if diff := after.Noise - want.Noise; diff > 1e-6 || diff < -1e-6 || after.Rows != want.Rows || after.Fan != want.Fan || after.Doors != want.Doors {
		t.Errorf("the view shows %+v of both days, want %+v", after, want)
	}

	files, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	local := s.download(t, files)
	for _, reader := range []string{"duckdb", "pyarrow", "polars"} {
		var got seen
		runPython(t, &got, "readers.py", append([]string{reader}, local...)...)
		if diff := got.Noise - before.Noise; diff > 1e-6 || diff < -1e-6 || got.Rows != want.Rows || got.Fan != before.Fan || got.Doors != before.Doors {
			t.Errorf("%s reads %+v, want %d rows, and of the columns %+v", reader, got, want.Rows, before)
		}
		if reader == "pyarrow" && fmt.Sprint(got.IDs) != "map[door_state:32 fan_rpm:31 noise_db:30]" {
			t.Errorf("the new columns have the field ids %v", got.IDs)
		}
	}
}

// nextVersion applies the schema with newColumns, as an operator would while
// everything runs.
func (s *services) nextVersion(t *testing.T) *schema.Schema {
	t.Helper()
	text := strings.Replace(s.schema.Text(), "\nversion: 1\n", "\nversion: 2\n", 1) + newColumns
	next, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	at := s.at.Options(s.at.Addr, s.tables.Database)
	registry, err := evolve.Open([]evolve.Shard{{Name: "1", At: at}}, s.tables, s.schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	report := func(step string) { t.Log(step) }
	if err := registry.Begin(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if err := registry.Apply(t.Context(), next, report); err != nil {
		t.Fatal(err)
	}
	return next
}

// download puts the objects into files.
func (s *services) download(t *testing.T, keys []string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, key := range keys {
		body, _, err := store.ReadAll(t.Context(), s.objects, key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("%03d.parquet", i))
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}
