package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/schema"
	"penstock/tiering/store"
)

// tier is a table with a cold tier, and what the tests ask of both.
type tier struct {
	*warehouse
	schema  *schema.Schema
	objects *store.Memory
	clock   *clock
	config  Config
	cache   map[string][]int64
}

// newTier returns a table with these rows, whose cold days are in the cold tier.
// Of each day that is asked for a reading comes late, that many times, and is a
// generation of its own.
func newTier(t *testing.T, rows []event, late int, days ...schema.Day) (*tier, []event) {
	t.Helper()
	s, objects := testSchema(t), new(store.Memory)
	at := &tier{
		warehouse: newWarehouse(s, objects, rows...), schema: s, objects: objects, clock: &clock{today},
		config: testConfig(t), cache: map[string][]int64{},
	}
	at.config.MergeGenerations = 100
	at.objects.Now = at.clock.now
	at.settle(t)
	for i := range late {
		for _, d := range days {
			n := int64(d)*1000 + int64(i)
			e := event{device: "late", seq: uint64(n), time: d.Start().UnixMilli() + n, offset: n}
			rows = append(rows, e)
			at.insert(e)
		}
		at.settle(t)
	}
	return at, rows
}

func (at *tier) compactor() *Compactor {
	return New(at.config, Dependencies{Table: at.schema.Name, Warehouse: at.warehouse, Objects: at.objects, Now: at.clock.now, Holder: "test"})
}

// settle makes passes until nothing of what is cold is left to do.
func (at *tier) settle(t *testing.T) {
	t.Helper()
	for range 10 {
		left, err := at.compactor().Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(left, func(s Step) bool { return s.Ready(at.clock.now()) }) {
			return
		}
	}
	t.Fatal("there is no end of passes")
}

// manifest returns the current manifest of a day, which verify finds nothing
// wrong with.
func (at *tier) manifest(t *testing.T, d schema.Day) *Manifest {
	t.Helper()
	all, err := at.compactor().Verify(t.Context(), &Scope{Day: &d})
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func (at *tier) shows(t *testing.T) map[int64]int {
	t.Helper()
	return at.visible(t, at.objects, at.cache)
}

// numbers are those of a day's generations.
func numbers(m *Manifest) (out []int) {
	for _, g := range m.Generations {
		out = append(out, g.Generation)
	}
	return out
}

// everyCrash has a compactor stopped at every call it makes while it does what,
// before the call has its effect and after. Seen looks at the table after every
// call; then another compactor, which is not stopped, does the same and ended
// looks at the outcome.
func everyCrash(t *testing.T, begin func() *tier, what func(context.Context, *Compactor) error, seen, ended func(at *tier, when string)) (points map[string]bool) {
	t.Helper()
	ctx := t.Context()
	run := func(n int, after bool) (calls int, where string) {
		at := begin()
		c := &crash{at: n, after: after}
		holder := func(name string) *Compactor {
			return New(at.config, Dependencies{
				Table: at.schema.Name, Warehouse: crashingWarehouse{at.warehouse, c}, Objects: crashingStore{at.objects, c}, Now: at.clock.now, Holder: name,
			})
		}
		when := func() string { return fmt.Sprintf("crash at call %d, %s (after it: %t)", n, c.last, after) }
		c.called = func() { seen(at, when()) }
		if err := what(ctx, holder("dying")); n > 0 && !errors.Is(err, errCrash) || n == 0 && err != nil {
			t.Fatalf("%s: ended with %v", when(), err)
		}
		calls, c.at = c.calls, 0
		at.clock.Time = at.clock.Add(2 * at.config.LeaseTTL)
		if err := what(ctx, holder("next")); err != nil {
			t.Fatalf("%s: the next one ended with %v", when(), err)
		}
		ended(at, when())
		return calls, c.last
	}
	total, _ := run(0, false)
	points = map[string]bool{}
	for n := 1; n <= total; n++ {
		for _, after := range []bool{false, true} {
			_, where := run(n, after)
			points[strings.Fields(where)[0]] = true
		}
	}
	return points
}
