package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

func TestBudgetConfig(t *testing.T) {
	f := func(c BudgetConfig, day int64, want string) {
		t.Helper()
		err := c.Validate(day)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v with %d bytes a day: got %v, want %q", c, day, err, want)
		}
	}
	f(DefaultBudget(), 200<<20, "")
	f(BudgetConfig{DaysAtOnce: 0, MaxMemory: 1 << 30}, 1, "days_at_once is 0")
	f(BudgetConfig{DaysAtOnce: 1, MaxReadMBPS: -1, MaxMemory: 1 << 30}, 1, "max_read_mbps is -1")
	f(BudgetConfig{DaysAtOnce: 1, MaxReadMBPS: 0.01, MaxMemory: 1 << 30}, 1, "max_read_mbps is 0.01; want at least 1")
	f(BudgetConfig{DaysAtOnce: 5, MaxMemory: 1 << 30}, 200<<20, "max_memory is 1073741824 bytes; 5 days at once need 1115684864")
}

// meeting is a warehouse whose scans of sealed rows wait until so many are under
// way at once.
type meeting struct {
	*warehouse
	wanted int

	mu    sync.Mutex
	here  int
	all   chan struct{} // closed once they are
	begun []schema.Day
}

func (m *meeting) ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	m.mu.Lock()
	m.begun = append(m.begun, day)
	if m.here++; m.here == m.wanted {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return m.warehouse.ScanSealed(ctx, s, day, earlier, each)
}

// As many days are exported at once as the budget says, the oldest first, and
// the view shows each of their rows once in the end.
func TestDaysAtOnce(t *testing.T) {
	s, objects := testSchema(t), new(store.Memory)
	var rows []event
	days := []schema.Day{day("2026-09-28"), day("2026-09-29"), day("2026-09-30"), day("2026-10-01"), day("2026-11-20")}
	for i, d := range days {
		rows = append(rows, readings(d, int64(i)*100, 20)...)
	}
	m := &meeting{warehouse: newWarehouse(s, objects, rows...), wanted: 3, all: make(chan struct{})}
	budget := NewBudget(3, 0)
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: m, Objects: objects, Now: (&clock{today}).now, Holder: "test", Budget: budget})
	left, err := c.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Day != days[4] {
		t.Errorf("left %v, want the hot day", left)
	}
	slices.Sort(m.begun[:3])
	if !slices.Equal(m.begun, days[:4]) {
		t.Errorf("began with %v, want the oldest days", m.begun)
	}
	check(t, m.visible(t, objects, map[string][]int64{}), rows)
	if len(budget.days) != 0 {
		t.Errorf("%d days are still taken of the budget", len(budget.days))
	}
}

// A day that fails ends the others, whose work is taken up by the next pass.
func TestDaysAtOnceEndTogether(t *testing.T) {
	s, objects := testSchema(t), new(store.Memory)
	days := []schema.Day{day("2026-09-30"), day("2026-10-01")}
	rows := append(readings(days[0], 0, 20), readings(days[1], 100, 20)...)
	w := newWarehouse(s, objects, rows...)
	// Three scans are never under way: the second day's fails, and the first waits.
	m := &meeting{warehouse: w, wanted: 3, all: make(chan struct{})}
	broken := errors.New("the disk is gone")
	now := (&clock{today}).now
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: failing{m, days[1], broken}, Objects: objects, Now: now, Holder: "test", Budget: NewBudget(2, 0)})
	if _, err := c.Pass(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("got %v, want what failed first", err)
	}
	next := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now, Holder: "next", Budget: NewBudget(2, 0)})
	if left, err := next.Pass(t.Context()); err != nil || len(left) != 0 {
		t.Fatalf("left %v, %v; want all cold", left, err)
	}
	check(t, w.visible(t, objects, map[string][]int64{}), rows)
}

// failing fails to scan a day once another one is being scanned.
type failing struct {
	*meeting
	day schema.Day
	err error
}

func (f failing) ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	if day != f.day {
		return f.meeting.ScanSealed(ctx, s, day, earlier, each)
	}
	for {
		f.mu.Lock()
		here := f.here
		f.mu.Unlock()
		if here > 0 {
			return f.err
		}
		time.Sleep(time.Millisecond)
	}
}

// Tables that share a budget wait for each other without the lease, so that
// another process may take theirs.
func TestTablesShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, objects := testSchema(t), new(store.Memory)
		budget := NewBudget(1, 0)
		c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: newWarehouse(s, objects), Objects: objects, Holder: "test", Budget: budget})
		if !budget.try() {
			t.Fatal("there is no room at the beginning")
		}
		ended := make(chan error)
		go func() { _, err := c.Pass(t.Context()); ended <- err }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if keys, err := objects.List(t.Context(), ""); len(keys) != 0 || err != nil {
			t.Errorf("objects %v, %v; want not even a lease", keys, err)
		}
		budget.giveBack()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// paced has an export come by ten blocks of 700 bytes, under a budget and a
// ClickHouse that may be busy, and returns how long that took and when it
// yielded. It is given no files to write: those of the compression library are
// shared with other tests, which fake time does not allow.
func paced(t *testing.T, bytesPerSecond int64, busy func(since time.Duration) string) (took time.Duration, yields []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWarehouse(testSchema(t), nil)
		begun, objects := time.Now(), new(store.Memory)
		w.busy = func() string { return busy(time.Since(begun)) }
		c := New(testConfig(t), Dependencies{
			Warehouse: w, Objects: objects, Budget: NewBudget(1, bytesPerSecond),
			Events: Events{Yielded: func(schema.Day, string) { yields = append(yields, time.Since(begun)) }},
		})
		const ttl = 3 * time.Second
		l, err := takeLease(t.Context(), objects, "lease", "test", ttl, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		e := &exporter{pass: &pass{Compactor: c, lease: l}}
		for range 10 {
			if err := errors.Join(e.pay(t.Context(), 700), e.yield(t.Context())); err != nil {
				t.Fatal(err)
			}
			if left := time.Until(l.held.Expires); left < ttl/3 {
				t.Errorf("after %v the lease lasts %v longer", time.Since(begun), left)
			}
		}
		took = time.Since(begun)
	})
	return took, yields
}

func TestReadsAreBounded(t *testing.T) {
	f := func(bytesPerSecond int64, want time.Duration) {
		t.Helper()
		if took, _ := paced(t, bytesPerSecond, func(time.Duration) string { return "" }); took != want {
			t.Errorf("7000 bytes at %d a second took %v, want %v", bytesPerSecond, took, want)
		}
	}
	f(0, 0)
	// The first second's worth may come at once.
	f(700, 9*time.Second)
	f(100, 69*time.Second)
	f(7000, 0)
}

func TestYieldsToABusyClickHouse(t *testing.T) {
	f := func(name string, busy func(since time.Duration) string, wantTook time.Duration, wantYields ...time.Duration) {
		t.Helper()
		took, yields := paced(t, 0, busy)
		if took != wantTook || fmt.Sprint(yields) != fmt.Sprint(wantYields) {
			t.Errorf("%s: took %v, yielded after %v; want %v, %v", name, took, yields, wantTook, wantYields)
		}
	}
	f("never", func(time.Duration) string { return "" }, 0)
	f("for ten seconds", func(since time.Duration) string {
		if since < 10*time.Second {
			return "parts"
		}
		return ""
	}, 10*time.Second, 0)
	// Each block waits as long as one may, and is read then.
	var each []time.Duration
	for i := range time.Duration(10) {
		each = append(each, i*busyLongest)
	}
	f("for ever", func(time.Duration) string { return "parts" }, 10*busyLongest, each...)
}
