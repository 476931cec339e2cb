package stacktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
	"penstock/transport"
)

// TestColdTier runs what the cold tier needs a real ClickHouse and a real S3
// for, over one of each: to start them costs more than most of it.
func TestColdTier(t *testing.T) {
	a := start(t, kafka.KFake).Addresses()
	for name, test := range map[string]func(*testing.T, coldTier){
		"store":                  testS3Store,
		"store_in_bad_weather":   testS3Weather,
		"store_names_the_remedy": testS3NamesTheRemedy,
		"days_go_to_s3":          testDaysGoToS3,
		"iceberg_readers":        testIceberg,
		"export_repeats":         testExportRepeats,
		"view_while_days_move":   testViewWhileDaysMove,
		"open_names_the_remedy":  testOpenNamesTheRemedy,
		"versions_read_as_one":   testVersionsReadAsOne,
		"generations_rewritten":  testGenerationsAreRewritten,
		"drop_names_parts":       testDropIsOfWhatWasListed,
		"late_statements":        testLateStatements,
		"view_prunes":            testViewPrunes,
		"restore":                testRestore,
		"restore_over_versions":  testRestoreOverVersions,
		"ddl":                    testDDL,
		"readers_agree":          testReadersAgree,
		"one_device_of_a_day":    testOneDeviceOfADay,
	} {
		t.Run(name, func(t *testing.T) {
			// Each has a database and a folder of the bucket to itself.
			test(t, coldTierOf(a, name, name))
		})
	}
}

// coldTier is where a test's days are hot, and where they go.
type coldTier struct {
	clickHouse stack.ClickHouseAddress
	s3         stack.S3Address // with the keys that bucket has
	bucket     store.S3Config
}

// coldTierOf returns a database and a folder of the bucket.
func coldTierOf(a stack.Addresses, database, prefix string) coldTier {
	e := coldTier{clickHouse: a.ClickHouse, s3: a.S3, bucket: store.DefaultS3Config()}
	e.clickHouse.Database, e.bucket.Prefix = database, prefix
	e.bucket.Endpoint, e.bucket.Bucket = a.S3.Endpoint, a.S3.Bucket
	e.bucket.AccessKey, e.bucket.SecretKey = transport.NewSecret(a.S3.AccessKey), transport.NewSecret(a.S3.SecretKey)
	return e
}

func (e coldTier) config() warehouse.Config {
	c, at := warehouse.Default(), e.clickHouse
	c.Addr, c.User, c.Password, c.Database = at.Native, at.User, transport.NewSecret(at.Password), at.Database
	c.NamedCollection = "cold_of_" + at.Database
	return c
}

// services is a ClickHouse with the schema's tables, and the cold tier's place
// on S3.
type services struct {
	conn      driver.Conn
	schema    *schema.Schema
	tables    schema.Tables
	at        warehouse.Config
	config    tiering.Config
	objects   store.Store
	warehouse *warehouse.ClickHouse
}

func (s *services) compactor(events tiering.Events) *tiering.Compactor {
	return tiering.New(s.config, tiering.Dependencies{Table: s.schema.Name, Warehouse: s.warehouse, Objects: s.objects, Events: events, Holder: "test"})
}

func openColdTier(t *testing.T, e coldTier, configure func(*tiering.Config, *warehouse.Config)) *services {
	t.Helper()
	return openColdTierOf(t, e, schema.Telemetry(), configure)
}

func openColdTierOf(t *testing.T, e coldTier, of *schema.Schema, configure func(*tiering.Config, *warehouse.Config)) *services {
	t.Helper()
	config := e.config()
	tier := tiering.DefaultConfig()
	tier.Grace, tier.LateEvery, tier.SpoolDir = 0, 0, t.TempDir()
	configure(&tier, &config)

	s := &services{schema: of, tables: config.Tables(), at: config, config: tier}
	conn, err := clickhouse.Open(config.Options(config.Addr, ""))
	if err != nil {
		t.Fatal(err)
	}
	s.conn = conn
	for _, statement := range append([]string{s.tables.CreateDatabase()}, s.schema.DDL(s.tables)...) {
		s.exec(t, statement)
	}
	s.objects = openS3(t, e.bucket)
	if s.warehouse, err = warehouse.Open(t.Context(), config, e.bucket, s.schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.warehouse.Close(), conn.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *services) exec(t *testing.T, statement string) {
	t.Helper()
	if err := s.conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// insert inserts n events of a day; every nullable column is NULL now and then,
// and every 50th event is sent twice.
func (s *services) insert(t *testing.T, day schema.Day, first, n int) {
	t.Helper()
	var columns []string
	for _, c := range s.schema.Columns() {
		var expr string
		switch {
		case c.Name == s.schema.Device:
			expr = "concat('device-', toString(number % 97))"
		case c.Name == schema.ColPartition:
			expr = "number % 8"
		case c.Name == schema.ColOffset || c.Name == "seq":
			expr = "number"
		case c.Type == schema.TimestampMS:
			expr = fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d + (number * 7919) %% 86400000), 'UTC')", day.Start().UnixMilli())
		case c.Type == schema.String:
			expr = fmt.Sprintf("if(number %% 5 = 0, '', concat('%s ', toString(number %% 13)))", c.Name)
		case c.Type == schema.Bool:
			expr = "number % 2 = 0"
		case strings.HasPrefix(string(c.Type), "float"):
			expr = fmt.Sprintf("(rand(%d) - 2147483648) / 1e6", c.ID)
		default:
			expr = fmt.Sprintf("rand(%d)", c.ID)
		}
		if c.Nullable {
			expr = fmt.Sprintf("if(number %% %d = 0, NULL, %s)", c.ID, expr)
		}
		columns = append(columns, fmt.Sprintf("CAST(%s, %s) AS %s", expr, schema.QuoteString(c.ClickHouse()), schema.QuoteIdent(c.Name)))
	}
	hot := s.schema.Hot(s.tables)
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT %s FROM numbers(%d, %d)", hot, strings.Join(columns, ", "), first, n))
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (_offset + 1000000000 AS _offset) FROM %[1]s WHERE seq >= %d AND seq < %d AND seq %% 50 = 0", hot, first, first+n))
}

// content is a count and a hash over all columns of the events of a table, each
// once, computed by ClickHouse.
func (s *services) content(t *testing.T, table string) (rows, hash uint64) {
	t.Helper()
	query := fmt.Sprintf("SELECT count(), groupBitXor(cityHash64(*)) FROM (SELECT * EXCEPT (%s) FROM %s ORDER BY device_id, ts, seq, _offset LIMIT 1 BY device_id, seq)", schema.ColDay, table)
	if err := s.conn.QueryRow(t.Context(), query).Scan(&rows, &hash); err != nil {
		t.Fatal(err)
	}
	return rows, hash
}

func (s *services) count(t *testing.T, query string) (n uint64) {
	t.Helper()
	if err := s.conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Days go from a real ClickHouse to a real S3 and are read back through the
// view: every column the same, by ClickHouse's own hash.
func testDaysGoToS3(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) { c.FileBytes, c.RowGroupRows = 1, 8_000 })
	today := schema.DayOf(time.Now().UnixMilli())
	s.insert(t, today-40, 0, 20_000)
	s.insert(t, today-35, 1_000_000, 10_000)
	s.insert(t, today-3, 2_000_000, 5_000)
	rows, hash := s.content(t, s.schema.Hot(s.tables))
	same := func(when string) {
		t.Helper()
		if r, h := s.content(t, s.schema.All(s.tables)); r != rows || h != hash {
			t.Errorf("%s the view shows %d events with hash %d, want %d with %d", when, r, h, rows, hash)
		}
	}
	same("before")

	c := s.compactor(tiering.Events{})
	left, err := c.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Day != today-3 {
		t.Errorf("left: %v, want the hot day", left)
	}
	same("after")
	if n := s.count(t, "SELECT count() FROM "+s.schema.All(s.tables)+" WHERE toDate(ts) < today() - 30"); n != 30_000 {
		t.Errorf("the view shows %d rows of the cold days, want 30000: exact, without resends", n)
	}
	if n := s.count(t, "SELECT count() FROM "+s.schema.Hot(s.tables)+" WHERE toDate(ts) < today() - 30"); n != 0 {
		t.Errorf("%d rows of cold days are still hot", n)
	}

	// Whoever knows nothing of the cold tier makes the same view of its comment.
	var comment string
	if err := s.conn.QueryRow(t.Context(), s.schema.ViewCommentQuery(s.tables)).Scan(&comment); err != nil {
		t.Fatal(err)
	}
	renewed, err := s.schema.RenewView(s.tables, comment)
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, "DROP VIEW "+s.schema.All(s.tables)+" SYNC")
	s.exec(t, renewed)
	same("renewed")

	// Late rows of a cold day become its second generation.
	s.insert(t, today-40, 3_000_000, 500)
	rows, hash = rows+500, hash^s.hashOf(t, 3_000_000)
	same("with late rows")
	// And so do resends of what is cold already; there they end.
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT * EXCEPT (%s) REPLACE (_offset + 2000000000 AS _offset) FROM %s WHERE toDate(ts) = today() - 40 AND seq < 100",
		s.schema.Hot(s.tables), schema.ColDay, s.schema.All(s.tables)))
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	same("with late rows moved")
	if n := s.count(t, "SELECT count() FROM "+s.schema.All(s.tables)+" WHERE toDate(ts) < today() - 30"); n != 30_500 {
		t.Errorf("the view shows %d rows of the cold days, want 30500: exact over generations", n)
	}

	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(manifests) != 2 || len(manifests[0].Generations) != 2 || len(manifests[0].Generations[0].Files) != 3 {
		t.Errorf("manifests %+v; want two days, the older with two generations, the first of 3 files", manifests)
	}
	if n := s.count(t, "SELECT count() FROM "+s.schema.Sealed(s.tables)); n != 0 {
		t.Errorf("%d sealed rows are left", n)
	}
}

func (s *services) hashOf(t *testing.T, first int) (hash uint64) {
	t.Helper()
	query := fmt.Sprintf("SELECT groupBitXor(cityHash64(*)) FROM (SELECT * FROM %s WHERE seq >= %d AND _offset < 1000000000)", s.schema.Hot(s.tables), first)
	if err := s.conn.QueryRow(t.Context(), query).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

// An export that is stopped after its first file is repeated byte for byte, so
// it leaves nothing behind. Here the credentials stand in the view.
func testExportRepeats(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, w *warehouse.Config) {
		w.NamedCollection = ""
		c.FileBytes, c.RowGroupRows = 1, 8_000
	})
	s.insert(t, schema.DayOf(time.Now().UnixMilli())-40, 0, 20_000)
	stopped, stop := context.WithCancel(t.Context())
	first := tiering.Events{FileStored: func(schema.Day, tiering.File) { stop() }}
	if _, err := s.compactor(first).Pass(stopped); !errors.Is(err, context.Canceled) {
		t.Fatalf("the stopped pass ended with %v", err)
	}
	c := s.compactor(tiering.Events{})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.objects.List(t.Context(), s.schema.Name+"/day=")
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 3 || !slices.Equal(stored, listed) {
		t.Errorf("stored %v, listed %v; want the same 3", stored, listed)
	}
	if n := s.count(t, "SELECT count() FROM "+s.schema.All(s.tables)); n != 20_000 {
		t.Errorf("the view shows %d rows, want 20000", n)
	}
}

// While days move, every query through the view shows every event, and no Kafka
// offset twice.
func testViewWhileDaysMove(t *testing.T, e coldTier) {
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 1, 2_000
		c.Settle, c.Grace = time.Second, time.Second // longer than a query takes here
	})
	today := schema.DayOf(time.Now().UnixMilli())
	const days, events = 4, 3_000
	for i := range days {
		s.insert(t, today-40-schema.Day(i), i*1_000_000, events)
	}
	// The server takes its time between its looks at the tables, so that a day
	// that moves has every chance to be in both or in neither.
	query := "SELECT count(), uniqExact(_partition, _offset), uniqExact(device_id, seq) FROM " + s.schema.All(s.tables) +
		" SETTINGS merge_tree_storage_snapshot_sleep_ms = 100"
	c := s.compactor(tiering.Events{})
	done := make(chan error)
	go func() {
		for {
			left, err := c.Pass(t.Context())
			if err != nil || len(left) == 0 {
				done <- err
				return
			}
			time.Sleep(time.Until(left[len(left)-1].Due))
		}
	}()
	for looks := 0; ; looks++ {
		select {
		case err := <-done:
			if err != nil || looks < 10 {
				t.Fatalf("after %d looks the pass ended with %v", looks, err)
			}
			return
		default:
		}
		var rows, offsets, identities uint64
		if err := s.conn.QueryRow(t.Context(), query).Scan(&rows, &offsets, &identities); err != nil {
			t.Fatal(err)
		}
		if rows != offsets || identities != days*events {
			t.Fatalf("look %d: %d rows of %d offsets, %d events; want each offset once and %d events", looks, rows, offsets, identities, days*events)
		}
	}
}

func testOpenNamesTheRemedy(t *testing.T, e coldTier) {
	f := func(database, password string, want ...string) {
		t.Helper()
		c := e.config()
		c.Database, c.Password = database, transport.NewSecret(password)
		w, err := warehouse.Open(t.Context(), c, e.bucket, schema.Telemetry())
		if err == nil {
			t.Fatalf("opened: %v", w.Close())
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("error does not say %q: %v", text, err)
			}
		}
	}
	f("system", "wrong", "correct clickhouse.user and clickhouse.password")
	f("nowhere", e.clickHouse.Password, "ingest migrate")
	// The engine's own database is an overlay of others.
	f("default", e.clickHouse.Password, "a view cannot be replaced in one step", "use a database")
}
