package clickhouse

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// Strangers are turned away, whatever they send, and the server goes on.
func TestNoHello(t *testing.T) {
	f := func(name, sent, want string) {
		t.Helper()
		c, err := net.Dial("tcp", addresses.tcp)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }() // was only talked to
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	f("HTTP", "GET / HTTP/1.1\r\n\r\n", "An HTTP client must use the HTTP port")
	f("an endless name", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\x3f", "TOO_LARGE_STRING_SIZE")
	f("a large name", "\x00\xff\xff\xff\xff\x0f", "TOO_LARGE_STRING_SIZE")
	f("no user", "\x00\x01x\x01\x01\xbc\xa9\x03\x00\x00\x00", "AUTHENTICATION_FAILED")
}

func TestInsertFromChGoIsReadByClickhouseGo(t *testing.T) {
	for name, compression := range map[string]ch.Compression{"none": ch.CompressionDisabled, "lz4": ch.CompressionLZ4, "zstd": ch.CompressionZSTD} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			client, err := ch.Dial(ctx, ch.Options{Address: addresses.tcp, User: user, Password: password, Compression: compression})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }() // every statement was answered
			for _, sql := range []string{
				"DROP TABLE IF EXISTS readings",
				`CREATE TABLE readings (id UInt64, site LowCardinality(String), note Nullable(String), at DateTime64(3), tags Array(LowCardinality(String)), pos Tuple(x Float64, y Float64), m Map(String, UInt32)) ENGINE = MergeTree ORDER BY id`,
			} {
				if err := client.Do(ctx, ch.Query{Body: sql}); err != nil {
					t.Fatal(sql, err)
				}
			}
			var (
				id   proto.ColUInt64
				site = new(proto.ColStr).LowCardinality()
				note = new(proto.ColStr).Nullable()
				at   = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
			)
			t0 := time.UnixMilli(1_700_000_000_123).UTC()
			for i := range 1000 {
				id.Append(uint64(i))
				site.Append([]string{"north", "south"}[i%2])
				if i%3 == 0 {
					note.Append(proto.Null[string]())
				} else {
					note.Append(proto.NewNullable("x"))
				}
				at.Append(t0.Add(time.Duration(i) * time.Millisecond))
			}
			in := proto.Input{{Name: "id", Data: &id}, {Name: "site", Data: site}, {Name: "note", Data: note}, {Name: "at", Data: at}}
			if err := client.Do(ctx, ch.Query{Body: in.Into("readings"), Input: in}); err != nil {
				t.Fatal(err)
			}

			db, err := driver.Open(&driver.Options{Addr: []string{addresses.tcp}, Auth: driver.Auth{Username: user, Password: password}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }() // was only read from
			rows, err := db.Query(ctx, "SELECT id, site, note, at, tags, pos, m FROM readings ORDER BY id")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				var (
					id   uint64
					site string
					note *string
					at   time.Time
					tags []string
					pos  map[string]float64
					m    map[string]uint32
				)
				if err := rows.Scan(&id, &site, &note, &at, &tags, &pos, &m); err != nil {
					t.Fatal(err)
				}
				if id != uint64(n) || site != []string{"north", "south"}[n%2] || (note == nil) != (n%3 == 0) || !at.Equal(t0.Add(time.Duration(n)*time.Millisecond)) {
					t.Fatalf("row %d is %d %q %v %v", n, id, site, note, at)
				}
				n++
			}
			if err := rows.Err(); err != nil || n != 1000 {
				t.Fatalf("read %d rows, want 1000: %v", n, err)
			}
		})
	}
}

// A connection that goes on inserting finds a table as others made it meanwhile.
func TestInsertAfterAnotherChangedTheTable(t *testing.T) {
	dial := func() *ch.Client {
		client, err := ch.Dial(t.Context(), ch.Options{Address: addresses.tcp, User: user, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() }) // every statement was answered
		return client
	}
	client, other := dial(), dial()
	run := func(by *ch.Client, sql string) {
		t.Helper()
		if err := by.Do(t.Context(), ch.Query{Body: sql}); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// The server tells the types by which the client sends.
	insert := func(into string, want proto.ColumnType) {
		t.Helper()
		in := proto.Input{{Name: "x", Data: new(proto.ColAuto)}}
		told := proto.ColumnType("nothing")
		err := client.Do(t.Context(), ch.Query{Body: "INSERT INTO " + into + " VALUES", Input: in, OnInput: func(context.Context) error {
			told = in[0].Data.(*proto.ColAuto).Type()
			return io.EOF
		}})
		if err != nil || told != want {
			t.Errorf("%s takes %s (%v), want %s", into, told, err, want)
		}
	}
	run(other, "DROP DATABASE IF EXISTS shelf")
	run(other, "CREATE DATABASE shelf")
	run(other, "CREATE TABLE shelf.changing (x UInt8) ENGINE = MergeTree ORDER BY tuple()")
	run(client, "CREATE OR REPLACE TABLE changing (x String) ENGINE = Null")
	insert("shelf.changing", "UInt8")
	insert("shelf.changing", "UInt8")
	run(other, "ALTER TABLE shelf.changing MODIFY COLUMN x UInt64")
	insert("shelf.changing", "UInt64")
	insert("changing", "String")
	run(client, "USE shelf")
	insert("changing", "UInt64")
}
