package tiering

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/schema"
	"penstock/tiering/store"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; understand the difference before you commit it")

// The manifest is what other programs read the cold tier by, for years.
func TestManifestGolden(t *testing.T) {
	s := testSchema(t)
	cold := day("2026-10-01")
	objects := new(store.Memory)
	w := newWarehouse(s, objects, readings(cold, 0, 12)...)
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test"})
	for range 2 {
		if _, err := c.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.insert(event{device: "late", seq: 7, time: cold.Start().UnixMilli() + 5, offset: 77})
	}
	keys, err := objects.List(t.Context(), "telemetry/manifests/")
	if err != nil {
		t.Fatal(err)
	}
	last := keys[len(keys)-1]
	if want := "telemetry/manifests/day=2026-10-01/v000008.json"; last != want {
		t.Errorf("last manifest is %s, want %s: four versions a generation", last, want)
	}
	got, _, err := store.ReadAll(t.Context(), objects, last)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest.json", got)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
	}
}

func TestManifestRefused(t *testing.T) {
	const key = "telemetry/manifests/day=2026-10-01/v000001.json"
	f := func(key, body string, want ...string) {
		t.Helper()
		objects := new(store.Memory)
		if err := store.CreateBytes(t.Context(), objects, key, []byte(body)); err != nil {
			t.Fatal(err)
		}
		_, err := newCatalog(objects, "telemetry").manifests(t.Context())
		if err == nil {
			t.Fatalf("%s: no error", body)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error does not say %q: %v", w, err)
			}
		}
	}
	f(key, `{"format": 3}`, key, "format 3", "knows 2")
	f(key, `{"format": 2, "shrunk": []}`, key, "shrunk")
	f(key, `{"format": 2, `, key)
	f(key, `{"format": 2, "day": "2026-10-02", "version": 1, "last_generation": 1, "generations": [{"generation": 1}]}`, key, "version 1 of 2026-10-02")
	f(key, `{"format": 2, "day": "2026-10-01", "version": 1}`, key, "lists 0 generations and is retired: false")
	f(key, `{"format": 2, "day": "2026-10-01", "version": 1, "retired_at": "2027-10-01T00:00:00Z", "last_generation": 1, "generations": [{"generation": 1}]}`,
		key, "lists 1 generations and is retired: true")
	f(key, `{"format": 2, "day": "2026-10-01", "version": 1, "last_generation": 1, "generations": [{"generation": 2}]}`, key, "generation 2 after 0, with 1 as the last")
	expired := `{"generation": 2, "expired_at": "2026-11-23T12:00:00Z"}`
	f(key, `{"format": 2, "day": "2026-10-01", "version": 1, "last_generation": 3, "generations": [`+expired+`,{"generation": 1}]}`, key, "generation 1 after 2")
	f(key, `{"format": 2, "day": "2026-10-01", "version": 1, "last_generation": 3, "generations": [{"generation": 1},`+expired+`]}`, key, "after 1, which is open")
	f("telemetry/manifests/day=2026-10-01/notes.txt", "x", "is no manifest's name")
	f("telemetry/manifests/day=yesterday/v000001.json", "x", "is no manifest's name")
}

// Versions are numbers, not text: the millionth counts more than the 999,999th.
func TestLatestManifestByNumber(t *testing.T) {
	objects := new(store.Memory)
	c := newCatalog(objects, "telemetry")
	for _, version := range []int{9, 999_999, 1_000_000} {
		m := &Manifest{Format: manifestFormat, Table: "telemetry", Day: "2026-10-01", Version: version}
		m.add(Generation{Generation: 1})
		if err := c.publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.manifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := all[day("2026-10-01")]; m.Version != 1_000_000 {
		t.Errorf("version %d counts, want 1000000", m.Version)
	}
}

// Two compactors that decide differently about the same version: the second is
// told, and the first one's manifest stays.
func TestPublishConflict(t *testing.T) {
	objects := new(store.Memory)
	c := newCatalog(objects, "telemetry")
	var none *Manifest
	first := none.next("telemetry", day("2026-10-01"), today, 1)
	first.add(Generation{Generation: 1})
	if err := c.publish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := c.publish(t.Context(), first); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	second := none.next("telemetry", day("2026-10-01"), today, 2)
	if err := c.publish(t.Context(), second); err == nil || !strings.Contains(err.Error(), "version 1 of 2026-10-01, fence 2") {
		t.Errorf("got %v, want the conflict named", err)
	}
	all, err := c.manifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := all[day("2026-10-01")]; m.Fence != 1 {
		t.Errorf("fence %d, want the first one's", m.Fence)
	}
}

func TestView(t *testing.T) {
	at := today
	file := func(p string) []File { return []File{{Path: p}} }
	c := newCatalog(nil, "telemetry")
	v := c.view(map[schema.Day]*Manifest{
		3: {Generations: []Generation{{Files: file("published")}}},
		2: {Generations: []Generation{{CutOverAt: &at, ExpiredAt: &at, Files: file("old")}, {CutOverAt: &at, Files: file("cut")}}},
		1: {Generations: []Generation{{CutOverAt: &at, ExpiredAt: &at, Files: file("cold")}}},
	})
	if len(v.CutOver) != 1 || v.CutOver[0] != 2 {
		t.Errorf("cut over %v, want the day whose sealed rows remain", v.CutOver)
	}
	if got := strings.Join(v.Files, " "); got != "telemetry/cold telemetry/cut telemetry/old" {
		t.Errorf("files %s: want those of every generation that is cut over", got)
	}
}
