package tiering

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// restoring is a warehouse with one cold day of two generations, 36 rows and
// one, and a compactor.
type restoring struct {
	*warehouse
	*clock
	objects *store.Memory
	config  Config
	day     schema.Day
}

func newRestoring(t *testing.T) (*restoring, *Compactor) {
	t.Helper()
	s := testSchema(t)
	r := &restoring{objects: new(store.Memory), clock: &clock{today}, config: testConfig(t), day: day("2026-10-01")}
	r.config.FileBytes, r.config.RowGroupRows = 1, 40
	r.warehouse = newWarehouse(s, r.objects, readings(r.day, 0, 40)...)
	c := r.compactor(Events{})
	r.pass(t, c)
	r.insert(r.late(1))
	r.pass(t, c)
	return r, c
}

func (r *restoring) late(n int64) event {
	return event{device: "late", seq: uint64(n), time: r.day.Start().UnixMilli() + n, offset: 1000 + n}
}

func (r *restoring) compactor(e Events) *Compactor {
	return New(r.config, Dependencies{Table: r.schema.Name, Warehouse: r.warehouse, Objects: r.objects, Now: r.now, Holder: "test", Events: e})
}

func (r *restoring) pass(t *testing.T, c *Compactor) []Step {
	t.Helper()
	left, err := c.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// want compares where the day's rows are, and that the view shows n, each once.
func (r *restoring) want(t *testing.T, when string, state State, hot, sealed, n int) {
	t.Helper()
	plan, err := r.compactor(Events{}).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan) != 1 || plan[0].State != state || len(r.hot[r.day]) != hot || len(r.sealed[r.day]) != sealed {
		t.Errorf("%s: plan %+v, %d hot and %d sealed rows; want the day %s with %d and %d", when, plan, len(r.hot[r.day]), len(r.sealed[r.day]), state, hot, sealed)
	}
	seen := r.visible(t, r.objects, map[string][]int64{})
	if len(seen) != n {
		t.Errorf("%s: the view shows %d rows, want %d", when, len(seen), n)
	}
	for offset, times := range seen {
		if times != 1 {
			t.Errorf("%s: the view shows offset %d %d times", when, offset, times)
		}
	}
}

// A day is restored, read from the sealed table, given late rows and released;
// then those go to the cold tier too.
func TestRestore(t *testing.T) {
	r, _ := newRestoring(t)
	r.config.Grace = time.Hour
	c := r.compactor(Events{})
	r.want(t, "before", Cold, 0, 0, 37)
	left, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Action != Release || !left[0].Due.Equal(today.Add(24*time.Hour)) {
		t.Errorf("left %+v, want the release in a day", left)
	}
	r.want(t, "restored", Restored, 0, 37, 37)
	if len(r.files) != 0 {
		t.Errorf("the view reads %v beside the sealed rows", r.files)
	}

	// Twice is once, with a new end.
	if _, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.want(t, "restored twice", Restored, 0, 37, 37)

	// Late rows stay hot and are seen.
	r.insert(r.late(2))
	r.Time = today.Add(47 * time.Hour)
	r.pass(t, c)
	r.want(t, "with a late row", Restored, 1, 37, 38)

	r.Time = today.Add(48 * time.Hour)
	r.pass(t, c)
	r.want(t, "released", Released, 1, 37, 38)
	r.Time = r.Add(59 * time.Minute)
	r.pass(t, c)
	r.want(t, "in the grace period", Released, 1, 37, 38)
	if _, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(90*time.Hour)); err == nil || !strings.Contains(err.Error(), "not dropped yet") {
		t.Errorf("restored in the grace period: %v", err)
	}
	r.Time = r.Add(time.Minute)
	r.pass(t, c)
	r.want(t, "dropped, and the late row on its way", Cut, 0, 1, 38)
	r.Time = r.Add(time.Hour)
	r.pass(t, c)
	r.want(t, "after all", Cold, 0, 0, 38)

	// Once more is another stay, whose rows are no repetition of the first's.
	if _, err := c.Restore(t.Context(), []schema.Day{r.day}, r.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.want(t, "restored again", Restored, 0, 38, 38)
	if _, err := c.Release(t.Context(), []schema.Day{r.day}); err != nil {
		t.Fatal(err)
	}
	r.want(t, "released by hand", Released, 0, 38, 38)
	if _, err := c.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// A day that cannot be restored is named with the reason, and no other of the
// same command is touched.
func TestRestoreRefuses(t *testing.T) {
	r, c := newRestoring(t)
	f := func(d schema.Day, want string, do func(context.Context, []schema.Day) ([]Step, error)) {
		t.Helper()
		if _, err := do(t.Context(), []schema.Day{r.day, d}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		r.want(t, want, Cold, 0, 0, 37)
	}
	restore := func(ctx context.Context, days []schema.Day) ([]Step, error) {
		return c.Restore(ctx, days, today.Add(time.Hour))
	}
	f(day("2026-10-02"), "day 2026-10-02 is not in the cold tier", restore)
	f(r.day, "day 2026-10-01 is not restored", c.Release)

	r.config.Grace = time.Hour
	c = r.compactor(Events{})
	r.insert(r.late(3))
	r.pass(t, c)
	if _, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "generation 3 of day 2026-10-01 is still in the sealed table") {
		t.Errorf("a day with an open generation: %v", err)
	}
}

// What is not exactly the rows of the files is not shown, and what is not in the
// files is not dropped.
func TestRestoreMismatch(t *testing.T) {
	f := func(name, wantLoad, wantRelease string, spoil func(r *restoring)) {
		t.Helper()
		r, _ := newRestoring(t)
		spoiled := false
		c := r.compactor(Events{Loaded: func(schema.Day, uint64, uint64) {
			if !spoiled {
				spoil(r)
			}
			spoiled = true
		}})
		_, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(time.Hour))
		if err == nil || !strings.Contains(err.Error(), wantLoad) {
			t.Errorf("%s: restore says %v, want %q", name, err, wantLoad)
		}
		if r.shown != viewText(r.schema, View{CutOver: []schema.Day{r.day}, Files: r.files}) || len(r.files) == 0 {
			t.Errorf("%s: the view is %q, want one that reads the files and not the sealed rows", name, r.shown)
		}
		_, err = c.Release(t.Context(), []schema.Day{r.day})
		if wantRelease == "" && (err != nil || len(r.sealed[r.day]) != 0) {
			t.Errorf("%s: release says %v and leaves %d sealed rows", name, err, len(r.sealed[r.day]))
		}
		if wantRelease != "" && (err == nil || !strings.Contains(err.Error(), wantRelease) || len(r.sealed[r.day]) == 0) {
			t.Errorf("%s: release says %v and leaves %d sealed rows, want %q and all of them", name, err, len(r.sealed[r.day]), wantRelease)
		}
	}
	f("a row too many", "holds 38 rows, the files 37", "1 rows that are in no file", func(r *restoring) { r.sealed[r.day] = append(r.sealed[r.day], r.late(9)) })
	f("a row twice", "holds 38 rows, the files 37", "", func(r *restoring) { r.sealed[r.day] = append(r.sealed[r.day], r.sealed[r.day][0]) })
	f("another value", "checksum of ts is", "", func(r *restoring) { r.sealed[r.day][0].time++ })
	f("a file that is not what it was", "the manifest says", "nothing is dropped", func(r *restoring) {
		r.objects.Corrupt(r.objectsOf(r.day)[1], func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	})
}

func (r *restoring) objectsOf(d schema.Day) []string {
	keys, err := r.objects.List(context.Background(), "telemetry/day="+d.String())
	if err != nil {
		panic(err)
	}
	return keys
}

// Sealed rows are shown on if the files that would be read instead are damaged.
func TestReleaseProvesTheFiles(t *testing.T) {
	r, c := newRestoring(t)
	if _, err := c.Restore(t.Context(), []schema.Day{r.day}, today.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	file := r.objectsOf(r.day)[0]
	r.objects.Corrupt(file, func([]byte) []byte { return nil })
	_, err := c.Release(t.Context(), []schema.Day{r.day})
	if err == nil || !strings.Contains(err.Error(), "the view reads the sealed rows on") || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want the file that is missing", err)
	}
	r.want(t, "with a file missing", Restored, 0, 37, 37)
}

// A loading that was interrupted goes on while ClickHouse remembers what it has,
// and begins anew after that.
func TestInterruptedLoading(t *testing.T) {
	f := func(name string, after time.Duration, forgetful bool, wantVersion int) {
		t.Helper()
		r, _ := newRestoring(t)
		stopped, stop := context.WithCancel(t.Context())
		c := r.compactor(Events{Loaded: func(_ schema.Day, rows, _ uint64) {
			if rows >= 10 {
				stop()
			}
		}})
		dying := New(r.config, Dependencies{Table: r.schema.Name, Warehouse: stoppable{r.warehouse}, Objects: r.objects, Now: r.now, Holder: "dying", Events: c.events})
		if _, err := dying.Restore(stopped, []schema.Day{r.day}, today.Add(24*time.Hour)); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: the stopped restore ended with %v", name, err)
		}
		if n := len(r.sealed[r.day]); n == 0 || n == 37 {
			t.Fatalf("%s: %d rows were loaded; want some", name, n)
		}
		r.Time, r.forgetful = today.Add(after), forgetful
		r.pass(t, r.compactor(Events{}))
		r.want(t, name, Restored, 0, 37, 37)
		manifests, err := c.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := manifests[0].Restored.Version; got != wantVersion {
			t.Errorf("%s: the stay began with version %d, want %d", name, got, wantVersion)
		}
	}
	_, c := newRestoring(t)
	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := manifests[0].Version + 1
	f("at once", 0, false, first)
	f("just in time", resumeWithin-time.Second, false, first)
	// Released, dropped and begun anew: the third version after the first.
	f("too late", resumeWithin, true, first+2)
}

// stoppable is a warehouse whose inserts heed the context.
type stoppable struct{ Warehouse }

func (w stoppable) InsertSealed(ctx context.Context, rows *archive.Rows, token string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return w.Warehouse.InsertSealed(ctx, rows, token)
}

func TestPlanWhileRestored(t *testing.T) {
	policy := Policy{HotDays: 30, Grace: time.Hour, LateEvery: 24 * time.Hour}
	at := func(d time.Duration) *time.Time { t := today.Add(d); return &t }
	expired := Generation{Generation: 1, CutOverAt: at(-9 * time.Hour), ExpiredAt: at(-8 * time.Hour)}
	f := func(r Restoration, part Partition, want string) {
		t.Helper()
		part.Day = day("2026-10-01")
		m := &Manifest{Day: "2026-10-01", Version: 3, LastGeneration: 1, Generations: []Generation{expired}, Restored: &r}
		s := Next(today, part, m, policy)
		got := string(s.State) + ": " + string(s.Action)
		if !s.Ready(today) {
			got += " at " + s.Due.Format("01-02 15:04")
		}
		if got != want {
			t.Errorf("%+v: got %q, want %q", r, got, want)
		}
	}
	late := Partition{HotRows: 3, SealedRows: 10}
	week := today.Add(168 * time.Hour)
	f(Restoration{Since: today, Until: week}, Partition{}, "loading: load")
	f(Restoration{Since: today.Add(-resumeWithin), Until: week}, Partition{SealedRows: 3}, "loading: release")
	f(Restoration{Since: today, Until: today}, Partition{SealedRows: 3}, "loading: release")
	f(Restoration{Since: today, Until: week, ShownAt: at(0)}, late, "restored: release at 11-30 12:00")
	f(Restoration{Since: today, Until: today, ShownAt: at(0)}, late, "restored: release")
	f(Restoration{Since: today, Until: week, ShownAt: at(0), ReleasedAt: at(-time.Minute)}, late, "released: drop at 11-23 12:59")
	f(Restoration{Since: today, Until: week, ReleasedAt: at(-time.Hour)}, late, "released: drop")
	// The drop is done and not recorded.
	f(Restoration{Since: today, Until: week, ReleasedAt: at(-time.Hour)}, Partition{HotRows: 3}, "released: drop")
}

// A compactor that restores a day, and one that releases it, is stopped at every
// call it makes, before and after its effect, while late rows arrive. Another
// ends the work in passes. After every single call the view shows each row once.
func TestCrashWhileRestored(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	run := func(release bool, at int, after bool) (calls int, what string) {
		r, c := newRestoring(t)
		rows := append(readings(r.day, 0, 40), r.late(1))
		if release {
			if _, err := c.Restore(ctx, []schema.Day{r.day}, today.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		crash, cache := &crash{at: at, after: after}, map[string][]int64{}
		crash.called = func() {
			check(t, r.visible(t, r.objects, cache), rows)
			if n := int64(len(rows)); crash.calls%11 == 0 && n < 45 {
				rows = append(rows, r.late(n))
				r.insert(r.late(n))
			}
		}
		r.dropped = func() error { return crash.do("part dropped", func() error { return nil }) }
		crashing := func() *Compactor {
			return New(r.config, Dependencies{Table: r.schema.Name, Warehouse: crashingWarehouse{r.warehouse, crash}, Objects: crashingStore{r.objects, crash}, Now: r.now, Holder: "dying"})
		}
		var err error
		if release {
			_, err = crashing().Release(ctx, []schema.Day{r.day})
		} else {
			_, err = crashing().Restore(ctx, []schema.Day{r.day}, today.Add(time.Hour))
		}
		if at > 0 && !errors.Is(err, errCrash) || at == 0 && err != nil {
			t.Fatalf("crash at call %d, %s: ended with %v", at, crash.last, err)
		}
		calls, what, crash.at = crash.calls, crash.last, 0

		// Then others take it to its end, and to the cold tier.
		for _, later := range []time.Duration{2 * r.config.LeaseTTL, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour} {
			r.Time = today.Add(later)
			if _, err := crashing().Pass(ctx); err != nil {
				t.Fatalf("after a crash at call %d, %s: %v", at, what, err)
			}
		}
		if len(r.hot) != 0 || len(r.sealed) != 0 || len(r.cutOver) != 0 {
			t.Fatalf("crash at call %d, %s: hot %v, sealed %v, cut over %v; want all cold", at, what, r.hot, r.sealed, r.cutOver)
		}
		if _, err := c.Verify(ctx, nil); err != nil {
			t.Fatalf("crash at call %d, %s: %v", at, what, err)
		}
		return calls, what
	}
	for _, release := range []bool{false, true} {
		total, _ := run(release, 0, false)
		var points []string
		for at := 1; at <= total; at++ {
			for _, after := range []bool{false, true} {
				_, what := run(release, at, after)
				points = append(points, strings.Fields(what)[0])
			}
		}
		want := []string{"Create", "Get", "ReplaceView", "InsertSealed", "ScanSealed"}
		if release {
			want = []string{"Create", "Get", "ReplaceView", "SealedBeside", "DropSealed", "part"}
		}
		for _, w := range want {
			if !slices.Contains(points, w) {
				t.Errorf("release %v: no crash at any %s", release, w)
			}
		}
	}
}
