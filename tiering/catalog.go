package tiering

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"penstock/schema"
	"penstock/tiering/store"
)

// catalog is a table's folder in the store: where its files and manifests are.
type catalog struct {
	objects store.Store
	root    string // the table's name
}

func newCatalog(objects store.Store, table string) catalog {
	return catalog{objects: objects, root: table}
}

func (c catalog) key(file string) string { return path.Join(c.root, file) }

func (c catalog) leaseKey() string { return path.Join(c.root, "lease.json") }

// sourceKey is of the object that says whose days these are.
func (c catalog) sourceKey() string { return path.Join(c.root, "source.json") }

func (c catalog) manifestFolder() string { return path.Join(c.root, "manifests") + "/" }

// manifestKey sorts as the versions do, up to a million of them; beyond that
// only the parsed number counts.
func (c catalog) manifestKey(day string, version int) string {
	return fmt.Sprintf("%sday=%s/v%06d.json", c.manifestFolder(), day, version)
}

// filePath is the path of a file, relative to the table's folder. The hash of
// its content makes writing it again the same act, and writing something else
// another file.
func filePath(day schema.Day, generation, part int, sum store.Checksum) string {
	return fmt.Sprintf("day=%s/gen=%06d/part-%05d-%s.parquet", day, generation, part, sum.String()[:16])
}

// manifests returns the current manifest of every day that has one.
func (c catalog) manifests(ctx context.Context) (map[schema.Day]*Manifest, error) {
	keys, err := c.objects.List(ctx, c.manifestFolder())
	if err != nil {
		return nil, err
	}
	latest := make(map[schema.Day]int)
	for _, key := range keys {
		day, version, err := c.parseManifestKey(key)
		if err != nil {
			return nil, err
		}
		latest[day] = max(latest[day], version)
	}
	// Several at once: years of days read one by one would outlast the lease.
	var mu sync.Mutex
	out := make(map[schema.Day]*Manifest, len(latest))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(manifestsAtOnce)
	for day, version := range latest {
		g.Go(func() error {
			m, err := c.manifest(ctx, day, version)
			mu.Lock()
			defer mu.Unlock()
			out[day] = m
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

const manifestsAtOnce = 16

func (c catalog) manifest(ctx context.Context, day schema.Day, version int) (*Manifest, error) {
	key := c.manifestKey(day.String(), version)
	body, _, err := store.ReadAll(ctx, c.objects, key)
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(key, body)
	if err != nil {
		return nil, err
	}
	if m.Day != day.String() || m.Version != version {
		return nil, fmt.Errorf("manifest %s says it is version %d of %s; it was put in the wrong place: restore the original", key, m.Version, m.Day)
	}
	return m, nil
}

func (c catalog) parseManifestKey(key string) (schema.Day, int, error) {
	bad := fmt.Errorf("%s is no manifest's name (day=2026-10-01/v000001.json); move it out of %s", key, c.manifestFolder())
	rest, ok := strings.CutPrefix(key, c.manifestFolder()+"day=")
	dayText, name, ok2 := strings.Cut(rest, "/v")
	number, ok3 := strings.CutSuffix(name, ".json")
	if !ok || !ok2 || !ok3 {
		return 0, 0, bad
	}
	day, err := schema.ParseDay(dayText)
	if err != nil {
		return 0, 0, bad
	}
	version, err := strconv.Atoi(number)
	if err != nil || version < 1 {
		return 0, 0, bad
	}
	return day, version, nil
}

// publish stores a manifest version. One that exists already with other content
// was written by another compactor.
func (c catalog) publish(ctx context.Context, m *Manifest) error {
	body, err := m.encode()
	if err != nil {
		return err
	}
	if err := store.CreateBytes(ctx, c.objects, c.manifestKey(m.Day, m.Version), body); err != nil {
		return fmt.Errorf("publish version %d of %s, fence %d: %w", m.Version, m.Day, m.Fence, err)
	}
	return nil
}

// files returns the keys of all files of a day, of all its generations.
func (c catalog) files(m *Manifest) []string {
	var keys []string
	for _, f := range m.files() {
		keys = append(keys, c.key(f.Path))
	}
	return keys
}

// view returns what the analysts' view has to read beside the hot table: the
// days whose sealed partition is replaced by files, and all those files.
func (c catalog) view(manifests map[schema.Day]*Manifest) (v View) {
	for day, m := range manifests {
		if m.restored() {
			if m.Restored.shown() {
				continue
			}
			v.CutOver = append(v.CutOver, day)
		}
		for _, g := range m.Generations {
			if g.CutOverAt == nil {
				continue
			}
			if g.ExpiredAt == nil {
				v.CutOver = append(v.CutOver, day)
			}
			for _, f := range g.Files {
				v.Files = append(v.Files, c.key(f.Path))
			}
		}
	}
	slices.Sort(v.CutOver)
	slices.Sort(v.Files)
	return v
}
