package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// protocols are clickhouse-go's two, and the ways it compresses on each.
var protocols = []struct {
	name        string
	protocol    driver.Protocol
	compression driver.CompressionMethod
}{
	{"native", driver.Native, driver.CompressionNone},
	{"native lz4", driver.Native, driver.CompressionLZ4},
	{"native zstd", driver.Native, driver.CompressionZSTD},
	{"http", driver.HTTP, driver.CompressionNone},
	{"http lz4", driver.HTTP, driver.CompressionLZ4},
	{"http zstd", driver.HTTP, driver.CompressionZSTD},
	{"http gzip", driver.HTTP, driver.CompressionGZIP},
}

func open(t *testing.T, protocol driver.Protocol, compression driver.CompressionMethod, change ...func(*driver.Options)) driver.Conn {
	t.Helper()
	address := addresses.tcp
	if protocol == driver.HTTP {
		address = addresses.http
	}
	o := &driver.Options{
		Addr: []string{address}, Protocol: protocol, Auth: driver.Auth{Username: user, Password: password},
		Compression: &driver.Compression{Method: compression}, MaxOpenConns: 20,
	}
	for _, f := range change {
		f(o)
	}
	db, err := driver.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // nothing was written that could be lost
	return db
}

func execute(t *testing.T, db driver.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func scan[T any](t *testing.T, db driver.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestClickhouseGo(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			db := open(t, p.protocol, p.compression)
			if err := db.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			execute(t, db, "CREATE OR REPLACE TABLE kinds (id UInt64, site LowCardinality(String), note LowCardinality(Nullable(String)), at DateTime64(3, 'UTC'), level Nullable(Float64), tags Array(Array(String)), doc JSON) ENGINE = MergeTree ORDER BY id")
			at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
			batch, err := db.PrepareBatch(t.Context(), "INSERT INTO kinds (id, site, note, at, level, tags)")
			if err != nil {
				t.Fatal(err)
			}
			note, level := "n", 1.25
			for i := range 3 {
				if err := batch.Append(uint64(i), "s"+strconv.Itoa(i%2), &note, at, &level, [][]string{{"a"}, {}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Append(uint64(3), "s1", nil, at, nil, [][]string{}); err != nil {
				t.Fatal(err)
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got []string
			rows, err := db.Query(t.Context(), "SELECT id, site, note, at, level, tags FROM kinds WHERE id >= {from:UInt64} ORDER BY id", driver.Named("from", "2"))
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var (
					id    uint64
					site  string
					note  *string
					at    time.Time
					level *float64
					tags  [][]string
				)
				if err := rows.Scan(&id, &site, &note, &at, &level, &tags); err != nil {
					t.Fatal(err)
				}
				line := fmt.Sprintln(id, site, at.UTC().Format(time.RFC3339Nano), tags)
				if note != nil && level != nil {
					line += fmt.Sprintln(*note, *level)
				}
				got = append(got, line)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			want := []string{"2 s0 2026-02-03T04:05:06.789Z [[a] []]\nn 1.25\n", "3 s1 2026-02-03T04:05:06.789Z []\n"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if doc := scan[driver.JSON](t, db, `SELECT '{"a": {"b": 7}, "c": ["x"]}'::JSON`); doc.ValuesByPath()["a.b"] == nil {
				t.Errorf("the document came as %v", doc.ValuesByPath())
			}
			empty, err := db.Query(t.Context(), "SELECT id, at FROM kinds WHERE 0")
			if err != nil || empty.Next() {
				t.Errorf("a result without rows has one, or fails: %v", err)
			}
			var e *driver.Exception
			if err := db.Exec(t.Context(), "SELECT * FROM nowhere"); !errors.As(err, &e) || e.Code != 60 {
				t.Errorf("unknown table: %v, want code 60", err)
			}
			ctx := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"max_threads": 3}))
			var threads uint64
			if err := db.QueryRow(ctx, "SELECT toUInt64(getSetting('max_threads'))").Scan(&threads); err != nil || threads != 3 {
				t.Errorf("max_threads is %d, %v; want 3", threads, err)
			}
			ctx = driver.Context(t.Context(), driver.WithSettings(driver.Settings{"max_threds": 3}))
			if err := db.Exec(ctx, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Unknown setting 'max_threds'") {
				t.Errorf("an unknown setting gives %v", err)
			}
			execute(t, db, "INSERT INTO kinds (id, site) VALUES (7, 'FORMAT x'), (8, ';')", "INSERT INTO kinds (id, site) SELECT 9, 's'")
			if n := scan[uint64](t, db, "SELECT count() FROM kinds WHERE id > 6"); n != 3 {
				t.Errorf("%d rows that came within a statement, want 3", n)
			}
			if p.protocol == driver.Native {
				// The client formats; a server ignores the clause.
				if n := scan[uint8](t, db, "SELECT 1 FORMAT JSON"); n != 1 {
					t.Errorf("SELECT 1 is %d", n)
				}
			}
			if v := scan[string](t, db, "SELECT version()"); !strings.HasPrefix(v, "26.7.") {
				t.Errorf("version() is %s", v)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	for _, p := range []driver.Protocol{driver.Native, driver.HTTP} {
		db := open(t, p, driver.CompressionNone, func(o *driver.Options) { o.Auth.Password = "guess" })
		err := db.Ping(t.Context())
		if err == nil || !strings.Contains(err.Error(), "516") && !strings.Contains(err.Error(), "Authentication failed") {
			t.Errorf("%v: %v, want code 516", p, err)
		}
	}
}

// A result of five million rows, 230 MB, passes through without the process
// growing by as much.
func TestLargeResultIsStreamed(t *testing.T) {
	const rows = 5_000_000
	for _, p := range protocols {
		if p.name != "native lz4" && p.name != "http" {
			continue // a compression more would only take longer
		}
		t.Run(p.name, func(t *testing.T) {
			db := open(t, p.protocol, p.compression)
			before := rss(t)
			result, err := db.Query(t.Context(), "SELECT number, repeat('x', 30), toString(number) FROM numbers(?)", rows)
			if err != nil {
				t.Fatal(err)
			}
			var n, sum, most uint64
			for result.Next() {
				var v uint64
				var a, b string
				if err := result.Scan(&v, &a, &b); err != nil {
					t.Fatal(err)
				}
				if n++; n%1_000_000 == 0 {
					most = max(most, rss(t))
				}
				sum += v
			}
			if err := result.Err(); err != nil || n != rows || sum != rows*(rows-1)/2 {
				t.Fatalf("read %d rows adding up to %d: %v", n, sum, err)
			}
			if grown := int64(most) - int64(before); grown > 150<<20 {
				t.Errorf("the process grew by %d MiB while a result of 230 MB passed", grown>>20)
			}
		})
	}
}

// rss is the memory this process holds, in bytes: engine, server and client.
func rss(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// An error after rows have gone out is an error for the client, not an end.
func TestErrorWithinAResult(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			db := open(t, p.protocol, p.compression)
			rows, err := db.Query(t.Context(), "SELECT number, throwIf(number = 3000000, 'enough') FROM numbers(5000000) SETTINGS max_threads = 1")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err == nil || n == 0 || n > 3000000 {
				t.Errorf("%d rows and %v, want an error after some of 3,000,000", n, err)
			} else if !strings.Contains(err.Error(), "enough") {
				t.Errorf("the error is %v", err)
			}
			if one := scan[uint8](t, db, "SELECT 1"); one != 1 {
				t.Errorf("SELECT 1 is %d", one)
			}
		})
	}
}

func TestConnectionsSideBySide(t *testing.T) {
	db := open(t, driver.Native, driver.CompressionLZ4)
	execute(t, db,
		"CREATE OR REPLACE TABLE shared (w UInt8, n UInt64) ENGINE = MergeTree ORDER BY n",
		"DROP TABLE IF EXISTS shared_view",
		"CREATE MATERIALIZED VIEW shared_view ENGINE = SummingMergeTree ORDER BY w AS SELECT w, count() AS c FROM shared GROUP BY w",
	)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 5 {
				batch, err := db.PrepareBatch(t.Context(), "INSERT INTO shared (w, n)")
				if err != nil {
					t.Error(err)
					return
				}
				for n := range 1000 {
					if err := batch.Append(uint8(w), uint64(i*1000+n)); err != nil {
						t.Error(err)
					}
				}
				if err := batch.Send(); err != nil {
					t.Error(err)
				}
				var c uint64
				if err := db.QueryRow(t.Context(), "SELECT count() FROM shared WHERE w = ?", w).Scan(&c); err != nil || c != uint64(i+1)*1000 {
					t.Errorf("after insert %d of writer %d there are %d rows: %v", i, w, c, err)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 5 {
			if err := db.Exec(t.Context(), fmt.Sprintf("ALTER TABLE shared ADD COLUMN extra%d UInt8", i)); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if c := scan[uint64](t, db, "SELECT count() FROM shared"); c != 40000 {
		t.Errorf("%d rows, want 40000", c)
	}
	if c := scan[uint64](t, db, "SELECT toUInt64(sum(c)) FROM shared_view"); c != 40000 {
		t.Errorf("%d rows in the view, want 40000", c)
	}
}

func TestCancel(t *testing.T) {
	for _, p := range []driver.Protocol{driver.Native, driver.HTTP} {
		t.Run(p.String(), func(t *testing.T) {
			db := open(t, p, driver.CompressionNone)
			// The engine works on this for minutes without handing out a row.
			const slow = "SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1"
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() { failed <- db.Exec(ctx, slow) }()
			wait(t, db, slow, 1)
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			wait(t, db, slow, 0)

			id := uuid.NewString()
			go func() { failed <- db.Exec(driver.Context(t.Context(), driver.WithQueryID(id)), slow) }()
			wait(t, db, slow, 1)
			if err := db.Exec(driver.Context(t.Context(), driver.WithQueryID(id)), "SELECT 1"); err == nil || !strings.Contains(err.Error(), "already running") {
				t.Errorf("a query id in use gives %v", err)
			}
			execute(t, db, "KILL QUERY WHERE query_id = '"+id+"' SYNC")
			if err := <-failed; err == nil || !strings.Contains(err.Error(), "QUERY_WAS_CANCELLED") {
				t.Errorf("killed: %v, want code 394", err)
			}
		})
	}
}

// wait waits until n statements of that text run.
func wait(t *testing.T, db chdriver.Conn, sql string, n uint64) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for scan[uint64](t, db, "SELECT count() FROM system.processes WHERE query = ?", sql) != n {
		if time.Now().After(deadline) {
			t.Fatalf("there are not %d statements running after 20 s: %s", n, sql)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
