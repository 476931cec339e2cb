package tiering

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/schema"
	"penstock/tiering/store"
)

// GCAfter is how long an object is kept that the cold tier is no longer made of,
// unless gc is told otherwise. Larger: longer to find out that a merge or an
// erasure was a mistake. Smaller: sooner rid of what was erased. It has to exceed
// the longest query, and is a week.
const GCAfter = 7 * 24 * time.Hour

// Reason is why an object is garbage.
type Reason string

// The reasons.
const (
	Orphan   Reason = "orphan"       // no manifest lists it: a crash left it
	Replaced Reason = "replaced"     // a later manifest version lists it no more
	Outdated Reason = "old manifest" // a manifest version that is not the highest
	Upload   Reason = "upload"       // parts of an object that was never completed
	Foreign  Reason = "foreign"      // not the compactor's, which leaves it alone
	// Unfinished: of an export or a merge that is to be repeated, and that takes an
	// object which is there for its own. A gc that was frozen with the deletion
	// would delete it when it is listed.
	Unfinished Reason = "unfinished"
)

// Stays reports whether gc leaves such objects alone, however old they are.
func (r Reason) Stays() bool { return r == Foreign || r == Unfinished }

// Garbage is an object in the table's folder that the cold tier is not made of.
type Garbage struct {
	Key string
	// Bytes is 0 for an upload: the store does not tell.
	Bytes  int64
	Reason Reason
	// Since is when it came to be so: for an orphan when it was stored, for an
	// upload when it was begun, for what is replaced or outdated when the version
	// was that did it.
	Since time.Time
	// Due: it has been so for longer than gc was asked to wait.
	Due bool
	// Deleted: by this gc.
	Deleted bool

	id string // an upload's
}

// dataFiles are the names of files, of every release.
var dataFiles = regexp.MustCompile(`^day=(\d{4}-\d\d-\d\d)/gen=(\d{6,})/[^/]+\.parquet$`)

// GC returns the objects in the table's folder that the cold tier is not made
// of, and with remove deletes those that have not been part of it for longer than
// after. It holds the lease, so that nothing comes to be listed meanwhile; the
// lease itself, what a current manifest lists and what the compactor did not
// name stay. What is said of old versions is known from old manifests, so files
// go before the manifests that listed them. If the view listed something else
// than the manifests until now, what is replaced stays for another time, and so
// does what is known of it.
func (c *Compactor) GC(ctx context.Context, objects store.Sweeper, after time.Duration, remove bool) (all []Garbage, err error) {
	if after < c.cfg.Grace {
		return nil, fmt.Errorf("objects are to be deleted after %v, and queries may have planned with them for a grace of %v; wait longer than that", after, c.cfg.Grace)
	}
	err = c.underLease(ctx, func(p *pass) error {
		stored, err := objects.Inventory(ctx, c.catalog.root+"/")
		if err != nil {
			return err
		}
		if all, err = p.garbage(ctx, stored); err != nil {
			return err
		}
		uploads, err := objects.Uploads(ctx, c.catalog.root+"/")
		if err != nil {
			return err
		}
		for _, u := range uploads {
			all = append(all, Garbage{Key: u.Key, Reason: Upload, Since: u.Begun, id: u.ID})
		}
		for i := range all {
			g := &all[i]
			g.Due = !g.Reason.Stays() && c.now().Sub(g.Since) > after
			if !g.Due || !remove || p.stale && (g.Reason == Replaced || g.Reason == Outdated) {
				continue
			}
			if err := p.lease.renew(ctx); err != nil {
				return err
			}
			if err := g.remove(ctx, objects); err != nil {
				return err
			}
			g.Deleted = true
		}
		return nil
	})
	return all, err
}

func (g *Garbage) remove(ctx context.Context, objects store.Sweeper) error {
	if g.Reason == Upload {
		return objects.Abort(ctx, store.Upload{Key: g.Key, ID: g.id, Begun: g.Since})
	}
	return objects.Delete(ctx, g.Key)
}

// garbage is what of these objects the cold tier is not made of, files first.
func (p *pass) garbage(ctx context.Context, stored []store.Stored) ([]Garbage, error) {
	listed := make(map[string]bool)
	for _, m := range p.manifests {
		for _, key := range p.catalog.files(m) {
			listed[key] = true
		}
	}
	h := histories{catalog: p.catalog, versions: make(map[schema.Day][]store.Stored), replaced: make(map[schema.Day]map[string]time.Time)}
	var files, manifests, rest []Garbage
	for _, o := range stored {
		g := Garbage{Key: o.Key, Bytes: o.Size, Since: o.Modified}
		switch name := strings.TrimPrefix(o.Key, p.catalog.root+"/"); {
		case o.Key == p.catalog.leaseKey() || o.Key == p.catalog.sourceKey() || listed[o.Key]:
		case dataFiles.MatchString(name):
			files = append(files, g)
		case strings.HasPrefix(o.Key, p.catalog.manifestFolder()):
			day, _, err := p.catalog.parseManifestKey(o.Key)
			if err != nil {
				return nil, err
			}
			h.versions[day] = append(h.versions[day], o)
		default:
			g.Reason = Foreign
			rest = append(rest, g)
		}
	}
	partitions, err := p.warehouse.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	for i := range files {
		day, generation, err := h.parse(files[i].Key)
		if err != nil {
			return nil, err
		}
		if p.repeats(partitionOf(partitions, day), generation) {
			files[i].Reason = Unfinished
		} else if err := h.judge(ctx, day, &files[i]); err != nil {
			return nil, err
		}
	}
	for _, day := range h.days() {
		versions := h.of(day)
		for i, o := range versions[:len(versions)-1] {
			manifests = append(manifests, Garbage{Key: o.Key, Bytes: o.Size, Reason: Outdated, Since: versions[i+1].Modified})
		}
	}
	return slices.Concat(files, manifests, rest), nil
}

// repeats reports whether the day's next step writes this generation.
func (p *pass) repeats(part Partition, generation int) bool {
	m := p.manifests[part.Day]
	return generation == m.nextGeneration() && m.open() == nil && (part.SealedRows > 0 || m.mergeable(p.cfg.Policy) != nil)
}

// histories is what the manifest versions that are still there say of the past.
type histories struct {
	catalog
	versions map[schema.Day][]store.Stored
	// replaced says, for days that were asked for, when each file was that a later
	// version lists no more.
	replaced map[schema.Day]map[string]time.Time
}

func (h histories) days() []schema.Day {
	var days []schema.Day
	for day := range h.versions {
		days = append(days, day)
	}
	slices.Sort(days)
	return days
}

// of returns the day's versions, the current one last.
func (h histories) of(day schema.Day) []store.Stored {
	number := func(o store.Stored) int {
		_, version, err := h.parseManifestKey(o.Key)
		if err != nil {
			panic("BUG: a key that was parsed is " + err.Error())
		}
		return version
	}
	slices.SortFunc(h.versions[day], func(a, b store.Stored) int { return number(a) - number(b) })
	return h.versions[day]
}

// parse returns the day and the generation in whose folder a file is.
func (h histories) parse(key string) (schema.Day, int, error) {
	parts := dataFiles.FindStringSubmatch(strings.TrimPrefix(key, h.root+"/"))
	day, err := schema.ParseDay(parts[1])
	generation, err2 := strconv.Atoi(parts[2])
	if err = errors.Join(err, err2); err != nil {
		return 0, 0, fmt.Errorf("%s is in the folder of no generation of a day: %w; move it elsewhere", key, err)
	}
	return day, generation, nil
}

// judge says of a file that is not listed why, and since when.
func (h histories) judge(ctx context.Context, day schema.Day, g *Garbage) error {
	if h.replaced[day] == nil {
		if err := h.read(ctx, day); err != nil {
			return err
		}
	}
	g.Reason = Orphan
	if at, ok := h.replaced[day][g.Key]; ok {
		g.Reason = Replaced
		if at.After(g.Since) {
			g.Since = at
		}
	}
	return nil
}

// read reads a day's history. A version that gc has deleted was replaced longer
// ago than gc waits, and so were the files that only it listed.
func (h histories) read(ctx context.Context, day schema.Day) error {
	h.replaced[day] = make(map[string]time.Time)
	var before []string
	for _, o := range h.of(day) {
		body, _, err := store.ReadAll(ctx, h.objects, o.Key)
		if err != nil {
			return err
		}
		m, err := decodeManifest(o.Key, body)
		if err != nil {
			return err
		}
		now := h.files(m)
		for _, key := range before {
			if !slices.Contains(now, key) {
				h.replaced[day][key] = m.Written
			}
		}
		for _, key := range now {
			delete(h.replaced[day], key)
		}
		before = now
	}
	return nil
}
