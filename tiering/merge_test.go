package tiering

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/tiering/archive"
)

// sums adds up the checksums of all files of a day, by column.
func sums(m *Manifest) map[string]archive.Sum {
	out := map[string]archive.Sum{}
	for _, g := range m.Generations {
		for _, f := range g.Files {
			for _, c := range f.Columns {
				out[c.Name] += c.Sum
			}
		}
	}
	return out
}

// Small generations become one; the large one stays as it is, and so does what
// the view shows. The files that are replaced stay in the store.
func TestMerge(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, readings(cold, 0, 60), 5, cold)
	before := at.manifest(t, cold)
	files, err := at.compactor().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	at.config.MergeGenerations, at.config.MergeRows = 4, 20
	at.clock.Time = at.clock.Add(time.Hour)
	at.settle(t)
	check(t, at.shows(t), rows)
	m := at.manifest(t, cold)
	if got := numbers(m); !slices.Equal(got, []int{1, 7}) || m.LastGeneration != 7 {
		t.Fatalf("generations %v, the last is %d; want the first and the merged 7", got, m.LastGeneration)
	}
	g := m.Generations[1]
	if !slices.Equal(g.Merged, []int{2, 3, 4, 5, 6}) || g.RowsRead != 5 || g.Rows != 5 || len(g.Files) != 1 || g.ExpiredAt == nil {
		t.Errorf("merged generation %+v; want 2 to 6, 5 rows in one file", g)
	}
	if !g.PublishedAt.Equal(today) {
		t.Errorf("published at %v; want when the last of its rows were, by which the next late ones are due", g.PublishedAt)
	}
	if m.Version != before.Version+1 || !maps.Equal(sums(m), sums(before)) {
		t.Errorf("version %d after %d; want one more, and the same checksums", m.Version, before.Version)
	}
	if !strings.HasPrefix(g.Files[0].Path, "day=2026-10-01/gen=000007/part-00000-") {
		t.Errorf("the file is %s, want it in the folder of its own generation", g.Files[0].Path)
	}
	for _, key := range files {
		if _, err := at.objects.Head(t.Context(), key); err != nil {
			t.Errorf("a query that has planned with %s: %v", key, err)
		}
	}
	// The next late row is the next generation.
	e := event{device: "late", seq: 9, time: cold.Start().UnixMilli(), offset: 900}
	at.insert(e)
	at.settle(t)
	if got := numbers(at.manifest(t, cold)); !slices.Equal(got, []int{1, 7, 8}) {
		t.Errorf("generations %v after a late row, want 8 beside them", got)
	}
	check(t, at.shows(t), append(rows, e))
}

// Rows of a file that lacks a column get it, and the others keep theirs.
func TestMergeOfVersions(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, readings(cold, 0, 4), 1, cold)
	at.warehouse.schema = laterSchema(t)
	noisy := event{device: "late", seq: 9, time: cold.Start().UnixMilli(), offset: 900, noise: 3.5}
	at.insert(noisy)
	at.settle(t)
	at.config.MergeGenerations = 2
	at.settle(t)
	check(t, at.shows(t), append(rows, noisy))
	g := at.manifest(t, cold).Generations[0]
	if g.Generation != 4 || g.SchemaVersion != 2 || g.Rows != 6 {
		t.Fatalf("generation %+v; want all in 4, of version 2", g)
	}
	var noise []float64
	for _, f := range g.Files {
		events, err := readEvents(at.objects, "telemetry/"+f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Noise != nil {
				noise = append(noise, *e.Noise)
			}
		}
	}
	if !slices.Equal(noise, []float64{3.5}) {
		t.Errorf("noise is %v, want the one reading of it", noise)
	}
}

// What ClickHouse reads of the files is not what the manifest says of them:
// nothing is published, and the error says where to look.
func TestMergeProvesWhatItRead(t *testing.T) {
	cold := day("2026-10-01")
	f := func(name string, break_ func(*tier), want ...string) {
		t.Helper()
		at, rows := newTier(t, readings(cold, 0, 9), 3, cold)
		at.config.MergeGenerations = 2
		break_(at)
		_, err := at.compactor().Pass(t.Context())
		if err == nil {
			t.Fatalf("%s: merged", name)
		}
		for _, text := range append(want, "compactor verify", "merge 2026-10-01, generation 5") {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error does not say %q: %v", name, text, err)
			}
		}
		m, err := at.compactor().catalog.manifests(t.Context())
		if err != nil || m[cold].LastGeneration != 4 {
			t.Errorf("%s: last generation %d, error %v", name, m[cold].LastGeneration, err)
		}
		check(t, at.shows(t), rows)
	}
	f("a row is missing", func(at *tier) { at.shortScan = true }, "read 0 rows, the manifest says 1")
	f("a row is another", func(at *tier) { at.forge = true }, "checksum of seq is")
	f("a row is known twice", func(at *tier) { at.twice = true }, "read 2 rows, the manifest says 1")
}

// A row that two generations have, by whatever fault, is not dropped in silence.
func TestMergeRefusesAnIdentityTwice(t *testing.T) {
	cold := day("2026-10-01")
	at, rows := newTier(t, readings(cold, 0, 9), 1, cold)
	resend := rows[4]
	resend.offset = 900
	at.blind = true
	at.insert(resend)
	at.settle(t)
	at.config.MergeGenerations = 2
	_, err := at.compactor().Pass(t.Context())
	if err == nil || !strings.Contains(err.Error(), "11 rows of 3 files became 10 rows in 1") {
		t.Errorf("got %v, want both counts", err)
	}
	if got := numbers(at.manifest(t, cold)); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("generations %v; want what was there", got)
	}
}

func TestCrashWhileMerging(t *testing.T) {
	cold := day("2026-10-01")
	var rows []event
	begin := func() (at *tier) {
		at, rows = newTier(t, readings(cold, 0, 12), 3, cold)
		at.config.MergeGenerations = 2
		return at
	}
	pass := func(ctx context.Context, c *Compactor) error { _, err := c.Pass(ctx); return err }
	points := everyCrash(t, begin, pass,
		func(at *tier, _ string) { check(t, at.shows(t), rows) },
		func(at *tier, when string) {
			if got := numbers(at.manifest(t, cold)); !slices.Equal(got, []int{5}) {
				t.Fatalf("%s: generations %v, want all merged into 5", when, got)
			}
			keys, err := at.objects.List(t.Context(), "telemetry/day=2026-10-01/gen=000005/")
			if err != nil || len(keys) != 2 {
				t.Fatalf("%s: files %v, error %v; want the same two, however often they are written", when, keys, err)
			}
		})
	for _, want := range []string{"ScanFiles", "block", "Create", "Get", "ReplaceView"} {
		if !points[want] {
			t.Errorf("no crash at any %s", want)
		}
	}
}
