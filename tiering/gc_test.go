package tiering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/tiering/store"
)

// What the cold tier is not made of is found, with why and since when, and goes
// when it is old enough; everything else stays and is as it was.
func TestGC(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, readings(cold, 0, 12), 3, cold)
	at.clock.Time = at.clock.Add(time.Hour)
	at.config.MergeGenerations = 2
	at.settle(t) // replaces generations 1 to 4 by 5
	merged := at.clock.Time
	c := at.compactor()
	put := func(key string) {
		t.Helper()
		if err := store.CreateBytes(t.Context(), at.objects, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	at.clock.Time = at.clock.Add(time.Hour)
	put("telemetry/day=2026-10-01/gen=000006/part-00000-0123456789abcdef.parquet")
	put("telemetry/day=2026-10-02/gen=000001/part-00000-0123456789abcdef.parquet")
	put("telemetry/notes.txt")
	put("telemetry_2/day=2026-10-02/gen=000001/part-00000-0123456789abcdef.parquet")
	orphaned := at.clock.Time
	at.objects.Begin(store.Upload{Key: "telemetry/day=2026-10-02/gen=000002/part-00000-0123456789abcdef.parquet", ID: "1", Begun: orphaned})
	at.objects.Begin(store.Upload{Key: "telemetry_2/day=2026-10-02/gen=000002/part-00000-0123456789abcdef.parquet", ID: "2", Begun: orphaned})

	// gc returns a line for each reason: how many, since when, how many are due
	// and deleted.
	gc := func(now time.Time, remove bool) []string {
		t.Helper()
		at.clock.Time = now
		all, err := c.GC(t.Context(), at.objects, GCAfter, remove)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, reason := range []Reason{Orphan, Upload, Replaced, Outdated, Foreign} {
			var n, due, deleted int
			var since time.Time
			for _, g := range all {
				if g.Reason == reason {
					n, since = n+1, g.Since
					if g.Due {
						due++
					}
					if g.Deleted {
						deleted++
					}
				}
			}
			lines = append(lines, fmt.Sprintf("%d %s since %s, %d due, %d deleted", n, reason, since.Format("15:04"), due, deleted))
		}
		check(t, at.shows(t), rows)
		at.manifest(t, cold)
		return lines
	}
	f := func(name string, now time.Time, remove bool, want ...string) {
		t.Helper()
		if got := gc(now, remove); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
	// Generation 1 has 2 files, 2 to 4 one each; one manifest version counts.
	current := at.manifest(t, cold).Version
	old := func(format string) string { return strings.ReplaceAll(format, "all", fmt.Sprint(current-1)) }
	f("nothing is old enough", orphaned, true,
		"2 orphan since 14:00, 0 due, 0 deleted", "1 upload since 14:00, 0 due, 0 deleted", "5 replaced since 13:00, 0 due, 0 deleted", old("all old manifest since 13:00, 0 due, 0 deleted"), "1 foreign since 14:00, 0 due, 0 deleted")
	f("dry run", merged.Add(GCAfter+time.Minute), false,
		"2 orphan since 14:00, 0 due, 0 deleted", "1 upload since 14:00, 0 due, 0 deleted", "5 replaced since 13:00, 5 due, 0 deleted", old("all old manifest since 13:00, all due, 0 deleted"), "1 foreign since 14:00, 0 due, 0 deleted")
	f("what was replaced", merged.Add(GCAfter+time.Minute), true,
		"2 orphan since 14:00, 0 due, 0 deleted", "1 upload since 14:00, 0 due, 0 deleted", "5 replaced since 13:00, 5 due, 5 deleted", old("all old manifest since 13:00, all due, all deleted"), "1 foreign since 14:00, 0 due, 0 deleted")
	f("orphans", orphaned.Add(GCAfter+time.Minute), true,
		"2 orphan since 14:00, 2 due, 2 deleted", "1 upload since 14:00, 1 due, 1 deleted", "0 replaced since 00:00, 0 due, 0 deleted", "0 old manifest since 00:00, 0 due, 0 deleted", "1 foreign since 14:00, 0 due, 0 deleted")
	keys, err := at.objects.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"telemetry/day=2026-10-01/gen=000005/part-00000-", "telemetry/day=2026-10-01/gen=000005/part-00001-",
		"telemetry/lease.json", fmt.Sprintf("telemetry/manifests/day=2026-10-01/v%06d.json", current), "telemetry/notes.txt", "telemetry/source.json", "telemetry_2/"}
	if !slices.EqualFunc(keys, want, strings.HasPrefix) {
		t.Errorf("what is left is %q, want %q", keys, want)
	}
	if left, err := at.objects.Uploads(t.Context(), ""); err != nil || len(left) != 1 || left[0].ID != "2" {
		t.Errorf("uploads %+v, %v; want the other table's", left, err)
	}
	// And the day goes on.
	late := event{device: "late", seq: 9, time: cold.Start().UnixMilli(), offset: 900}
	at.insert(late)
	at.settle(t)
	check(t, at.shows(t), append(rows, late))
	if m := at.manifest(t, cold); m.LastGeneration != 6 {
		t.Errorf("the last generation is %d, want 6", m.LastGeneration)
	}
}

// A merge is not undone by the order in which things are deleted: stopped at any
// call, gc has deleted nothing that is needed, and the next one does the rest.
func TestCrashWhileCollecting(t *testing.T) {
	cold := day("2026-10-01")
	var rows []event
	begin := func() (at *tier) {
		at, rows = newTier(t, readings(cold, 0, 9), 2, cold)
		at.config.MergeGenerations = 2
		at.settle(t)
		at.clock.Time = at.clock.Add(2 * GCAfter)
		return at
	}
	gc := func(ctx context.Context, c *Compactor) error {
		objects := c.catalog.objects.(crashingStore)
		_, err := c.GC(ctx, crashingSweeper{objects.Store.(store.Sweeper), objects.crash}, GCAfter, true)
		return err
	}
	points := everyCrash(t, begin, gc,
		func(at *tier, _ string) { check(t, at.shows(t), rows) },
		func(at *tier, when string) {
			at.manifest(t, cold)
			if keys, err := at.objects.List(t.Context(), ""); err != nil || len(keys) != 5 {
				t.Fatalf("%s: %q is left, error %v; want two files, a manifest, the lease and whose folder it is", when, keys, err)
			}
		})
	if !points["Delete"] {
		t.Error("no crash at any Delete")
	}
}

type crashingSweeper struct {
	store.Sweeper
	*crash
}

func (s crashingSweeper) Delete(ctx context.Context, key string) error {
	return s.do("Delete "+key, func() error { return s.Sweeper.Delete(ctx, key) })
}

// What a step left that is to be repeated stays until it is: the repetition
// takes it for its own.
func TestGCLeavesWhatIsUnfinished(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, nil, 0)
	rows = append(rows, readings(cold, 0, 12)...)
	at.insert(rows...)
	c := &crash{}
	dying := New(at.config, Dependencies{Table: at.schema.Name, Warehouse: at.warehouse, Objects: crashingStore{at.objects, c}, Now: at.clock.now, Holder: "dying"})
	c.called = func() {
		if keys, err := at.objects.List(t.Context(), "telemetry/day="); err != nil || len(keys) == 1 {
			c.at = c.calls // after its first file
		}
	}
	if _, err := dying.Pass(t.Context()); !errors.Is(err, errCrash) {
		t.Fatalf("the pass ended with %v", err)
	}
	f := func(name string, want Reason) {
		t.Helper()
		at.clock.Time = at.clock.Add(2 * GCAfter)
		all, err := at.compactor().GC(t.Context(), at.objects, GCAfter, true)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(g Garbage) bool { return g.Reason == want && g.Deleted != want.Stays() }) {
			t.Errorf("%s: %+v; want one that is %s, and only deleted if that does not stay", name, all, want)
		}
	}
	f("to be exported", Unfinished)
	at.settle(t)
	check(t, at.shows(t), rows)
	f("exported", Outdated) // none that is unfinished: the file is listed
	at.manifest(t, cold)

	orphan := "telemetry/day=2026-10-01/gen=000002/part-00000-0123456789abcdef.parquet"
	if err := store.CreateBytes(t.Context(), at.objects, orphan, []byte("x")); err != nil {
		t.Fatal(err)
	}
	late := event{device: "late", seq: 1, time: cold.Start().UnixMilli(), offset: 900}
	at.insert(late)
	at.settle(t)
	at.config.MergeGenerations = 1
	if err := store.CreateBytes(t.Context(), at.objects, strings.Replace(orphan, "000002", "000003", 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	f("of a generation that was published without it", Orphan)
	f("to be merged", Unfinished)
	at.settle(t)
	f("merged", Orphan)
	check(t, at.shows(t), append(rows, late))
}

func TestGCRefuses(t *testing.T) {
	cold := day("2026-10-01")
	at, _ := newTier(t, readings(cold, 0, 9), 0)
	at.config.Grace = time.Hour
	if _, err := at.compactor().GC(t.Context(), at.objects, time.Minute, true); err == nil || !strings.Contains(err.Error(), "grace of 1h0m0s") {
		t.Errorf("got %v, want the grace named", err)
	}
	other, err := takeLease(t.Context(), at.objects, "telemetry/lease.json", "other", time.Minute, at.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.compactor().GC(t.Context(), at.objects, GCAfter, true); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v, want %v", err, ErrHeld)
	}
	if err := other.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	bad := "telemetry/day=2026-13-41/gen=000001/part-00000-0123456789abcdef.parquet"
	if err := at.objects.Create(t.Context(), bad, io.NewSectionReader(strings.NewReader("x"), 0, 1), store.SumBytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err := at.compactor().GC(t.Context(), at.objects, GCAfter, true); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("got %v, want the object named", err)
	}
}

// A gc that finds the view behind the manifests has just replaced it: what it
// listed until then is left to queries that have planned with it.
func TestGCUnderAStaleView(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, readings(cold, 0, 12), 3, cold)
	at.config.MergeGenerations = 2
	stale := at.warehouse.shown
	at.settle(t) // the generations become one
	at.clock.Time = at.clock.Add(GCAfter + time.Hour)
	at.warehouse.shown = stale // and the compactor died before the view
	counts := func() (due, deleted int) {
		all, err := at.compactor().GC(t.Context(), at.objects, GCAfter, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range all {
			if g.Reason == Replaced && g.Due {
				due++
			}
			if g.Reason == Replaced && g.Deleted {
				deleted++
			}
		}
		return due, deleted
	}
	if due, deleted := counts(); due == 0 || deleted != 0 {
		t.Errorf("%d files are due, %d deleted; want none deleted", due, deleted)
	}
	if due, deleted := counts(); due == 0 || deleted != due {
		t.Errorf("%d files are due, %d deleted the next time; want all", due, deleted)
	}
	check(t, at.shows(t), rows)
}
