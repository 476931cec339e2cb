package tiering

import (
	"context"

	"penstock/schema"
	"penstock/tiering/archive"
)

// Warehouse is ClickHouse as the compactor needs it. Every statement is atomic
// and may be repeated.
type Warehouse interface {
	// Partitions returns the days that have rows, hot or sealed, in any order.
	Partitions(ctx context.Context) ([]Partition, error)
	// Seal moves a day's hot partition to the sealed table.
	Seal(ctx context.Context, day schema.Day) error
	// SealedRows counts a day's rows in the sealed table.
	SealedRows(ctx context.Context, day schema.Day) (uint64, error)
	// ScanSealed reads a day's sealed rows in a total order that begins with
	// device, time and identity. It calls each for every block; the block is
	// each's until it returns.
	ScanSealed(ctx context.Context, day schema.Day, each func(*archive.Block) error) error
	// ReplaceView makes the analysts' view show the hot table, the sealed one
	// without these days, and these objects, in one statement.
	ReplaceView(ctx context.Context, cutOver []schema.Day, files []string) error
	// DropSealed drops a day's partition of the sealed table; no error if there
	// is none.
	DropSealed(ctx context.Context, day schema.Day) error
}
