package tiering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"penstock/tiering/store"
)

// source is the content of the object that says whose days a folder has.
type source struct {
	// SealedTable is what [Warehouse.Table] returns.
	SealedTable string `json:"sealed_table"`
}

// belongs makes sure that the folder's manifests are about the days of this
// ClickHouse. Two servers with tables of one name and one prefix, such as shards
// that were configured alike, would each drop what the other has published.
func (c *Compactor) belongs(ctx context.Context) error {
	table, err := c.warehouse.Table(ctx)
	if err != nil {
		return err
	}
	key := c.catalog.sourceKey()
	body, err := json.Marshal(source{SealedTable: table})
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	there, _, err := store.ReadAll(ctx, c.catalog.objects, key)
	if errors.Is(err, store.ErrNotFound) {
		if err = store.CreateBytes(ctx, c.catalog.objects, key, body); !errors.Is(err, store.ErrExists) {
			return err
		}
		there, _, err = store.ReadAll(ctx, c.catalog.objects, key)
	}
	if err != nil {
		return err
	}
	var is source
	if err := json.Unmarshal(there, &is); err != nil {
		return fmt.Errorf("%s is unreadable: %w; delete it if the folder is of this ClickHouse", key, err)
	}
	if is.SealedTable != table {
		return fmt.Errorf("%s says that this folder has days of the sealed table %s, and this ClickHouse has %s; give each server its own s3.prefix, or, if the tables were created anew and nothing of a day is sealed, delete the object",
			key, is.SealedTable, table)
	}
	return nil
}
