package tiering

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/schema"
	"penstock/tiering/store"
)

// A ClickHouse that is killed while it moves a day may have part of it in both
// tables. Whatever part, the view shows each row once, before the next pass, at
// each of its calls, and after it; and every row gets to the cold tier.
func TestTornMove(t *testing.T) {
	cold := day("2026-10-01")
	f := func(name string, sealed, gone int, merged bool) {
		t.Helper()
		at, _ := newTier(t, nil, 0)
		rows := readings(cold, 0, 20)
		at.insert(rows...)
		torn := errors.New("connection reset")
		killed := tearing{at.warehouse, func() error { at.warehouse.tear(cold, sealed, gone, merged); return torn }}
		c := New(at.config, Dependencies{Table: at.schema.Name, Warehouse: killed, Objects: at.objects, Now: at.clock.now, Holder: "dying"})
		if _, err := c.Pass(t.Context()); !errors.Is(err, torn) {
			t.Fatalf("%s: %v", name, err)
		}
		if gone == 0 {
			check(t, at.shows(t), rows)
		}
		// The move may still be on its way, as far as anyone knows.
		if _, err := at.compactor().Pass(t.Context()); !errors.Is(err, ErrHeld) {
			t.Errorf("%s: a compactor goes on while the move may be executed: %v", name, err)
		}
		at.clock.Time = at.clock.Add(at.config.LeaseTTL)
		calls := &crash{}
		seen := false // since the pass has put it right
		calls.called = func() {
			if seen = seen || len(at.warehouse.sealed[cold]) == 0; seen || gone == 0 {
				check(t, at.shows(t), rows)
			}
		}
		c = New(at.config, Dependencies{Table: at.schema.Name, Warehouse: crashingWarehouse{at.warehouse, calls}, Objects: at.objects, Now: at.clock.now, Holder: "next"})
		for range 3 { // what was still hot is the day's next generation
			if _, err := c.Pass(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		check(t, at.shows(t), rows)
		if len(at.warehouse.hot) != 0 || len(at.warehouse.sealed) != 0 {
			t.Errorf("%s: hot %v, sealed %v", name, at.warehouse.hot, at.warehouse.sealed)
		}
	}
	f("before anything was taken over", 0, 0, false)
	f("one part taken over", 6, 0, false)
	f("most of them", 18, 0, false)
	f("all of them, none given up", 20, 0, false)
	f("all of them, one given up", 20, 6, false)
	f("all of them, all but one given up", 20, 18, false)
	f("most of them, and merged since", 18, 0, true)
	f("all of them, some given up, and merged since", 20, 6, true)
}

// A move that ClickHouse refuses is no reason to keep the lease.
func TestARefusedMove(t *testing.T) {
	at, _ := newTier(t, nil, 0)
	at.insert(readings(day("2026-10-01"), 0, 20)...)
	refused := tearing{at.warehouse, func() error { return fmt.Errorf("%w: no right to it", ErrNotSealed) }}
	c := New(at.config, Dependencies{Table: at.schema.Name, Warehouse: refused, Objects: at.objects, Now: at.clock.now, Holder: "test"})
	if _, err := c.Pass(t.Context()); !errors.Is(err, ErrNotSealed) {
		t.Fatal(err)
	}
	if _, err := at.compactor().Pass(t.Context()); err != nil {
		t.Errorf("the next pass: %v", err)
	}
}

// tearing is a warehouse whose moves end like this.
type tearing struct {
	*warehouse
	seal func() error
}

func (w tearing) Seal(context.Context, schema.Day, time.Time) error { return w.seal() }

// A folder of S3 has the days of one ClickHouse: another that is configured for
// it is refused before anything is changed.
func TestFolderOfAnotherServer(t *testing.T) {
	s, objects, now := testSchema(t), new(store.Memory), &clock{today}
	of := func(uuid string) (*Compactor, *warehouse) {
		w := newWarehouse(s, objects, readings(day("2026-10-01"), 0, 20)...)
		w.uuid = uuid
		return New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: uuid}), w
	}
	one, _ := of("one")
	if _, err := one.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, w := of("other")
	_, err := other.Pass(t.Context())
	if err == nil || !strings.Contains(err.Error(), "telemetry/source.json says that this folder has days of the sealed table one, and this ClickHouse has other; give each server its own s3.prefix") {
		t.Errorf("got %v, want both tables and the remedy", err)
	}
	if len(w.hot) != 1 || w.shown != "" {
		t.Errorf("hot %v, view %q; want nothing changed", w.hot, w.shown)
	}
	if _, err := one.Pass(t.Context()); err != nil {
		t.Errorf("the first one cannot go on: %v", err)
	}
	if garbage, err := one.GC(t.Context(), objects, time.Hour, false); err != nil || len(garbage) == 0 {
		t.Errorf("garbage %v, %v; want old manifests", garbage, err)
	} else {
		for _, g := range garbage {
			if g.Reason != Outdated {
				t.Errorf("%s is %s", g.Key, g.Reason)
			}
		}
	}
}

// A deletion that an erasure has begun in the sealed table is waited for: a day
// that is exported meanwhile could never be dropped.
func TestExportWaitsForDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, objects := newWarehouse(testSchema(t), nil), new(store.Memory)
		w.deleting = 100
		l, err := takeLease(t.Context(), objects, "lease", "test", 10*time.Second, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		p := &pass{Compactor: New(testConfig(t), Dependencies{Warehouse: w, Objects: objects}), lease: l}
		begun := time.Now()
		if err := p.undisturbed(t.Context(), day("2026-10-01")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 100*time.Second || time.Until(l.held.Expires) <= 0 {
			t.Errorf("it waited for %v, and the lease lasts until %v", took, l.held.Expires)
		}
	})
}

// Two processes of one name, as those of containers are, do not take each other's
// lease for their own.
func TestHoldersOfOneName(t *testing.T) {
	objects, now := new(store.Memory), &clock{today}
	a, err := takeLease(t.Context(), objects, "lease", "host, process 1", time.Minute, now.now)
	if err != nil {
		t.Fatal(err)
	}
	// The other one took it in the same moment, with the same number.
	b := &lease{objects: objects, key: "lease", ttl: time.Minute, now: now.now, held: a.held, tag: a.tag}
	b.held.Nonce = "of the other"
	if err := b.extend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.extend(t.Context()); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v, want that it is another's", err)
	}
}
