package iceberg

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	apache "github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
)

// Registrar makes a table of Iceberg follow the manifests of one table of the
// cold tier. It is used by one goroutine at a time; several registrars may
// follow the same.
type Registrar struct {
	cfg     Config
	catalog Catalog
	ident   table.Identifier
	schema  *schema.Schema
	objects store.Store
	// root is the URI of the store, which ends in /.
	root     string
	location string
	files    func(context.Context) (icebergio.IO, error)
	events   Events
}

// Catalog is what a registrar needs of a catalog of Iceberg.
type Catalog interface {
	table.CatalogIO
	CreateNamespace(ctx context.Context, namespace table.Identifier, props apache.Properties) error
}

// Events are called as a registrar works; any may be nil.
type Events struct {
	// Committed: a snapshot was made.
	Committed func(Commit)
	// Settled: a commit ended with this error, and was found to have been made.
	Settled func(Commit, error)
	// Moved: the table changed, and the rest of the pass is planned anew.
	Moved func(error)
}

func (e Events) withDefaults() Events {
	if e.Committed == nil {
		e.Committed = func(Commit) {}
	}
	if e.Settled == nil {
		e.Settled = func(Commit, error) {}
	}
	if e.Moved == nil {
		e.Moved = func(error) {}
	}
	return e
}

// Dependencies is what a registrar works on.
type Dependencies struct {
	Catalog Catalog
	// Schema names the table of the cold tier, and its columns of device and
	// time. Columns it does not know are taken from the files.
	Schema  *schema.Schema
	Objects store.Store
	// Root is the URI of the store, which ends in /: s3://bucket/prefix/.
	Root string
	// Files opens the objects below Root.
	Files  func(context.Context) (icebergio.IO, error)
	Events Events
}

// New returns a registrar; it does no I/O. The configuration must be valid.
func New(cfg Config, d Dependencies) *Registrar {
	r := &Registrar{
		cfg: cfg, catalog: d.Catalog, schema: d.Schema, objects: d.Objects, root: d.Root, files: d.Files,
		events: d.Events.withDefaults(), location: cfg.Location,
		ident: append(strings.Split(cfg.Namespace, "."), cmp.Or(cfg.Table, d.Schema.Name)),
	}
	if r.location == "" {
		r.location = d.Root + "iceberg/" + r.ident[len(r.ident)-1]
	}
	return r
}

// Plan returns the commits a pass would make now. It changes nothing.
func (r *Registrar) Plan(ctx context.Context) ([]Commit, error) {
	_, _, commits, err := r.plan(ctx)
	return commits, err
}

// plan loads the table and then reads the manifests; never the other way round.
func (r *Registrar) plan(ctx context.Context) (*table.Table, listing, []Commit, error) {
	t, err := r.load(ctx)
	if err != nil {
		return nil, listing{}, nil, err
	}
	l, err := r.list(ctx, t)
	if err != nil {
		return nil, l, nil, err
	}
	manifests, err := tiering.Manifests(ctx, r.objects, r.schema.Name)
	if err != nil {
		return nil, l, nil, err
	}
	commits, err := Plan(r.schema.Name, manifests, l.days, r.cfg.FilesPerCommit)
	return t, l, commits, err
}

// Pass brings the table to what the manifests list, and returns how many
// snapshots that took. An error leaves it at the last of them; the next pass
// goes on from there.
func (r *Registrar) Pass(ctx context.Context) (snapshots int, err error) {
	for moves := 0; ; moves++ {
		var n int
		n, err = r.round(ctx)
		snapshots += n
		if !errors.Is(err, errMoved) || moves == r.cfg.Replans {
			return snapshots, err
		}
		r.events.Moved(err)
		if err := sleep(ctx, rand.N(time.Duration(moves+1)*r.cfg.ReplanWait)); err != nil {
			return snapshots, err
		}
	}
}

// round makes a plan and its commits. Each is planned on the snapshot of the one
// before, so the manifests are not read again as long as nobody else commits.
func (r *Registrar) round(ctx context.Context) (snapshots int, err error) {
	t, l, commits, err := r.plan(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range commits {
		if t, err = r.commit(ctx, t, l, c); err != nil {
			return snapshots, err
		}
		snapshots++
	}
	return snapshots, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
