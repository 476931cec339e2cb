package store

import (
	"context"
	"time"
)

// Sweeper is a store from which objects can be deleted. It is apart from [Store]
// because who exports needs no such right and is better without it.
type Sweeper interface {
	// Inventory describes the objects whose keys begin with prefix, in ascending
	// order of keys.
	Inventory(ctx context.Context, prefix string) ([]Stored, error)
	// Delete removes an object; no error if there is none.
	Delete(ctx context.Context, key string) error
	// Uploads describes the uploads of objects below prefix that have not ended.
	Uploads(ctx context.Context, prefix string) ([]Upload, error)
	// Abort ends an upload; no error if it has ended. Who still sends parts of it
	// fails, and nothing is stored.
	Abort(ctx context.Context, u Upload) error
}

// Stored is an object in an inventory.
type Stored struct {
	Key  string
	Size int64
	// Modified is when it was stored, by the store's clock.
	Modified time.Time
}
