package stacktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/ops/local/kafka"
	"penstock/pipeline/evolve"
	"penstock/schema"
)

// TestSchemaVersions has a real ClickHouse keep the versions of a schema.
func TestSchemaVersions(t *testing.T) {
	a := start(t, kafka.KFake).Addresses().ClickHouse
	for name, test := range map[string]func(*testing.T, *receiptsOf){
		"apply":    testApply,
		"fallback": testFallback,
		"grow":     testGrow,
	} {
		t.Run(name, func(t *testing.T) { test(t, openReceipts(t, a, name, fleet(t, 1, ""))) })
	}
}

// fleet is a schema that may grow.
func fleet(t *testing.T, version int, fields string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(fmt.Appendf(nil, `
name: fleet
version: %d
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
%s`, version, fields))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *receiptsOf) registry(t *testing.T, file *schema.Schema) *evolve.Registry {
	t.Helper()
	at := r.options()
	at.Auth.Database = r.tables.Database
	g, err := evolve.Open([]evolve.Shard{{Name: "1", At: at}}, r.tables, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// Of all who bring another version 2 at once one wins, and whoever is killed in
// between is finished by the next.
func testApply(t *testing.T, r *receiptsOf) {
	ctx, quiet := t.Context(), func(string) {}
	first := r.registry(t, r.schema)
	expect := func(g *evolve.Registry, version int) {
		t.Helper()
		if got, err := g.Current(ctx); err != nil || got.Version != version {
			t.Fatalf("got %+v and %v, want version %d", got, err, version)
		}
	}
	expect(first, 1) // nothing is written down yet, and the file says so
	for range 2 {
		if err := first.Begin(ctx, quiet); err != nil {
			t.Fatal(err)
		}
	}
	expect(first, 1)

	var wait sync.WaitGroup
	outcomes := make([]error, 5)
	for i := range outcomes {
		g, next := r.registry(t, r.schema), fleet(t, 2, fmt.Sprintf("  - {id: 4, name: reading_%d, type: float32, nullable: true, since: 2}\n", i))
		wait.Go(func() { outcomes[i] = g.Apply(ctx, next, quiet) })
	}
	wait.Wait()
	won := -1
	for i, err := range outcomes {
		switch {
		case err == nil && won < 0:
			won = i
		case !errors.Is(err, evolve.ErrOvertaken):
			t.Errorf("apply %d: got %v, and %d has won", i, err, won)
		}
	}
	expect(first, 2)
	current, err := first.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := current.Fields[3].Name, fmt.Sprintf("reading_%d", won); got != want {
		t.Errorf("the field is %s, want %s", got, want)
	}

	// A kill after the version was accepted, and before any of its columns.
	third := fleet(t, 3, fmt.Sprintf("  - {id: 4, name: reading_%d, type: float32, nullable: true, since: 2}\n  - {id: 5, name: torque, type: int8, since: 3}\n", won)).Text()
	insert := fmt.Sprintf("INSERT INTO %s (version, state, text, at, by) VALUES (3, 'accepted', ?, now64(3), 'the killed')", r.schema.Versions(r.tables))
	token := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": r.schema.VersionToken(3, schema.Accepted)}))
	if err := r.conn.Exec(token, insert, third); err != nil {
		t.Fatal(err)
	}
	expect(first, 2)
	if err := first.Begin(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	expect(first, 3)

	var columns uint64
	for _, table := range []string{r.schema.Name, r.schema.Name + "_sealed"} {
		query := "SELECT count() FROM system.columns WHERE database = ? AND table = ? AND (name LIKE 'reading_%' OR name = 'torque')"
		if err := r.conn.QueryRow(ctx, query, r.tables.Database, table).Scan(&columns); err != nil || columns != 2 {
			t.Errorf("%s has %d of the columns (%v), want the two of the versions that were accepted", table, columns, err)
		}
	}
	if _, err := r.registry(t, fleet(t, 4, "")).Current(ctx); err == nil || !strings.Contains(err.Error(), `the schema file is version 4 of fleet, and the tables are at version 3; "ingest migrate" brings them there`) {
		t.Errorf("a file that is ahead of the tables: %v", err)
	}
}

// Every value of a field that no schema had is read by its name within five
// seconds, while nodes that do not know it go on storing rows, and without
// anybody asking for it.
func testGrow(t *testing.T, r *receiptsOf) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g := r.registry(t, r.schema)
	if err := g.Begin(ctx, func(string) {}); err != nil {
		t.Fatal(err)
	}
	c := evolve.Default()
	var auto sync.WaitGroup
	auto.Go(func() {
		g.Auto(ctx, c, func() bool { return true }, func(string) {}, func(err error) { t.Error(err) })
	})
	const batches, rows = 40, 50
	decoder := schema.NewDecoder(r.schema, schema.JSON, 1<<20)
	var last time.Time
	for batch := range batches {
		b := schema.NewBlock(r.schema)
		for row := range rows {
			n, now := int64(batch*rows+row), time.Now().UnixMilli()
			value := fmt.Appendf(nil, `{"device_id":"d","seq":%d,"ts":%d,"torque":%d.5,"mode":"m%[1]d","nested":{"x":1}}`, n, now, n)
			if _, err := decoder.Decode(schema.Record{Topic: "t", Offset: n, Time: now, Value: value}, b); err != nil {
				t.Fatal(err)
			}
		}
		r.insertBlock(t, r.schema, b)
		last = time.Now()
	}
	query := fmt.Sprintf("SELECT countIf(torque = seq + 0.5 AND mode = concat('m', toString(seq))) FROM %s", r.schema.Hot(r.tables))
	eventually(t, "value by its name", func() error {
		var found uint64
		if err := r.conn.QueryRow(ctx, query).Scan(&found); err != nil || found != batches*rows {
			return errors.Join(fmt.Errorf("%d of %d", found, batches*rows), err)
		}
		return nil
	})
	if took := time.Since(last); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	// The columns come first, and then the version is marked ready.
	eventually(t, "version 2 with two fields more", func() error {
		current, err := g.Current(ctx)
		if err != nil || current.Version != 2 || len(current.Fields) != 5 {
			return errors.Join(fmt.Errorf("got %+v", current), err)
		}
		return nil
	})
	stop()
	auto.Wait()
}
