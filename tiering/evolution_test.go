package tiering

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"penstock/schema"
	"penstock/tiering/store"
)

// noisy gives every second event of laterSchema a value of its new field.
func noisy(events []event) []event {
	for i := range events {
		if i%2 == 0 {
			events[i].noise = float64(i) + 0.25
		}
	}
	return events
}

// noises returns the values of the new field in files, NULLs left out.
func noises(t *testing.T, objects *store.Memory, keys []string) (all []float64) {
	t.Helper()
	for _, key := range keys {
		body, _, err := store.ReadAll(t.Context(), objects, key)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := parquet.Read[struct {
			Noise *float64 `parquet:"noise_db,optional"`
		}](bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Noise != nil {
				all = append(all, *r.Noise)
			}
		}
	}
	return all
}

// A day is written with the schema that stands in ClickHouse when it is, and
// files of every version verify under the newest.
func TestPassesFollowTheSchema(t *testing.T) {
	first, second := day("2026-10-01"), day("2026-10-02")
	objects := new(store.Memory)
	w := newWarehouse(testSchema(t), objects, readings(first, 0, 9)...)
	c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.schema = laterSchema(t)
	w.insert(noisy(readings(second, 100, 9))...)
	w.insert(event{device: "late", seq: 1, time: first.Start().UnixMilli(), offset: 50, noise: 77})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]int{{1, 2}, {2}} {
		for j, version := range want {
			if got := manifests[i].Generations[j].SchemaVersion; got != version {
				t.Errorf("%s generation %d is of version %d, want %d", manifests[i].Day, j+1, got, version)
			}
		}
	}
	files, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := noises(t, objects, files); len(got) != 6 || got[0] != 77 {
		t.Errorf("the files have the new values %v, want 77 and five", got)
	}
	if !strings.HasPrefix(w.shown, "2 ") {
		t.Errorf("the view is %q, want one of version 2", w.shown)
	}

	// A schema that lost the field, and one in which its name is another's id.
	w.schema = testSchema(t)
	if _, err := c.Verify(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "written with schema version 2, ClickHouse has 1") {
		t.Errorf("verified by an older schema: %v", err)
	}
	w.schema = parse(t, 3, "  - {id: 6, name: torque, type: float64, nullable: true, since: 2}\n")
	if _, err := c.Verify(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "lists column noise_db with id 6") {
		t.Errorf("verified by a schema of another field: %v", err)
	}
}

// A version that becomes ready while the day is on its way is the one the day is
// written with: rows with its columns may have come before the seal.
func TestExportTakesTheSchemaAfterTheSeal(t *testing.T) {
	objects := new(store.Memory)
	w := newWarehouse(testSchema(t), objects, noisy(readings(day("2026-10-01"), 0, 9))...)
	later := laterSchema(t)
	c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test",
		Events: Events{Done: func(s Step, _ time.Duration) {
			if s.Action == Seal {
				w.schema = later
			}
		}}})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := noises(t, objects, files); len(got) != 5 {
		t.Errorf("the files have the new values %v, want five", got)
	}
}

// A table with a column that the schema has not keeps its days.
func TestUnknownColumnKeepsTheDay(t *testing.T) {
	cold := day("2026-10-01")
	f := func(name string, prepare func(w *warehouse, c *Compactor)) {
		t.Helper()
		objects := new(store.Memory)
		w := newWarehouse(testSchema(t), objects, readings(cold, 0, 9)...)
		c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
		prepare(w, c)
		_, err := c.Pass(t.Context())
		if !errors.Is(err, ErrUnknownColumn) || !strings.Contains(err.Error(), "telemetry.noise_db: no column of version 1") {
			t.Errorf("%s: got %v, want the column named", name, err)
		}
		if manifests, err := c.catalog.manifests(t.Context()); err != nil || len(manifests) != 0 || len(w.hot[cold])+len(w.sealed[cold]) != 9 {
			t.Errorf("%s: %v, manifests %v; want nothing published or lost", name, err, manifests)
		}
		w.unknown = nil
		if _, err := c.Pass(t.Context()); err != nil {
			t.Errorf("%s: with the column known: %v", name, err)
		}
	}
	f("hot", func(w *warehouse, _ *Compactor) { w.unknown = []string{"telemetry.noise_db"} })
	f("sealed", func(w *warehouse, c *Compactor) {
		c.events.Done = func(s Step, _ time.Duration) {
			if s.Action == Seal {
				w.unknown = []string{"telemetry.noise_db"}
			}
		}
	})
}

// No day moves or is dropped under a view that somebody else has put there from
// what he read before; the fake warehouse refuses it.
func TestViewIsPutBack(t *testing.T) {
	for at := range 12 {
		objects, now := new(store.Memory), &clock{today}
		w := newWarehouse(testSchema(t), objects, readings(day("2026-10-01"), 0, 9)...)
		steps := 0
		events := Events{Begun: func(Step) {
			if steps == at/3 {
				w.overwrites = at%3 + 1
			}
			steps++
		}}
		c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test", Events: events})
		if left, err := c.Pass(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("overwritten %d times at step %d: left %v, %v", at%3+1, at/3, left, err)
		}
	}
	objects := new(store.Memory)
	w := newWarehouse(testSchema(t), objects, readings(day("2026-10-01"), 0, 9)...)
	c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test",
		Events: Events{Begun: func(Step) { w.overwrites = 1_000 }}})
	if _, err := c.Pass(t.Context()); err == nil || !strings.Contains(err.Error(), "replaced 5 times by somebody else") || len(w.sealed) != 0 {
		t.Errorf("overwritten for ever: %v", err)
	}
}

// The view that a pass leaves has the columns of the version that became ready
// while it was being replaced.
func TestViewHasTheNewestColumns(t *testing.T) {
	objects := new(store.Memory)
	w := newWarehouse(testSchema(t), objects)
	c := New(testConfig(t), Dependencies{Table: w.schema.Name, Warehouse: evolving{w, laterSchema(t)}, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(w.shown, "2 ") {
		t.Errorf("the view is %q, want one of version 2", w.shown)
	}
}

// evolving is a warehouse in which another version becomes ready while the view
// is replaced for the first time.
type evolving struct {
	*warehouse
	later *schema.Schema
}

func (e evolving) ReplaceView(ctx context.Context, s *schema.Schema, v View, fence uint64, confirm func(context.Context) error) error {
	e.warehouse.schema = e.later
	return e.warehouse.ReplaceView(ctx, s, v, fence, confirm)
}

// A pass that finds another view than there has to be drops nothing before
// queries that were planned with it have looked at the sealed table. The time is
// real: encoders of the compression library, which tests share, have channels, and
// one that was made under fake time is of no use to others.
func TestStaleViewIsWaitedFor(t *testing.T) {
	s, objects := testSchema(t), new(store.Memory)
	w := newWarehouse(s, objects, readings(day("2026-10-01"), 0, 9)...)
	now := &clock{today}
	cfg := testConfig(t)
	cfg.Grace, cfg.Settle = time.Hour, 50*time.Millisecond
	var dropped time.Time
	w.dropped = func() error { dropped = time.Now(); return nil }
	c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test"})
	pass := func() {
		t.Helper()
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	now.Time = now.Add(time.Hour)
	w.shown = "what someone else has put back"
	begun := time.Now()
	pass()
	if took := dropped.Sub(begun); took < cfg.Settle {
		t.Errorf("the day was dropped %v after the view was put right, want %v", took, cfg.Settle)
	}
}
