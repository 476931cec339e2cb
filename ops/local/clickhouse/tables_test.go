package clickhouse

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	driver "github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
	"penstock/ops/local/s3"
)

// What the product builds upon: tokens, views, projections and partitions.

// numbers are the rows [from, to) of each of some days, in one block.
type numbers struct {
	days     []int
	from, to int
}

// insertBlocks sends one INSERT of a block for each part.
func insertBlocks(t *testing.T, db chdriver.Conn, token string, parts ...numbers) {
	t.Helper()
	ctx := driver.Context(t.Context(), driver.WithSettings(driver.Settings{
		"insert_deduplication_token":                         token,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"max_insert_threads":                                 1,
		"async_insert":                                       0,
	}))
	batch, err := db.PrepareBatch(ctx, "INSERT INTO days (day, n)")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		for _, day := range p.days {
			for n := p.from; n < p.to; n++ {
				if err := batch.Append(time.Unix(int64(day)*86400, 0).UTC(), uint64(n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := batch.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

func createDays(t *testing.T, db chdriver.Conn) {
	t.Helper()
	const table = "(day Date, n UInt64, PROJECTION receipts (SELECT n, day ORDER BY n)) ENGINE = MergeTree PARTITION BY day ORDER BY (day, n) SETTINGS non_replicated_deduplication_window = 1000"
	execute(t, db,
		"DROP TABLE IF EXISTS per_day", "DROP TABLE IF EXISTS per_day_view", "DROP TABLE IF EXISTS days", "DROP TABLE IF EXISTS days_sealed",
		"CREATE TABLE days "+table, "CREATE TABLE days_sealed "+table,
		// Partitioned as the table is: tokens are remembered per partition, and a
		// view in a single one would skip the second half of an insert whose
		// first half it has.
		"CREATE TABLE per_day (day Date, c UInt64) ENGINE = SummingMergeTree PARTITION BY day ORDER BY day SETTINGS non_replicated_deduplication_window = 1000",
		"CREATE MATERIALIZED VIEW per_day_view TO per_day AS SELECT day, count() AS c FROM days GROUP BY day",
	)
}

func TestTokens(t *testing.T) {
	db := open(t, driver.Native, driver.CompressionLZ4)
	createDays(t, db)
	f := func(name, token string, want uint64, parts ...numbers) {
		t.Helper()
		insertBlocks(t, db, token, parts...)
		rows := scan[uint64](t, db, "SELECT count() FROM days")
		seen := scan[uint64](t, db, "SELECT sum(c) FROM per_day")
		if rows != want || seen != want {
			t.Errorf("%s: %d rows and %d in the view, want %d", name, rows, seen, want)
		}
	}
	f("new", "a", 100, numbers{[]int{1}, 0, 100})
	f("again", "a", 100, numbers{[]int{1}, 0, 100})
	f("again with other rows", "a", 100, numbers{[]int{1}, 500, 700})
	f("the same rows under another token", "b", 200, numbers{[]int{1}, 0, 100})
	f("several blocks are one insert", "c", 500, numbers{[]int{1}, 0, 100}, numbers{[]int{1}, 100, 200}, numbers{[]int{1}, 200, 300})
	f("several blocks again", "c", 500, numbers{[]int{1}, 0, 100}, numbers{[]int{1}, 100, 200}, numbers{[]int{1}, 200, 300})
	// The engine combines the blocks of an insert into what it remembers of its
	// token. Who wants to retry must cut the rows into the same blocks, or send
	// one.
	f("cut into other blocks it is another insert", "c", 800, numbers{[]int{1}, 0, 300})
	f("a day of two", "d", 900, numbers{[]int{2}, 0, 100})
	f("both days: the one that is there is skipped", "d", 1000, numbers{[]int{2, 3}, 0, 100})
}

func TestPartitionMovesWithItsProjectionAndLeavesItsTokens(t *testing.T) {
	db := open(t, driver.Native, driver.CompressionLZ4)
	createDays(t, db)
	insertBlocks(t, db, "a", numbers{[]int{1}, 0, 1000})
	insertBlocks(t, db, "b", numbers{[]int{2}, 0, 10})
	execute(t, db, "ALTER TABLE days MOVE PARTITION '1970-01-02' TO TABLE days_sealed")
	if n := scan[uint64](t, db, "SELECT count() FROM days"); n != 10 {
		t.Errorf("%d rows stay, want 10", n)
	}
	if n := scan[uint64](t, db, "SELECT sum(rows) FROM system.projection_parts WHERE active AND database = 'default' AND table = 'days_sealed' AND name = 'receipts'"); n != 1000 {
		t.Errorf("the moved partition's projection has %d rows, want 1000", n)
	}
	insertBlocks(t, db, "a", numbers{[]int{1}, 0, 1000})
	if n := scan[uint64](t, db, "SELECT count() FROM days"); n != 10 {
		t.Errorf("%d rows after the token of a moved insert came again, want 10", n)
	}
	execute(t, db, "ALTER TABLE days_sealed DROP PARTITION '1970-01-02'")
	if n := scan[uint64](t, db, "SELECT count() FROM days_sealed"); n != 0 {
		t.Errorf("%d rows after the drop", n)
	}
}

// The engine reads and writes objects of an S3 on this machine.
func TestS3(t *testing.T) {
	cache, err := fetch.Fetched(t.Context(), os.Stderr, fetch.S3)
	if err != nil {
		t.Fatal(err)
	}
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	gateway := s3.New(s3.Config{Program: cache.Path(fetch.S3), Dir: t.TempDir(), Port: port, Bucket: "cold"})
	if err := gateway.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gateway.Stop(); err != nil {
			t.Error(err)
		}
	})
	db := open(t, driver.Native, driver.CompressionLZ4)
	object := "s3('" + gateway.Endpoint() + "/cold/day/part.parquet', '" + s3.AccessKey + "', '" + s3.SecretKey + "', 'Parquet', 'n UInt64, s String')"
	execute(t, db, "INSERT INTO FUNCTION "+object+" SELECT number AS n, toString(number) AS s FROM numbers(1000)")
	if n := scan[uint64](t, db, "SELECT sum(n) FROM "+object+" WHERE s != '7'"); n != 999*1000/2-7 {
		t.Errorf("the object's rows add up to %d", n)
	}
	rows := proto.Input{{Name: "n", Data: &proto.ColUInt64{1, 2}}, {Name: "s", Data: new(proto.ColStr)}}
	for range 2 {
		rows[1].Data.(*proto.ColStr).Append("x")
	}
	client, err := ch.Dial(t.Context(), ch.Options{Address: addresses.tcp, User: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // every statement was answered
	if err := client.Do(t.Context(), ch.Query{Body: "INSERT INTO FUNCTION " + strings.Replace(object, "part", "client", 1) + " VALUES", Input: rows}); err != nil {
		t.Error("rows from a client:", err)
	}
	all := "s3('" + gateway.Endpoint() + "/cold/**.parquet', '" + s3.AccessKey + "', '" + s3.SecretKey + "')"
	if n := scan[uint64](t, db, "SELECT count() FROM "+all); n != 1002 {
		t.Errorf("%d rows by a pattern, want 1002", n)
	}
}
