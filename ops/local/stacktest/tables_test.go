package stacktest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/ops/local/kafka"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// TestTables has one compactor move several days at once of two tables, as two
// shards have them: a database each, and a folder each of one bucket, which one
// named collection has the place and the keys of. The view of each shows its own rows throughout.
func TestTables(t *testing.T) {
	a := start(t, kafka.KFake).Addresses()
	today := schema.DayOf(time.Now().UnixMilli())
	config := []byte("grace: 0s\nlate_every: 0s\nfile_bytes: 1\nrow_group_rows: 2000\ndays_at_once: 3\nmax_read_mbps: 400\nmax_memory: 600000000\ntables:\n")
	var shards []*services
	var compactor func(args ...string) (string, error)
	rows, hashes := make([]uint64, 2), make([]uint64, 2)
	for i, name := range []string{"shard-1", "shard-2"} {
		e := coldTierOf(a, fmt.Sprint("shard_", i+1), "tables/"+name)
		s := openColdTier(t, e, func(_ *tiering.Config, w *warehouse.Config) { w.NamedCollection = "cold_of_tables" })
		for d := range schema.Day(4) {
			s.insert(t, today-40-d, int(d)*1_000_000+i*500_000, 5_000)
		}
		s.insert(t, today-3, 9_000_000, 500)
		rows[i], hashes[i] = s.content(t, "(SELECT * FROM "+s.schema.Hot(s.tables)+")")
		config = fmt.Appendf(config, `  %s:
    clickhouse: {addr: %q, user: %q, password: %q, database: %q, named_collection: %q}
    s3: {endpoint: %q, bucket: %q, prefix: %q, access_key: %q, secret_key: %q}
`, name, s.at.Addr, s.at.User, e.clickHouse.Password, s.at.Database, s.at.NamedCollection,
			e.bucket.Endpoint, e.bucket.Bucket, e.bucket.Prefix, e.s3.AccessKey, e.s3.SecretKey)
		shards = append(shards, s)
	}
	file := filepath.Join(t.TempDir(), "compactor.yaml")
	overwrite(t, file, config)
	compactor = programWith(t, file)

	said, err := compactor("run", "--once")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for i, s := range shards {
		// Resends, which each shard had 100 of a day of, are gone with the move.
		if r, _ := s.content(t, s.schema.All(s.tables)); r != rows[i] {
			t.Errorf("shard %d: the view shows %d events, want %d", i+1, r, rows[i])
		}
		if _, h := s.content(t, s.schema.All(s.tables)); h != hashes[i] {
			t.Errorf("shard %d: the view shows other events than were stored", i+1)
		}
		if n := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables)); n != 0 {
			t.Errorf("shard %d has %d sealed rows left", i+1, n)
		}
	}
	expect := func(want string, args ...string) {
		t.Helper()
		if said, _ := compactor(args...); !strings.Contains(said, want) {
			t.Errorf("compactor %v does not say %q:\n%s", args, want, said)
		}
	}
	expect("table shard-2\n", "plan")
	expect("name it with --table: shard-1, shard-2", "verify")
	expect("read 12 of 12 files", "verify", "--table", "shard-2")
	expect(`table is "shard-3"; want one of those under tables (shard-1, shard-2)`, "verify", "--table", "shard-3")
}

// TestBusy: parts that pile up in the hot table are told of, with the setting.
func TestBusy(t *testing.T) {
	a := start(t, kafka.KFake).Addresses()
	e := coldTierOf(a, "busy", "busy")
	s := openColdTier(t, e, func(_ *tiering.Config, w *warehouse.Config) { w.BusyParts = 5 })
	day := schema.DayOf(time.Now().UnixMilli())
	// An insert of the test is two, the other of resends.
	s.exec(t, "SYSTEM STOP MERGES "+s.schema.Hot(s.tables))
	for i, want := range []string{"", "", fmt.Sprintf("%s has 6 active parts in `busy`.`telemetry`, and clickhouse.busy_parts is 5", day)} {
		s.insert(t, day, i*1000, 10)
		s.insert(t, day-1, i*1000+500, 10*min(1, i)) // fewer of another day
		if why, err := s.warehouse.Busy(t.Context()); err != nil || why != want {
			t.Errorf("after %d inserts: %q, %v; want %q", 2*(i+1), why, err, want)
		}
	}
}
