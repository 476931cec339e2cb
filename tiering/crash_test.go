package tiering

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
	"penstock/tiering/store"
)

// A compactor is stopped at every call it makes, before and after the call has
// its effect, while late rows arrive. Another one finishes its work. After
// every single call the view shows each row once.
func TestCrashAtEveryCall(t *testing.T) {
	t.Run("a day at a time", func(t *testing.T) { crashAtEveryCall(t, 1) })
	t.Run("both days at once", func(t *testing.T) { crashAtEveryCall(t, 2) })
}

func crashAtEveryCall(t *testing.T, daysAtOnce int) {
	s := testSchema(t)
	days := []schema.Day{day("2026-09-30"), day("2026-10-01")}
	ctx := context.Background()

	// run moves both days to the cold tier with a compactor that crashes once,
	// and returns the number of calls the crashing one made.
	run := func(at int, after bool) (calls int, what string) {
		objects, cache := new(store.Memory), map[string][]int64{}
		rows := append(readings(days[0], 0, 20), readings(days[1], 100, 12)...)
		w := newWarehouse(s, objects, rows...)
		late, latest := 0, int64(1000)
		crash := &crash{at: at, after: after}
		w.dropped = func() error { return crash.do("part dropped", func() error { return nil }) }
		crash.called = func() {
			check(t, w.visible(t, objects, cache), rows)
			if crash.calls%9 == 0 && late < 6 {
				e := event{device: "late", seq: uint64(latest), time: days[late%2].Start().UnixMilli() + latest, offset: latest}
				if late%3 == 2 { // a resend of what may be cold by now
					e = rows[0]
					e.offset = latest
				}
				rows, late, latest = append(rows, e), late+1, latest+1
				w.insert(e)
			}
		}
		now := &clock{today}
		cfg := testConfig(t)
		dying := New(cfg, Dependencies{Table: s.Name, Warehouse: crashingWarehouse{w, crash}, Objects: crashingStore{objects, crash}, Now: now.now, Holder: "dying",
			Budget: NewBudget(daysAtOnce, 0)})
		_, err := dying.Pass(ctx)
		if at > 0 && crash.calls >= at && !errors.Is(err, errCrash) {
			t.Fatalf("crash at call %d, %s: the pass ended with %v", at, crash.last, err)
		}
		calls, what = crash.calls, crash.last

		now.Time = now.Add(2 * cfg.LeaseTTL)
		crash.at = 0
		next := New(cfg, Dependencies{Table: s.Name, Warehouse: crashingWarehouse{w, crash}, Objects: crashingStore{objects, crash}, Now: now.now, Holder: "next"})
		for pass := 0; ; pass++ {
			left, err := next.Pass(ctx)
			if err != nil {
				t.Fatalf("pass %d after a crash at call %d, %s: %v", pass, at, what, err)
			}
			if len(left) == 0 && len(w.hot) == 0 { // late ones may have come since it looked
				break
			}
			if pass > 10 {
				t.Fatalf("after a crash at call %d, %s, there is no end: %v", at, what, left)
			}
		}
		if len(w.hot) != 0 || len(w.sealed) != 0 || len(w.cutOver) != 0 {
			t.Fatalf("crash at call %d, %s: hot %v, sealed %v, cut over %v; want all cold", at, what, w.hot, w.sealed, w.cutOver)
		}
		if _, err := next.Verify(ctx, nil); err != nil {
			t.Fatalf("crash at call %d, %s: %v", at, what, err)
		}
		return calls, what
	}

	total, _ := run(0, false)
	if total < 50 {
		t.Fatalf("a pass makes %d calls; the crash points are not wired", total)
	}
	points := map[string]bool{}
	for at := 1; at <= total; at++ {
		for _, after := range []bool{false, true} {
			_, what := run(at, after)
			points[strings.Fields(what)[0]] = true
		}
	}
	for _, want := range []string{"Create", "Replace", "Get", "List", "Partitions", "HotRow", "Seal", "SealedParts", "ScanSealed", "block", "ReplaceView", "DropSealed", "part"} {
		if !points[want] && daysAtOnce == 1 { // else which call is the nth is not certain
			t.Errorf("no crash at any %s", want)
		}
	}
}

// check compares what the view shows with what was stored: each row once, and a
// resend once or, after the day's cut-over, not at all.
func check(t *testing.T, seen map[int64]int, rows []event) {
	t.Helper()
	first := map[identity]bool{}
	for _, e := range rows {
		resend := first[identity{e.device, e.seq}]
		first[identity{e.device, e.seq}] = true
		if n := seen[e.offset]; n > 1 || n == 0 && !resend {
			t.Fatalf("the view shows offset %d %d times", e.offset, n)
		}
		delete(seen, e.offset)
	}
	if len(seen) > 0 {
		t.Fatalf("the view shows offsets nobody stored: %v", seen)
	}
}

// crash stops a compactor at its nth call to the outside: before it is done, or
// after, so that its answer is lost. From then on every call fails, as for a
// process that is no more.
type crash struct {
	at     int // 0 for never
	after  bool
	called func() // after each call that had an effect, one at a time

	mu    sync.Mutex // guards what follows
	calls int
	last  string // the call it stopped at
}

var errCrash = errors.New("crashed")

func (c *crash) do(what string, call func() error) error {
	c.mu.Lock()
	c.calls++
	crashed, here := c.at > 0 && c.calls > c.at, c.calls == c.at
	if here {
		c.last = what
	}
	c.mu.Unlock()
	if crashed || here && !c.after {
		return errCrash
	}
	err := call()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.called != nil {
		c.called()
	}
	if c.at > 0 && c.calls >= c.at {
		return errCrash
	}
	return err
}

// crashingWarehouse and crashingStore put a crash before what they wrap. Schema,
// Unknown and Shows only look: to crash at one of them is to crash after the
// call before it.
type crashingWarehouse struct {
	Warehouse
	*crash
}

func (w crashingWarehouse) Partitions(ctx context.Context) (out []Partition, err error) {
	err = w.do("Partitions", func() error { out, err = w.Warehouse.Partitions(ctx); return err })
	return out, err
}

func (w crashingWarehouse) HotRow(ctx context.Context, day schema.Day) (out schema.Row, err error) {
	err = w.do("HotRow", func() error { out, err = w.Warehouse.HotRow(ctx, day); return err })
	return out, err
}

func (w crashingWarehouse) Seal(ctx context.Context, day schema.Day, before time.Time) error {
	return w.do("Seal", func() error { return w.Warehouse.Seal(ctx, day, before) })
}

func (w crashingWarehouse) SealedParts(ctx context.Context, day schema.Day) (out []Part, err error) {
	err = w.do("SealedParts", func() error { out, err = w.Warehouse.SealedParts(ctx, day); return err })
	return out, err
}

func (w crashingWarehouse) ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(*archive.Block, []bool) error) error {
	return w.do("ScanSealed", func() error {
		return w.Warehouse.ScanSealed(ctx, s, day, earlier, func(b *archive.Block, known []bool) error {
			return w.do("block", func() error { return each(b, known) })
		})
	})
}

func (w crashingWarehouse) ScanFiles(ctx context.Context, s *schema.Schema, keys []string, each func(*archive.Block, []uint32) error) error {
	return w.do("ScanFiles", func() error {
		return w.Warehouse.ScanFiles(ctx, s, keys, func(b *archive.Block, from []uint32) error {
			return w.do("block", func() error { return each(b, from) })
		})
	})
}

func (w crashingWarehouse) InsertSealed(ctx context.Context, rows *archive.Rows, token string) error {
	return w.do("InsertSealed", func() error { return w.Warehouse.InsertSealed(ctx, rows, token) })
}

func (w crashingWarehouse) SealedBeside(ctx context.Context, s *schema.Schema, day schema.Day, files []string) (n uint64, err error) {
	err = w.do("SealedBeside", func() error { n, err = w.Warehouse.SealedBeside(ctx, s, day, files); return err })
	return n, err
}

func (w crashingWarehouse) RowsOf(ctx context.Context, devices []string) (out []Partition, err error) {
	err = w.do("RowsOf", func() error { out, err = w.Warehouse.RowsOf(ctx, devices); return err })
	return out, err
}

func (w crashingWarehouse) Erase(ctx context.Context, devices []string, sealed []schema.Day) (out []string, err error) {
	err = w.do("Erase", func() error { out, err = w.Warehouse.Erase(ctx, devices, sealed); return err })
	return out, err
}

func (w crashingWarehouse) Erasing(ctx context.Context) (out uint64, err error) {
	err = w.do("Erasing", func() error { out, err = w.Warehouse.Erasing(ctx); return err })
	return out, err
}

func (w crashingWarehouse) Fence(ctx context.Context, fence uint64) error {
	return w.do("Fence", func() error { return w.Warehouse.Fence(ctx, fence) })
}

func (w crashingWarehouse) ReplaceView(ctx context.Context, s *schema.Schema, v View, fence uint64, confirm func(context.Context) error) error {
	return w.do("ReplaceView", func() error { return w.Warehouse.ReplaceView(ctx, s, v, fence, confirm) })
}

func (w crashingWarehouse) DropSealed(ctx context.Context, day schema.Day, choose func([]Part) ([]Part, error)) error {
	return w.do("DropSealed", func() error { return w.Warehouse.DropSealed(ctx, day, choose) })
}

type crashingStore struct {
	store.Store
	*crash
}

func (s crashingStore) Create(ctx context.Context, key string, body io.ReadSeeker, sum store.Checksum) error {
	return s.do("Create "+key, func() error { return s.Store.Create(ctx, key, body, sum) })
}

func (s crashingStore) Replace(ctx context.Context, key, tag string, body []byte) (out string, err error) {
	err = s.do("Replace "+key, func() error { out, err = s.Store.Replace(ctx, key, tag, body); return err })
	return out, err
}

func (s crashingStore) Get(ctx context.Context, key string) (r io.ReadCloser, o store.Object, err error) {
	err = s.do("Get "+key, func() error { r, o, err = s.Store.Get(ctx, key); return err })
	return r, o, err
}

func (s crashingStore) Head(ctx context.Context, key string) (o store.Object, err error) {
	err = s.do("Head "+key, func() error { o, err = s.Store.Head(ctx, key); return err })
	return o, err
}

func (s crashingStore) List(ctx context.Context, prefix string) (keys []string, err error) {
	err = s.do("List "+prefix, func() error { keys, err = s.Store.List(ctx, prefix); return err })
	return keys, err
}
