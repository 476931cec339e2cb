package tiering

import (
	"context"
	"path"

	"penstock/schema"
	"penstock/tiering/store"
)

// Manifests returns the current manifest of every day of a table that has one,
// for readers that are no compactor. It needs no lease: a manifest is never
// changed, so each is true of its day for as long as no later version is written.
func Manifests(ctx context.Context, objects store.Store, table string) (map[schema.Day]*Manifest, error) {
	return newCatalog(objects, table).manifests(ctx)
}

// Key is where the file is in the store of its table.
func (f File) Key(table string) string { return path.Join(table, f.Path) }
