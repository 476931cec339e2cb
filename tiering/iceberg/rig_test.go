package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/archive"
	"penstock/tiering/archive/archivetest"
	"penstock/tiering/store"
)

const firstDay schema.Day = 20_000 // 2024-10-04

func parse(t testing.TB, version int, fields string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(fmt.Appendf(nil, `name: telemetry
version: %d
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true, doc: "The device."}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: temperature, type: float32, nullable: true}
  - {id: 5, name: battery, type: uint8, nullable: true}
  - {id: 6, name: uptime, type: uint32}
  - {id: 7, name: door_open, type: bool}
%s`, version, fields))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// later is a field that came with version 2.
const later = "  - {id: 8, name: noise_db, type: float64, nullable: true, since: 2}\n"

// rig is a cold tier in a folder and a catalog of tables beside it. Manifests
// are written as a compactor would; there is none.
type rig struct {
	t       *testing.T
	schema  *schema.Schema // what the next file is written with
	dir     string
	objects *store.Memory
	catalog *lossy
	current map[schema.Day]*tiering.Manifest
	said    []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{t: t, schema: parse(t, 1, ""), dir: t.TempDir(), objects: new(store.Memory), current: make(map[schema.Day]*tiering.Manifest)}
	opened, closer, err := Connect(t.Context(), CatalogConfig{Type: "sql", Name: "penstock", URI: filepath.Join(g.dir, "catalog.db")}, store.DefaultS3Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	})
	g.catalog = &lossy{Catalog: opened}
	return g
}

func (g *rig) root() string { return "file://" + g.dir + "/cold/" }

// registrar returns one of several that may follow the same tier.
func (g *rig) registrar(configure ...func(*Config)) *Registrar {
	cfg := DefaultConfig()
	cfg.ReplanWait = time.Millisecond
	for _, do := range configure {
		do(&cfg)
	}
	return New(cfg, Dependencies{
		Catalog: g.catalog, Schema: parse(g.t, 1, ""), Objects: g.objects, Root: g.root(),
		Files: icebergio.LoadFSFunc(nil, g.root()),
		Events: Events{
			Committed: func(c Commit) { g.say("committed %v +%d -%d", c.Versions, len(c.Add), len(c.Remove)) },
			Settled:   func(c Commit, err error) { g.say("settled %v: %v", c.Versions, err) },
			Moved:     func(error) { g.say("moved") },
		},
	})
}

func (g *rig) say(format string, args ...any) { g.said = append(g.said, fmt.Sprintf(format, args...)) }

// pass makes one pass and checks what it says, a line a commit.
func (g *rig) pass(want ...string) {
	g.t.Helper()
	g.said = nil
	if _, err := g.registrar().Pass(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	if !slices.Equal(g.said, want) {
		g.t.Errorf("the pass said\n  %s\nwant\n  %s", strings.Join(g.said, "\n  "), strings.Join(want, "\n  "))
	}
}

// file writes a file of a day with n rows of a device.
func (g *rig) file(day schema.Day, device string, first, n int) tiering.File {
	g.t.Helper()
	b := archive.NewBlock(g.schema)
	at := day.Start().UnixMilli()
	for i := range n {
		seq := first + i
		var values []any
		for _, c := range g.schema.Columns() {
			values = append(values, map[string]any{
				"device_id": device, "seq": uint64(seq), "ts": at + int64(i), "temperature": float32(seq) / 2, "battery": nil,
				"uptime": uint32(1<<31) + uint32(seq), "door_open": seq%2 == 0, "noise_db": float64(seq) / 4,
				schema.ColExtra: "", schema.ColTopic: "telemetry", schema.ColPartition: int32(3), schema.ColOffset: int64(seq),
				schema.ColIngestedAt: at + int64(i), schema.ColIndex: uint16(0),
			}[c.Name])
		}
		archivetest.Append(b, values...)
	}
	var body bytes.Buffer
	w := archive.NewWriter(&body, g.schema, 100)
	for left := []archive.Run{{From: 0, To: n}}; len(left) > 0; {
		var err error
		if left, err = w.Write(b, left); err != nil {
			g.t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		g.t.Fatal(err)
	}
	sum := store.SumBytes(body.Bytes())
	f := tiering.File{
		Path: fmt.Sprintf("day=%s/part-%s.parquet", day, sum.String()[:16]), Rows: uint64(n), Bytes: int64(body.Len()), SHA256: sum,
		MinTime: time.UnixMilli(at).UTC(), MaxTime: time.UnixMilli(at + int64(n-1)).UTC(), MinDevice: device, MaxDevice: device,
	}
	path := filepath.Join(g.dir, "cold", f.Key("telemetry"))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, body.Bytes(), 0o644)); err != nil {
		g.t.Fatal(err)
	}
	return f
}

// publish writes the day's next manifest version, which lists these files; with
// none the day is retired.
func (g *rig) publish(day schema.Day, files ...tiering.File) {
	g.t.Helper()
	m := &tiering.Manifest{Format: 2, Table: "telemetry", Day: day.String(), Version: 1, LastGeneration: 1, Generations: []tiering.Generation{}}
	if before := g.current[day]; before != nil {
		m.Version = before.Version + 1
	}
	now := day.Start()
	if len(files) == 0 {
		m.RetiredAt = &now
	} else {
		m.Generations = append(m.Generations, tiering.Generation{Generation: 1, SchemaVersion: g.schema.Version, PublishedAt: now, Files: files})
	}
	g.current[day] = m
	body, err := json.Marshal(m)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := store.CreateBytes(g.t.Context(), g.objects, fmt.Sprintf("telemetry/manifests/day=%s/v%06d.json", day, m.Version), body); err != nil {
		g.t.Fatal(err)
	}
}

// load returns the table as it is now.
func (g *rig) load() *table.Table {
	g.t.Helper()
	t, err := g.catalog.Catalog.LoadTable(g.t.Context(), table.Identifier{"penstock", "telemetry"})
	if err != nil {
		g.t.Fatal(err)
	}
	return t
}

// same checks that the table has exactly the files that the manifests list,
// each once.
func (g *rig) same() {
	g.t.Helper()
	var want, got []string
	for _, m := range g.current {
		for _, generation := range m.Generations {
			for _, f := range generation.Files {
				want = append(want, g.root()+f.Key("telemetry"))
			}
		}
	}
	tasks, err := g.load().Scan().PlanFiles(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, task := range tasks {
		got = append(got, task.File.FilePath())
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		g.t.Errorf("the table has\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// lossy is a catalog whose answers get lost.
type lossy struct {
	Catalog
	// before and after a commit; an error is what the registrar hears.
	before, after func() error
}

// LoadTable returns a table that commits through here too.
func (l *lossy) LoadTable(ctx context.Context, ident table.Identifier) (*table.Table, error) {
	t, err := l.Catalog.LoadTable(ctx, ident)
	if err != nil {
		return nil, err
	}
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), t.FS, l), nil
}

func (l *lossy) CommitTable(ctx context.Context, ident table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	if l.before != nil {
		if err := l.before(); err != nil {
			return nil, "", err
		}
	}
	m, at, err := l.Catalog.CommitTable(ctx, ident, reqs, updates)
	if l.after != nil && err == nil {
		if err := l.after(); err != nil {
			return nil, "", err
		}
	}
	return m, at, err
}
