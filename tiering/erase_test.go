package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

// of returns n readings of one device.
func of(device string, d schema.Day, firstOffset int64, n int) (out []event) {
	for i := range n {
		out = append(out, event{
			device: device, seq: uint64(firstOffset) + uint64(i),
			time: d.Start().UnixMilli() + int64(i)*1000, offset: firstOffset + int64(i),
		})
	}
	return out
}

// The days of eraseStates, in every state a day can be in.
var (
	coldDay      = day("2026-10-01") // with late rows, of which some are hot
	otherDay     = day("2026-10-02") // cold, and nothing of the device
	cutDay       = day("2026-10-03") // in files and sealed, in the grace period
	publishedDay = day("2026-10-04") // in files and sealed, not yet cut over
	sealedDay    = day("2026-10-05") // sealed, not yet exported
	hotDay       = day("2026-11-20")
)

// eraseStates returns a table whose days are in every state, with rows of gone
// in all but one of them, and the rows of others.
func eraseStates(t *testing.T) (at *tier, kept []event) {
	t.Helper()
	rows := func(d schema.Day, first int64) []event {
		kept = append(kept, of("device-a", d, first, 7)...)
		kept = append(kept, of("device-z", d, first+200, 7)...)
		return append(of("gone", d, first+100, 6), kept[len(kept)-14:]...)
	}
	kept = of("device-a", otherDay, 50_000, 12)
	cold := append(rows(coldDay, 10_000), kept[:12]...)
	at, _ = newTier(t, cold, 0)
	at.insert(of("gone", coldDay, 11_000, 2)...)
	at.settle(t) // a second generation, of gone alone
	at.insert(of("gone", coldDay, 12_000, 1)...)

	at.insert(rows(hotDay, 60_000)...)
	for d, until := range map[schema.Day]func(*pass, schema.Day) error{
		sealedDay: func(p *pass, d schema.Day) error { return p.seal(t.Context(), d) },
		publishedDay: func(p *pass, d schema.Day) error {
			return errors.Join(p.seal(t.Context(), d), p.export(t.Context(), Step{Day: d, Generation: 1}))
		},
		cutDay: func(p *pass, d schema.Day) error {
			return errors.Join(p.seal(t.Context(), d), p.export(t.Context(), Step{Day: d, Generation: 1}), p.cutOver(t.Context(), d))
		},
	} {
		at.insert(rows(d, int64(d)*1000)...)
		if err := at.compactor().underLease(t.Context(), func(p *pass) error {
			p.turn.Lock()
			defer p.turn.Unlock()
			return until(p, d)
		}); err != nil {
			t.Fatal(err)
		}
	}
	at.config.Grace = time.Hour
	return at, kept
}

func erase(ctx context.Context, c *Compactor) error {
	_, err := c.Erase(ctx, []string{"gone", "gone too"}, noWait)
	return err
}

func noWait(context.Context, uint64) error { return nil }

// Nothing of the device is seen after it, whatever state a day was in, and
// everything of others is. The days go on to be cold, and files without it are
// those that they were.
func TestErase(t *testing.T) {
	at, kept := eraseStates(t)
	before, err := at.compactor().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waits := 0
	e, err := at.compactor().Erase(t.Context(), []string{"gone", "gone too"}, func(context.Context, uint64) error { waits++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	check(t, at.shows(t), kept)
	if waits != 1 {
		t.Errorf("heard %d times of parts to be rewritten, want once", waits)
	}
	var got []string
	for _, d := range e.Days {
		text := fmt.Sprintf("%s %d hot %d sealed %d cold, files %d/%d/%d", d.Day, d.Hot, d.Sealed, d.Cold, d.Files, d.Matching, d.Rewritten)
		if d.DroppedAt != nil {
			text += " dropped " + d.DroppedAt.Format("15:04")
		}
		got = append(got, text)
	}
	want := []string{
		"2026-10-01 1 hot 0 sealed 8 cold, files 3/2/2",
		"2026-10-03 0 hot 6 sealed 6 cold, files 2/1/1 dropped 13:00",
		"2026-10-04 0 hot 6 sealed 6 cold, files 2/1/1 dropped 13:00",
		"2026-10-05 0 hot 6 sealed 0 cold, files 0/0/0",
		"2026-11-20 6 hot 0 sealed 0 cold, files 0/0/0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(want, "\n "))
	}
	if !slices.Equal(e.Rollups, []string{"telemetry_1m_site"}) || !e.GoneBy.Equal(today.Add(GCAfter)) {
		t.Errorf("rollups %v, gone by %v; want the one that is not by device, and what gc waits", e.Rollups, e.GoneBy)
	}
	g := at.manifest(t, coldDay).Generations
	if g[0].Erased != 6 || g[0].Rows != 14 || g[0].RowsRead != 20 || g[1].Erased != 2 || len(g[1].Files) != 0 {
		t.Errorf("generations %+v; want 6 of 20 rows erased, and both of the second, with its file", g)
	}
	after, err := at.compactor().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range before {
		if strings.Contains(key, "2026-10-02") && !slices.Contains(after, key) {
			t.Errorf("%s, which has nothing of the device, is not listed any more", key)
		}
	}
	body, err := readAllEvents(at, after)
	if err != nil || slices.ContainsFunc(body, func(e coldEvent) bool { return e.Device == "gone" }) {
		t.Errorf("rows of the device are in the listed files, or %v", err)
	}

	// Again there is nothing to do.
	version := at.manifest(t, coldDay).Version
	again, err := at.compactor().Erase(t.Context(), e.Devices, noWait)
	if err != nil || at.manifest(t, coldDay).Version != version {
		t.Errorf("error %v, version %d after %d; want nothing written the second time", err, at.manifest(t, coldDay).Version, version)
	}
	for _, d := range again.Days {
		if d.Hot > 0 || d.Cold > 0 || d.Rewritten > 0 {
			t.Errorf("%+v erased the second time", d)
		}
	}

	// The days go on, the drop included.
	at.clock.Time = at.clock.Add(2 * time.Hour)
	at.config.Grace = 0
	at.settle(t)
	check(t, at.shows(t), kept)
	if len(at.sealed) != 0 {
		t.Errorf("%v are still sealed", at.sealed)
	}
	for _, d := range []schema.Day{coldDay, otherDay, cutDay, publishedDay, sealedDay} {
		at.manifest(t, d)
	}
}

func readAllEvents(at *tier, keys []string) (all []coldEvent, err error) {
	for _, key := range keys {
		events, err := readEvents(at.objects, key)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	return all, nil
}

// A restored day is released by comparing its sealed rows with its files, so
// neither may change; no other day is erased from before it is said.
func TestEraseRefusesARestoredDay(t *testing.T) {
	at, kept := eraseStates(t)
	before := len(at.shows(t))
	at.config.Grace = 0
	if _, err := at.compactor().Restore(t.Context(), []schema.Day{otherDay}, today.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	refused, err := at.compactor().Erase(t.Context(), []string{"device-a"}, noWait)
	if err == nil || !strings.Contains(err.Error(), "compactor release --day 2026-10-02") || len(at.shows(t)) != before {
		t.Errorf("got %v and %d rows shown after %d; want the day named, and nothing erased", err, len(at.shows(t)), before)
	}
	if len(refused.Days) == 0 {
		t.Error("what was found is not reported")
	}
	// One that is not in the restored day is erased.
	if err := erase(t.Context(), at.compactor()); err != nil {
		t.Fatal(err)
	}
	check(t, at.shows(t), kept)
}

// A dry run says where to look and changes nothing, and needs no lease.
func TestPlanErase(t *testing.T) {
	at, kept := eraseStates(t)
	before, err := at.objects.Inventory(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	shown := len(at.shows(t))
	e, err := at.compactor().PlanErase(t.Context(), []string{"gone"})
	if err != nil {
		t.Fatal(err)
	}
	after, err := at.objects.Inventory(t.Context(), "")
	if err != nil || !slices.Equal(before, after) || len(at.shows(t)) != shown || shown == len(kept) {
		t.Errorf("error %v, %d objects after %d, %d rows shown after %d", err, len(after), len(before), len(at.shows(t)), shown)
	}
	if len(e.Days) != 5 || e.Days[0].Matching != 2 || e.Days[4].Hot != 6 || !e.DryRun {
		t.Errorf("got %+v; want five days, files of the first that match and hot rows of the last", e)
	}
}

func TestCrashWhileErasing(t *testing.T) {
	var kept []event
	begin := func() (at *tier) {
		at, kept = eraseStates(t)
		return at
	}
	points := everyCrash(t, begin, erase,
		func(at *tier, when string) {
			seen := at.shows(t)
			for _, e := range kept {
				if seen[e.offset] != 1 {
					t.Fatalf("%s: the view shows offset %d of another device %d times", when, e.offset, seen[e.offset])
				}
			}
		},
		func(at *tier, when string) {
			check(t, at.shows(t), kept)
			for _, d := range []schema.Day{coldDay, otherDay, cutDay, publishedDay} {
				at.manifest(t, d)
			}
		})
	for _, want := range []string{"RowsOf", "Erase", "Erasing", "ScanFiles", "Create", "ReplaceView"} {
		if !points[want] {
			t.Errorf("no crash at any %s", want)
		}
	}
}

// While ClickHouse rewrites parts the lease is kept; what it cannot rewrite is
// said, and so is the end of patience.
func TestEraseWaits(t *testing.T) {
	at, _ := eraseStates(t)
	slow := &slowWarehouse{warehouse: at.warehouse, left: 300}
	c := New(at.config, Dependencies{Table: at.schema.Name, Warehouse: slow, Objects: at.objects, Now: at.clock.now, Holder: "slow"})
	second := func(context.Context, uint64) error {
		at.clock.Time = at.clock.Add(time.Second)
		if _, err := at.compactor().Pass(t.Context()); !errors.Is(err, ErrHeld) {
			t.Fatalf("another compactor's pass ended with %v with %d parts left, want %v", err, slow.left, ErrHeld)
		}
		return nil
	}
	if _, err := c.Erase(t.Context(), []string{"gone"}, second); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	slow.left = 300
	if _, err := c.Erase(t.Context(), []string{"gone"}, func(context.Context, uint64) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	slow.left, slow.failed = 300, errors.New("no space left")
	if err := erase(t.Context(), c); !errors.Is(err, slow.failed) {
		t.Errorf("got %v, want %v", err, slow.failed)
	}
}

// slowWarehouse has some parts to rewrite, one between two looks.
type slowWarehouse struct {
	*warehouse
	left   uint64
	failed error
}

func (w *slowWarehouse) Erasing(ctx context.Context) (uint64, error) {
	if w.left == 0 {
		return w.warehouse.Erasing(ctx)
	}
	w.left--
	return w.left + 1, w.failed
}
