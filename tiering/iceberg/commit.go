package iceberg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apache "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"penstock/schema"
)

// Properties of a snapshot.
const (
	// PropertyCommit is the id of the commit, as [Commit.ID] returns it.
	PropertyCommit = "penstock.commit"
	// PropertyManifests are the manifest versions it brings in, such as
	// 2026-10-01@3 2026-10-02@1.
	PropertyManifests = "penstock.manifests"
)

// errMoved: the table is no longer what the commit was planned on, or its answer
// was lost and it was made. Either way the rest is planned anew.
var errMoved = errors.New("the table has changed since the commit was planned")

// commit makes the commit on the table that it was planned on, and returns the
// table after it. errMoved if there is to be another plan first.
func (r *Registrar) commit(ctx context.Context, t *table.Table, l listing, c Commit) (*table.Table, error) {
	footers, err := r.footers(ctx, c)
	if err != nil {
		return nil, err
	}
	planned := head(t)
	if t, err = r.prepare(ctx, t, footers); err != nil {
		return nil, err
	}
	if head(t) != planned {
		return nil, errMoved
	}
	add, err := r.dataFiles(t, c, footers)
	if err != nil {
		return nil, err
	}
	remove := make([]apache.DataFile, len(c.Remove))
	for i, key := range c.Remove {
		remove[i] = l.files[key]
	}
	next, err := r.replace(ctx, t, c, remove, add)
	if err == nil {
		r.events.Committed(c)
		return next, nil
	}
	// What the error says does not matter: the table says what has happened.
	now, loadErr := r.load(ctx)
	switch {
	case loadErr != nil:
		return nil, errors.Join(err, fmt.Errorf("whether the commit was made could not be found out; the next pass does: %w", loadErr))
	case madeSince(now, planned, c.ID(r.schema.Name)):
		r.events.Settled(c, err)
		return nil, errMoved
	case head(now) != planned:
		return nil, fmt.Errorf("%w: %w", errMoved, err)
	}
	return nil, err
}

// head is the id of the table's current snapshot, 0 if it has none.
func head(t *table.Table) int64 {
	if t == nil || t.CurrentSnapshot() == nil {
		return 0
	}
	return t.CurrentSnapshot().SnapshotID
}

// madeSince looks for the commit among the snapshots that came after one. Only
// there: an older one of the same id may have been rolled back.
func madeSince(t *table.Table, since int64, id string) bool {
	if t == nil {
		return false
	}
	for s := t.CurrentSnapshot(); s != nil && s.SnapshotID != since; s = t.SnapshotByID(*s.ParentSnapshotID) {
		if s.Summary != nil && s.Summary.Properties[PropertyCommit] == id {
			return true
		}
		if s.ParentSnapshotID == nil {
			break
		}
	}
	return false
}

// prepare returns the table with all columns that the files have.
func (r *Registrar) prepare(ctx context.Context, t *table.Table, footers []footer) (*table.Table, error) {
	var has []apache.NestedField
	if t != nil {
		has = t.Schema().Fields()
	}
	files := make([][]apache.NestedField, len(footers))
	for i, f := range footers {
		files[i] = f.columns
	}
	columns, changed, err := evolve(has, files, r.schema)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return r.create(ctx, columns)
	case changed:
		return r.addColumns(ctx, t, columns)
	}
	return t, nil
}

// footers reads those of the files to be added, some at a time.
func (r *Registrar) footers(ctx context.Context, c Commit) ([]footer, error) {
	fs, err := r.files(ctx)
	if err != nil {
		return nil, err
	}
	device, err := columnOf(r.schema, r.schema.Device)
	if err != nil {
		return nil, err
	}
	out := make([]footer, len(c.Add))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.cfg.Readers)
	for i, a := range c.Add {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			out[i], err = readFooter(fs, r.uri(a), a.File, device)
			return err
		})
	}
	return out, group.Wait()
}

func columnOf(s *schema.Schema, name string) (int, error) {
	for _, c := range s.Columns() {
		if c.Name == name {
			return c.ID, nil
		}
	}
	return 0, fmt.Errorf("schema %s has no column %s", s.Name, name)
}

func (r *Registrar) uri(a Addition) string { return r.root + a.File.Key(r.schema.Name) }

// dataFiles returns the files to be added as the table's metadata has them.
func (r *Registrar) dataFiles(t *table.Table, c Commit, footers []footer) ([]apache.DataFile, error) {
	out := make([]apache.DataFile, len(c.Add))
	for i, a := range c.Add {
		// The partition is the day, so a file with rows of two has none.
		if schema.DayOf(a.File.MinTime.UnixMilli()) != a.Day || schema.DayOf(a.File.MaxTime.UnixMilli()) != a.Day {
			return nil, fmt.Errorf("%s has rows from %s to %s and is of %s; run `compactor verify`", r.uri(a), a.File.MinTime, a.File.MaxTime, a.Day)
		}
		b, err := apache.NewDataFileBuilder(t.Spec(), apache.EntryContentData, r.uri(a), apache.ParquetFile,
			map[int]any{dayField: int32(a.Day)}, nil, nil, int64(a.File.Rows), a.File.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.uri(a), err)
		}
		f := footers[i]
		out[i] = b.ColumnSizes(f.sizes).ValueCounts(f.values).NullValueCounts(f.nulls).
			LowerBoundValues(f.lower).UpperBoundValues(f.upper).
			SplitOffsets(f.splits).SortOrderID(t.SortOrder().OrderID()).Build()
	}
	return out, nil
}

// replace makes one snapshot of the commit. It fails if the table's current
// snapshot is no longer the one of t.
func (r *Registrar) replace(ctx context.Context, t *table.Table, c Commit, remove, add []apache.DataFile) (*table.Table, error) {
	versions := make([]string, len(c.Versions))
	for i, v := range c.Versions {
		versions[i] = v.String()
	}
	properties := apache.Properties{PropertyCommit: c.ID(r.schema.Name), PropertyManifests: strings.Join(versions, " ")}
	tx := t.NewTransaction()
	err := tx.AssertRefSnapshotID(table.MainBranch)
	if err == nil {
		// The files have field ids; and Plan has held them against the table's.
		err = tx.ReplaceDataFilesWithDataFiles(ctx, remove, add, properties, table.WithoutAutoNameMapping(), table.WithoutDuplicateCheck())
	}
	if err != nil {
		return nil, fmt.Errorf("commit to table %s: %w", r.name(), err)
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return nil, fmt.Errorf("commit %d files more and %d less to table %s: %w", len(add), len(remove), r.name(), err)
	}
	return next, nil
}
