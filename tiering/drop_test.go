package tiering

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

func TestOwnParts(t *testing.T) {
	part := func(first, last int64, rows uint64) Part {
		return Part{Name: fmt.Sprintf("p_%d_%d", first, last), FirstBlock: first, LastBlock: last, Rows: rows}
	}
	day, _ := schema.ParseDay("2026-10-01")
	f := func(name string, begun bool, parts []Part, want string) {
		t.Helper()
		g := Generation{Generation: 3, RowsRead: 10, LastBlock: 8}
		if begun {
			g.DropBegunAt = &today
		}
		own, strays, err := g.own(day, parts)
		names := func(parts []Part) (all []string) {
			for _, p := range parts {
				all = append(all, p.Name)
			}
			return all
		}
		got := fmt.Sprint(names(own), " and not ", names(strays))
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("all of it", false, []Part{part(8, 8, 4), part(5, 7, 6)}, "[p_5_7 p_8_8] and not []")
	f("merged", false, []Part{part(5, 8, 10)}, "[p_5_8] and not []")
	f("nothing is left", false, nil, "[] and not []")
	f("some was sealed later", false, []Part{part(9, 9, 3), part(5, 8, 10)}, "[p_5_8] and not [p_9_9]")
	f("only what was sealed later", false, []Part{part(9, 12, 30)}, "[] and not [p_9_12]")
	f("a part is gone", false, []Part{part(8, 8, 4)}, "day 2026-10-01: the sealed partition has 4 rows, generation 3 was made of 10; nothing is dropped")
	f("a part is dropped", true, []Part{part(8, 8, 4)}, "[p_8_8] and not []")
	f("too many", true, []Part{part(5, 8, 11)}, "day 2026-10-01: the sealed partition has 11 rows, generation 3 was made of 10; nothing is dropped")
	f("merged with what came later", true, []Part{part(8, 9, 7)}, "day 2026-10-01: part p_8_9 of the sealed partition has blocks up to 9, and generation 3 was made of those up to 8")
}

// frozen is a warehouse whose compactor stops before one of its statements, and
// goes on when everything else has happened.
type frozen struct {
	Warehouse
	before    string
	meanwhile func()
}

func (f *frozen) freeze(statement string) {
	if f.before == statement {
		f.before = ""
		f.meanwhile()
	}
}

func (f *frozen) Seal(ctx context.Context, day schema.Day, before time.Time) error {
	f.freeze("Seal")
	return f.Warehouse.Seal(ctx, day, before)
}

func (f *frozen) ReplaceView(ctx context.Context, s *schema.Schema, v View, fence uint64, confirm func(context.Context) error) error {
	return f.Warehouse.ReplaceView(ctx, s, v, fence, func(ctx context.Context) error {
		if err := confirm(ctx); err != nil {
			return err
		}
		f.freeze("ReplaceView")
		return nil
	})
}

func (f *frozen) ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	err := f.Warehouse.ScanSealed(ctx, s, day, earlier, each)
	f.freeze("publish")
	return err
}

func (f *frozen) DropSealed(ctx context.Context, day schema.Day, choose func([]Part) ([]Part, error)) error {
	return f.Warehouse.DropSealed(ctx, day, func(parts []Part) ([]Part, error) {
		chosen, err := choose(parts)
		f.freeze("DropSealed")
		return chosen, err
	})
}

// A compactor is frozen with a statement in its hand. Meanwhile its lease runs
// out, another compactor works on the day, and late rows come; then the first
// one goes on. No row is lost or counted twice once passes go on.
func TestFrozenCompactor(t *testing.T) {
	cold := day("2026-10-01")
	f := func(name, statement string, passes int, grace time.Duration, clocksAgree bool) {
		t.Helper()
		s, objects, cache := testSchema(t), new(store.Memory), map[string][]int64{}
		rows := readings(cold, 0, 20)
		w := newWarehouse(s, objects, rows...)
		now := &clock{today}
		if clocksAgree {
			w.wall = now.now
		}
		cfg := testConfig(t)
		cfg.Grace = grace
		late := func() {
			e := event{device: "late", seq: uint64(len(rows)), time: cold.Start().UnixMilli(), offset: int64(len(rows))}
			rows = append(rows, e)
			w.insert(e)
		}
		other := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "other"})
		pass := func(c *Compactor) {
			t.Helper()
			if _, err := c.Pass(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		zombie := &frozen{Warehouse: w, before: statement, meanwhile: func() {
			now.Time = now.Add(2 * cfg.LeaseTTL)
			for range passes {
				pass(other)
				late()
			}
		}}
		stopped := New(cfg, Dependencies{Table: s.Name, Warehouse: zombie, Objects: objects, Now: now.now, Holder: "frozen"})
		if _, err := stopped.Pass(t.Context()); err == nil {
			t.Errorf("%s: the frozen compactor did not notice", name)
		}
		if zombie.before != "" {
			t.Fatalf("%s: it was never frozen", name)
		}
		if clocksAgree {
			check(t, w.visible(t, objects, cache), rows)
		}
		for range 4 {
			now.Time = now.Add(time.Hour)
			pass(other)
		}
		check(t, w.visible(t, objects, cache), rows)
		if len(w.hot) != 0 || len(w.sealed) != 0 {
			t.Errorf("%s: hot %v, sealed %v; want all cold", name, w.hot, w.sealed)
		}
		if _, err := other.Verify(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for passes := 1; passes <= 3; passes++ {
		f(fmt.Sprint("before it drops, ", passes, " passes of another"), "DropSealed", passes, 0, true)
		f(fmt.Sprint("before it seals, ", passes, " passes of another"), "Seal", passes, 0, true)
		f(fmt.Sprint("before it seals, ", passes, " passes of another, with a grace period"), "Seal", passes, time.Minute, true)
		f(fmt.Sprint("before it seals and clocks differ, ", passes, " passes of another"), "Seal", passes, 0, false)
		f(fmt.Sprint("before it seals and clocks differ, ", passes, " passes of another, with a grace period"), "Seal", passes, time.Minute, false)
		f(fmt.Sprint("before it publishes, ", passes, " passes of another"), "publish", passes, time.Minute, true)
		f(fmt.Sprint("before it replaces the view, ", passes, " passes of another"), "ReplaceView", passes, 0, true)
		f(fmt.Sprint("before it replaces the view, ", passes, " passes of another, with a grace period"), "ReplaceView", passes, time.Minute, true)
	}
}

// Rows that a frozen compactor sealed into an open generation are named, survive
// its drop, and are the next generation.
func TestStraysAreTheNextGeneration(t *testing.T) {
	s, objects, cold := testSchema(t), new(store.Memory), day("2026-10-01")
	rows := readings(cold, 0, 9)
	w := newWarehouse(s, objects, rows...)
	now := &clock{today}
	cfg := testConfig(t)
	cfg.Grace = time.Hour
	var strayed uint64
	c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test", Events: Events{Strayed: func(_ schema.Day, n uint64) { strayed = n }}})
	pass := func() {
		t.Helper()
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	late := event{device: "late", seq: 100, time: cold.Start().UnixMilli(), offset: 100}
	rows = append(rows, late)
	w.insert(late)
	w.move(cold)
	if _, err := c.Verify(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "1 rows were sealed after generation 1 was read") {
		t.Errorf("verify says %v", err)
	}
	now.Time = now.Add(time.Hour)
	pass()
	if strayed != 1 {
		t.Errorf("%d rows are told to have strayed, want 1", strayed)
	}
	check(t, w.visible(t, objects, map[string][]int64{}), rows)
	for range 2 {
		now.Time = now.Add(time.Hour)
		pass()
	}
	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if g := manifests[0].Generations; len(g) != 2 || g[1].Rows != 1 || len(w.sealed) != 0 {
		t.Errorf("generations %+v, sealed %v; want the late row in a second one", g, w.sealed)
	}
}

// A drop that was interrupted between two parts goes on with the others.
func TestDropGoesOn(t *testing.T) {
	s, objects, cold := testSchema(t), new(store.Memory), day("2026-10-01")
	w := newWarehouse(s, objects, readings(cold, 0, 20)...)
	broken := errors.New("connection lost")
	w.dropped = func() error { return broken }
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	for parts := 4; parts > 0; parts-- {
		if _, err := c.Pass(t.Context()); !errors.Is(err, broken) {
			t.Fatalf("with %d parts left: %v", parts, err)
		}
	}
	w.dropped = nil
	if left, err := c.Pass(t.Context()); err != nil || len(left) > 0 || len(w.sealed) > 0 {
		t.Errorf("left %v, sealed %v, %v", left, w.sealed, err)
	}
}
