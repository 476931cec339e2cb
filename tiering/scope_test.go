package tiering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"penstock/schema"
	"penstock/tiering/store"
)

// tampered is a cold tier of some days whose objects and manifests a test can
// change.
func tampered(t *testing.T, days int, e Events) (*Compactor, *warehouse, *store.Memory) {
	t.Helper()
	s := testSchema(t)
	objects := new(store.Memory)
	w := newWarehouse(s, objects)
	for i := range days {
		w.insert(readings(day("2026-08-01")+schema.Day(i), int64(i*100), 18)...)
	}
	c := New(testConfig(t), Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Now: (&clock{today}).now, Holder: "test", Events: e})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, w, objects
}

// With as many turns as one in so many is read, every file is read once, and
// every other is looked at.
func TestTurnsReadEveryFile(t *testing.T) {
	read := map[string]int{}
	c, _, objects := tampered(t, 12, Events{FileRead: func(_ schema.Day, f File) { read[f.Path]++ }})
	files, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const turns = 5
	clear(read)
	var sum Extent
	for turn := range uint64(turns) {
		scope := &Scope{OneIn: turns, Turn: 1000 + turn}
		all, of, err := c.Extent(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		before := len(read)
		if _, err := c.Verify(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		if all.Files != len(files) || of.Files != len(read)-before || of.Files == all.Files {
			t.Errorf("turn %d reads %d of %d files, %d were announced", turn, len(read)-before, all.Files, of.Files)
		}
		sum.Files, sum.Rows = sum.Files+of.Files, sum.Rows+of.Rows
	}
	if sum.Files != len(files) || sum.Rows != 12*17 || slices.Max(slices.Collect(maps.Values(read))) != 1 {
		t.Errorf("%d turns read %v, %+v; want each of %d files once", turns, read, sum, len(files))
	}

	// What is gone is found in every turn, whichever files it reads.
	objects.Corrupt(files[7], func([]byte) []byte { return nil })
	for turn := range uint64(turns) {
		_, err := c.Verify(t.Context(), &Scope{OneIn: turns, Turn: turn})
		if faults, rest := Faults(err); len(faults) != 1 || faults[0].File != files[7] || rest != nil {
			t.Errorf("turn %d finds %v, want %s", turn, err, files[7])
		}
	}
}

// Each kind of damage is found, named with its file or day, told from what
// merely kept the verification from its work, and left as it is.
func TestFaultsAreNamed(t *testing.T) {
	f := func(name string, damage Damage, detail string, tamper func(w *warehouse, m *store.Memory, file, manifest string)) {
		t.Helper()
		c, w, objects := tampered(t, 2, Events{})
		files, err := c.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		manifests, err := objects.List(t.Context(), "telemetry/manifests/day=2026-08-01/")
		if err != nil {
			t.Fatal(err)
		}
		tamper(w, objects, files[1], manifests[len(manifests)-1])
		c.catalog.objects = looking{objects, nil}
		_, err = c.Verify(t.Context(), nil)
		faults, rest := Faults(err)
		if len(faults) != 1 || rest != nil {
			t.Fatalf("%s: got %v", name, err)
		}
		got := faults[0]
		if got.Damage != damage || got.Day != "2026-08-01" || !strings.Contains(got.Detail, detail) || !strings.Contains(err.Error(), "2026-08-01") {
			t.Errorf("%s: got %+v, want %s of 2026-08-01 and %q", name, got, damage, detail)
		}
		if ofDay := damage == Miscounted || damage == NotSealed; ofDay != (got.File == "") || !ofDay && got.File != files[1] {
			t.Errorf("%s: named %q", name, got.File)
		}
	}
	object := func(edit func([]byte) []byte) func(*warehouse, *store.Memory, string, string) {
		return func(_ *warehouse, m *store.Memory, file, _ string) { m.Corrupt(file, edit) }
	}
	text := func(m *store.Memory, manifest, from, to string) {
		m.Corrupt(manifest, func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) })
	}
	f("flipped byte", OtherBytes, "SHA-256", object(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }))
	f("truncated object", OtherSize, "the manifest says", object(func(b []byte) []byte { return b[:len(b)-1] }))
	f("missing object", Missing, "object does not exist", object(func([]byte) []byte { return nil }))
	f("a generation that counts wrong", Miscounted, "17 rows, 2 duplicates and 0 erased are not the 18 rows read", func(_ *warehouse, m *store.Memory, _, manifest string) {
		text(m, manifest, `"duplicates": 1`, `"duplicates": 2`)
	})
	f("an object that is what the manifest says, and no Parquet file", Unreadable, "open Parquet file", func(_ *warehouse, m *store.Memory, file, manifest string) {
		var was, is store.Checksum
		m.Corrupt(file, func(b []byte) []byte {
			was = store.SumBytes(b)
			b[0] ^= 1 // of the magic number
			is = store.SumBytes(b)
			return b
		})
		text(m, manifest, was.String(), is.String())
	})
	f("rows beside a restored day's", NotSealed, "its sealed partition has 18 rows, its files 17", func(w *warehouse, m *store.Memory, _, _ string) {
		d := day("2026-08-01")
		c := New(testConfig(t), Dependencies{Table: "telemetry", Warehouse: w, Objects: m, Now: (&clock{today}).now, Holder: "test"})
		if _, err := c.Restore(t.Context(), []schema.Day{d}, today.Add(1)); err != nil {
			t.Fatal(err)
		}
		w.sealed[d] = append(w.sealed[d], event{device: "x", time: d.Start().UnixMilli()})
	})

	c, _, objects := tampered(t, 1, Events{})
	away := errors.New("the network is away")
	c.catalog.objects = looking{objects, away}
	_, err := c.Verify(t.Context(), nil)
	if faults, rest := Faults(err); len(faults) != 0 || !errors.Is(rest, away) {
		t.Errorf("a store that is away: faults %v and %v", faults, rest)
	}
}

// looking is a store that nothing is written to, and whose files may be out of
// reach.
type looking struct {
	store.Store
	away error
}

func (s looking) Create(_ context.Context, key string, _ io.ReadSeeker, _ store.Checksum) error {
	return fmt.Errorf("create %s while looking", key)
}

func (s looking) Replace(_ context.Context, key, _ string, _ []byte) (string, error) {
	return "", fmt.Errorf("replace %s while looking", key)
}

func (s looking) Get(ctx context.Context, key string) (io.ReadCloser, store.Object, error) {
	if s.away != nil && strings.HasSuffix(key, ".parquet") {
		return nil, store.Object{}, s.away
	}
	return s.Store.Get(ctx, key)
}
