package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apache "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"penstock/schema"
)

// PropertyTier names, in the table's properties, the folder of the cold tier
// that the table follows.
const PropertyTier = "penstock.cold-tier"

// dayField is the id of the table's only partition field, the first of those
// that Iceberg sets aside for them.
const dayField = 1000

// load returns the table, or nil if there is none.
func (r *Registrar) load(ctx context.Context) (*table.Table, error) {
	t, err := r.catalog.LoadTable(ctx, r.ident)
	switch {
	case errors.Is(err, catalog.ErrNoSuchTable), errors.Is(err, catalog.ErrNoSuchNamespace):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("load table %s: %w", r.name(), err)
	}
	if tier := t.Properties()[PropertyTier]; tier != r.tier() {
		return nil, fmt.Errorf("table %s has %s = %q and not %q; it belongs to somebody else: name another table", r.name(), PropertyTier, tier, r.tier())
	}
	return t, nil
}

func (r *Registrar) name() string { return strings.Join(r.ident, ".") }

// tier is the folder of the cold tier's table.
func (r *Registrar) tier() string { return r.root + r.schema.Name }

// create makes the table without files, for files of these columns.
func (r *Registrar) create(ctx context.Context, columns []apache.NestedField) (*table.Table, error) {
	device, err := columnID(columns, r.schema.Device)
	if err != nil {
		return nil, err
	}
	time, err := columnID(columns, r.schema.Time.Field)
	if err != nil {
		return nil, err
	}
	order, err := table.NewSortOrder(1, []table.SortField{
		{SourceIDs: []int{device}, Transform: apache.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst},
		{SourceIDs: []int{time}, Transform: apache.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst},
	})
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", r.name(), err)
	}
	days := apache.NewPartitionSpec(apache.PartitionField{SourceIDs: []int{time}, FieldID: dayField, Name: "day", Transform: apache.DayTransform{}})
	namespace := catalog.NamespaceFromIdent(r.ident)
	if err := r.catalog.CreateNamespace(ctx, namespace, nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return nil, fmt.Errorf("create namespace %s: %w", strings.Join(namespace, "."), err)
	}
	_, _, err = r.catalog.CommitTable(ctx, r.ident, []table.Requirement{table.AssertCreate()}, []table.Update{
		table.NewAssignUUIDUpdate(uuid.New()),
		table.NewUpgradeFormatVersionUpdate(2),
		table.NewAddSchemaUpdate(apache.NewSchema(0, columns...)),
		table.NewSetCurrentSchemaUpdate(-1),
		table.NewAddPartitionSpecUpdate(&days, true),
		table.NewSetDefaultSpecUpdate(-1),
		table.NewAddSortOrderUpdate(&order),
		table.NewSetDefaultSortOrderUpdate(-1),
		table.NewSetLocationUpdate(r.location),
		table.NewSetPropertiesUpdate(r.properties()),
	})
	// Somebody else may have made it, or this commit whose answer was lost:
	// whichever it was, the table is there or it is not.
	t, loadErr := r.load(ctx)
	if t == nil {
		return nil, fmt.Errorf("create table %s: %w", r.name(), errors.Join(err, loadErr))
	}
	return t, nil
}

func (r *Registrar) properties() apache.Properties {
	return apache.Properties{
		PropertyTier: r.tier(),
		// The files are the cold tier's: no engine deletes them.
		"gc.enabled": "false",
		// A file of metadata a commit would otherwise stay for good.
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "20",
		// A day is a commit, and so a manifest of Iceberg's; a query reads all.
		table.ManifestMergeEnabledKey: "true",
	}
}

// addColumns gives the table these columns instead of those it has. errMoved if
// somebody else has changed them meanwhile.
func (r *Registrar) addColumns(ctx context.Context, t *table.Table, columns []apache.NestedField) (*table.Table, error) {
	meta := t.Metadata()
	_, _, err := r.catalog.CommitTable(ctx, r.ident, []table.Requirement{
		table.AssertTableUUID(meta.TableUUID()),
		table.AssertCurrentSchemaID(t.Schema().ID),
		table.AssertLastAssignedFieldID(meta.LastColumnID()),
	}, []table.Update{
		table.NewAddSchemaUpdate(apache.NewSchema(t.Schema().ID+1, columns...)),
		table.NewSetCurrentSchemaUpdate(-1),
	})
	now, loadErr := r.load(ctx)
	switch {
	case err == nil || loadErr != nil:
		return now, errors.Join(err, loadErr)
	case now == nil || now.Schema().ID != t.Schema().ID:
		return nil, fmt.Errorf("%w: add columns: %w", errMoved, err)
	}
	return nil, fmt.Errorf("add columns to table %s: %w", r.name(), err)
}

func columnID(columns []apache.NestedField, name string) (int, error) {
	at := slices.IndexFunc(columns, func(c apache.NestedField) bool { return c.Name == name })
	if at < 0 {
		return 0, fmt.Errorf("the files have no column %s, by which they are sorted; give the file of schema that the compactor was started with", name)
	}
	return columns[at].ID, nil
}

// listing is the files of the table's current snapshot.
type listing struct {
	days  map[string]schema.Day // by key
	files map[string]apache.DataFile
}

// list reads the table's files. One that is not the cold tier's, or rows that
// somebody deleted, are an error: who writes to the table too would have it
// undone, or be counted as the cold tier.
func (r *Registrar) list(ctx context.Context, t *table.Table) (listing, error) {
	l := listing{days: make(map[string]schema.Day), files: make(map[string]apache.DataFile)}
	if t == nil || t.CurrentSnapshot() == nil {
		return l, nil
	}
	fs, err := t.FS(ctx)
	if err != nil {
		return l, fmt.Errorf("files of table %s: %w", r.name(), err)
	}
	manifests, err := t.CurrentSnapshot().Manifests(fs)
	if err != nil {
		return l, fmt.Errorf("files of table %s: %w", r.name(), err)
	}
	for _, m := range manifests {
		for e, err := range m.Entries(fs, true) {
			if err != nil {
				return l, fmt.Errorf("files of table %s, in %s: %w", r.name(), m.FilePath(), err)
			}
			if err := r.take(&l, e.DataFile()); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

// take adds a file to the listing.
func (r *Registrar) take(l *listing, f apache.DataFile) error {
	key, ours := strings.CutPrefix(f.FilePath(), r.root)
	if !ours || !strings.HasPrefix(key, r.schema.Name+"/") || f.ContentType() != apache.EntryContentData {
		return fmt.Errorf("table %s has %s, which is no file of %s; somebody else writes to it: let them write to another, and go back to the snapshot before, or drop the table (without purge)", r.name(), f.FilePath(), r.tier())
	}
	day, ok := dayOf(f.Partition()[dayField])
	if !ok {
		return fmt.Errorf("table %s has %s in partition %v; somebody else has changed how it is partitioned: drop the table (without purge)", r.name(), f.FilePath(), f.Partition())
	}
	l.days[key], l.files[key] = day, f
	return nil
}

// dayOf returns the day of a partition's value, which is one or another of
// these as the file of metadata has it.
func dayOf(value any) (schema.Day, bool) {
	switch v := value.(type) {
	case apache.Date:
		return schema.Day(v), true
	case int32:
		return schema.Day(v), true
	}
	return 0, false
}
