package tiering

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering/store"
)

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func day(s string) schema.Day {
	d, err := schema.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

// readings returns n events of a day, from three devices, of which each tenth
// is a resend of the one before it: another offset, all else the same.
func readings(d schema.Day, firstOffset int64, n int) []event {
	var out []event
	for i := range n {
		e := event{
			device: fmt.Sprintf("device-%d", i%3), seq: uint64(firstOffset) + uint64(i),
			time: d.Start().UnixMilli() + int64(i)*1000, offset: firstOffset + int64(i),
		}
		if i%10 == 9 {
			e = out[i-1]
			e.offset = firstOffset + int64(i)
		}
		out = append(out, e)
	}
	return out
}

func testConfig(t testing.TB) Config {
	c := DefaultConfig()
	c.Grace, c.Settle, c.LateEvery = 0, 0, 0
	c.FileBytes, c.RowGroupRows = 1, 10
	c.SpoolDir = t.TempDir()
	return c
}

// A cold day goes the whole way in one pass; a hot one stays.
func TestPass(t *testing.T) {
	s := testSchema(t)
	cold, hot := day("2026-10-01"), day("2026-11-20")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, append(readings(cold, 0, 40), readings(hot, 1000, 20)...)...)
	now := &clock{today}
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test"})
	left, err := c.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Day != hot || left[0].Action != Seal || left[0].Due.Before(today) {
		t.Errorf("left to do: %+v, want the hot day's sealing, later", left)
	}
	if len(w.sealed) != 0 || len(w.hot[cold]) != 0 || len(w.hot[hot]) != 20 {
		t.Errorf("sealed %v, hot %d cold-day and %d hot-day rows", w.sealed, len(w.hot[cold]), len(w.hot[hot]))
	}
	seen := w.visible(t, objects, map[string][]int64{})
	if len(seen) != 36+20 {
		t.Errorf("the view shows %d rows, want 36 of the cold day, without its 4 resends, and 20", len(seen))
	}
	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := manifests[0].Generations[0]
	if g.RowsRead != 40 || g.Rows != 36 || g.Duplicates != 4 || len(g.Files) != 4 {
		t.Errorf("generation %+v; want 40 rows read, 36 kept, in 4 files of at most 10", g)
	}
}

// With a grace period the sealed rows stay, uncounted, until it is over.
func TestGrace(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects, now := new(store.Memory), &clock{today}
	w := newWarehouse(s, objects, readings(cold, 0, 9)...)
	cfg := testConfig(t)
	cfg.Grace = time.Hour
	c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test"})
	f := func(after time.Duration, wantSealed int, wantCutOver bool) {
		t.Helper()
		now.Time = today.Add(after)
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.sealed[cold]) != wantSealed || (len(w.cutOver) == 1) != wantCutOver {
			t.Errorf("after %v: %d sealed rows, cut over %v", after, len(w.sealed[cold]), w.cutOver)
		}
	}
	f(0, 9, true)
	f(59*time.Minute, 9, true)
	// Late rows wait until the day's open generation is done.
	w.insert(event{device: "late", seq: 1, time: cold.Start().UnixMilli(), offset: 500})
	f(59*time.Minute+time.Second, 9, true)
	f(time.Hour, 0, false)
	f(time.Hour+time.Second, 1, true)
}

// A day that is damaged stays as it is, and is named; the others go on.
func TestAFaultIsADays(t *testing.T) {
	s, objects, now := testSchema(t), new(store.Memory), &clock{today}
	damaged, well, next := day("2026-09-30"), day("2026-10-01"), day("2026-10-02")
	w := newWarehouse(s, objects, append(readings(damaged, 0, 9), readings(well, 100, 9)...)...)
	cfg := testConfig(t)
	cfg.Grace = time.Hour
	c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test"})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.insert(readings(next, 200, 9)...)
	now.Time = now.Add(2 * time.Hour)
	keys, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.Delete(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
	_, err = c.Pass(t.Context())
	if faults, rest := Faults(err); len(faults) != 1 || rest != nil || faults[0].File != keys[0] {
		t.Errorf("got %v, want the file that is missing", err)
	}
	if len(w.sealed[damaged]) != 9 || len(w.sealed[well]) != 0 || len(w.hot) != 0 {
		t.Errorf("sealed %v, hot %v; want the damaged day's rows and no others", w.sealed, w.hot)
	}
}

// What does not match stops the day, names both values, and leaves both copies.
func TestMismatchDropsNothing(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	f := func(name string, break_ func(w *warehouse, m *store.Memory, file string), want ...string) {
		t.Helper()
		objects, now := new(store.Memory), &clock{today}
		w := newWarehouse(s, objects, readings(cold, 0, 9)...)
		cfg := testConfig(t)
		cfg.Grace = time.Hour
		c := New(cfg, Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: now.now, Holder: "test"})
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := c.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		break_(w, objects, files[0])
		now.Time = now.Add(2 * time.Hour)
		before := len(w.sealed[cold])
		_, err = c.Pass(t.Context())
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for _, text := range append(want, "nothing is dropped") {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error does not say %q: %v", name, text, err)
			}
		}
		if len(w.sealed[cold]) != before {
			t.Errorf("%s: the sealed rows are gone", name)
		}
		if _, err := c.Verify(t.Context(), &Scope{Day: &cold}); err == nil {
			t.Errorf("%s: verify finds nothing", name)
		}
	}
	f("flipped byte", func(_ *warehouse, m *store.Memory, file string) {
		m.Corrupt(file, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	}, "SHA-256", "day=2026-10-01/gen=000001/part-00000-")
	f("truncated object", func(_ *warehouse, m *store.Memory, file string) {
		m.Corrupt(file, func(b []byte) []byte { return b[:len(b)-10] })
	}, "the manifest says")
	f("missing object", func(_ *warehouse, m *store.Memory, file string) {
		m.Corrupt(file, func([]byte) []byte { return nil })
	}, "object does not exist")
	f("row added to the sealed table", func(w *warehouse, _ *store.Memory, _ string) {
		w.sealed[cold] = append(w.sealed[cold], event{device: "x", offset: 99})
	}, "has 10 rows", "made of 9")
}

// A file whose bytes are right but whose content is not what ClickHouse held is
// found by the column checksums.
func TestVerifyNamesTheColumn(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, readings(cold, 0, 9)...)
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	manifests, err := c.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := manifests[0].Generations[0]
	g.Files[0].Columns[3].Sum++
	err = c.verify(t.Context(), s, cold, g, context.Cause)
	if err == nil || !strings.Contains(err.Error(), "temperature is ") {
		t.Errorf("got %v, want the column temperature named", err)
	}
}

// A scan that ends early without an error is not taken for the whole partition.
func TestShortScanPublishesNothing(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, readings(cold, 0, 9)...)
	w.shortScan = true
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	_, err := c.Pass(t.Context())
	if err == nil || !strings.Contains(err.Error(), "read 8 rows of a sealed partition that counts 9") {
		t.Errorf("got %v, want both counts", err)
	}
	if manifests, err := c.catalog.manifests(t.Context()); err != nil || len(manifests) != 0 || len(w.sealed[cold]) != 9 {
		t.Errorf("manifests %v, error %v, %d sealed rows; want nothing published and nothing lost", manifests, err, len(w.sealed[cold]))
	}
}

// A resend that comes when the original is cold, and a row that is stored again
// because its receipt was dropped with the day, are in no second generation.
func TestLaterGenerationIsExact(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	rows := readings(cold, 0, 9)
	w := newWarehouse(s, objects, rows...)
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	pass := func(wantRows, wantDuplicates uint64) {
		t.Helper()
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		manifests, err := c.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		g := manifests[0].Generations[len(manifests[0].Generations)-1]
		if g.Rows != wantRows || g.Duplicates != wantDuplicates {
			t.Errorf("generation %d has %d rows and %d duplicates, want %d and %d", g.Generation, g.Rows, g.Duplicates, wantRows, wantDuplicates)
		}
	}
	pass(9, 0)
	resend, again := rows[3], rows[5]
	resend.offset = 100
	w.insert(resend, again, event{device: "late", seq: 1, time: cold.Start().UnixMilli(), offset: 101})
	pass(1, 2)
	// Nothing but what is known: a generation without a file.
	w.insert(resend)
	pass(0, 1)
	if seen := w.visible(t, objects, map[string][]int64{}); len(seen) != 10 {
		t.Errorf("the view shows %v, want the 9 rows and the late one", seen)
	}
}

// Late rows that never cease do not keep a pass from ending.
func TestTrickleOfLateRows(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, readings(cold, 0, 9)...)
	offset := int64(100)
	trickle := func(Step, time.Duration) {
		w.insert(event{device: "late", seq: uint64(offset), time: cold.Start().UnixMilli(), offset: offset})
		offset++
	}
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test", Events: Events{Done: trickle}})
	for generation := 1; generation <= 2; generation++ {
		left, err := c.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].Action != Seal || left[0].Generation != generation+1 {
			t.Errorf("left %v, want the sealing of generation %d", left, generation+1)
		}
	}
}

func TestSealRefusesASealedDay(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, readings(cold, 0, 9)...)
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	l, err := takeLease(t.Context(), objects, "lease", "test", time.Minute, c.now)
	if err != nil {
		t.Fatal(err)
	}
	w.sealed[cold] = readings(cold, 100, 3)
	p := &pass{Compactor: c, lease: l}
	if err := p.seal(t.Context(), cold); err == nil || !strings.Contains(err.Error(), "3 rows of the day already") {
		t.Errorf("got %v, want a refusal that names the 3 rows", err)
	}
	if len(w.hot[cold]) != 9 {
		t.Error("the day was sealed")
	}
}
