package tiering

import (
	"context"
	"strings"
	"testing"
)

// A day that is older than retention_days is in no list and no view any more;
// its files are left to gc. A younger one stays, and so does its number.
func TestRetire(t *testing.T) {
	old, young := day("2026-09-01"), day("2026-10-01")
	kept := readings(young, 100, 9)
	at, _ := newTier(t, append(readings(old, 0, 9), kept...), 1, old)
	files, err := at.compactor().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at.config.RetentionDays = 60
	at.settle(t)
	check(t, at.shows(t), kept)
	m := at.manifest(t, old)
	if m.RetiredAt == nil || len(m.Generations) != 0 || m.LastGeneration != 2 {
		t.Errorf("manifest %+v; want it retired, with no generation and 2 as the last", m)
	}
	left, err := at.compactor().Files(t.Context())
	if err != nil || len(left) != 1 || !strings.Contains(left[0], "day=2026-10-01") {
		t.Errorf("files %v, error %v; want that of the younger day", left, err)
	}
	for _, key := range files {
		if _, err := at.objects.Head(t.Context(), key); err != nil {
			t.Errorf("a query that has planned with %s: %v", key, err)
		}
	}

	// A row that comes now is seen until it has gone the same way.
	late := event{device: "late", seq: 1, time: old.Start().UnixMilli(), offset: 900}
	at.insert(late)
	check(t, at.shows(t), append(kept, late))
	at.settle(t)
	check(t, at.shows(t), kept)
	if m := at.manifest(t, old); m.RetiredAt == nil || m.LastGeneration != 3 {
		t.Errorf("manifest %+v; want it retired once more, with 3 as the last", m)
	}
}

func TestCrashWhileRetiring(t *testing.T) {
	old, young := day("2026-09-01"), day("2026-10-01")
	gone, kept := readings(old, 0, 9), readings(young, 100, 9)
	begin := func() *tier {
		at, _ := newTier(t, append(gone, kept...), 0)
		at.config.RetentionDays = 60
		return at
	}
	pass := func(ctx context.Context, c *Compactor) error { _, err := c.Pass(ctx); return err }
	everyCrash(t, begin, pass,
		func(at *tier, _ string) {
			seen := at.shows(t)
			rows := kept
			if seen[gone[0].offset] > 0 { // all of the day, or nothing of it
				rows = append(rows[:len(rows):len(rows)], gone...)
			}
			check(t, seen, rows)
		},
		func(at *tier, when string) {
			if at.shows(t)[gone[0].offset] > 0 || at.manifest(t, old).RetiredAt == nil {
				t.Fatalf("%s: the day is not retired", when)
			}
		})
}
