package tiering

import (
	"context"
	"errors"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
)

// Warehouse is ClickHouse as the compactor needs it. Every statement is atomic
// and may be repeated.
type Warehouse interface {
	// Table names the sealed table for as long as it exists, whatever it is called.
	Table(ctx context.Context) (string, error)
	// Schema returns the newest version of the schema that is ready: every
	// table has its columns.
	Schema(ctx context.Context) (*schema.Schema, error)
	// Unknown returns the columns of the hot and the sealed table that are not
	// the schema's, each as table and name.
	Unknown(ctx context.Context, s *schema.Schema) ([]string, error)
	// Partitions returns the days that have rows, hot or sealed, in any order.
	Partitions(ctx context.Context) ([]Partition, error)
	// Busy says what keeps ClickHouse busy that matters more than a day's move;
	// empty if nothing does.
	Busy(ctx context.Context) (why string, err error)
	// HotRow returns any one row of a day's hot partition.
	HotRow(ctx context.Context, day schema.Day) (schema.Row, error)
	// Seal moves a day's hot partition to the sealed table, if it is executed
	// before this time, by ClickHouse's clock. An error that is [ErrNotSealed] says
	// that it is not and will not be.
	Seal(ctx context.Context, day schema.Day, before time.Time) error
	// SealedParts returns the parts of a day's partition of the sealed table, in
	// any order, all as of one moment.
	SealedParts(ctx context.Context, day schema.Day) ([]Part, error)
	// ScanSealed reads a day's sealed rows in a total order that begins with
	// device, time and identity. It calls each for every block, and tells which
	// of its rows have the identity of a row in these files of the cold tier.
	// Both are each's until it returns.
	ScanSealed(ctx context.Context, s *schema.Schema, day schema.Day, earlier []string, each func(b *archive.Block, known []bool) error) error
	// ScanFiles reads the rows of these files of the cold tier in the order of
	// ScanSealed, as the view shows them: a column that a file lacks is what extra
	// has of it. It calls each for every block, and tells which of the files each
	// of its rows is from, by its place in keys. Both are each's until it returns.
	ScanFiles(ctx context.Context, s *schema.Schema, keys []string, each func(b *archive.Block, from []uint32) error) error
	// InsertSealed inserts rows of one day into the sealed table, unless it has
	// those of an insert with the same token already.
	InsertSealed(ctx context.Context, rows *archive.Rows, token string) error
	// SealedBeside counts a day's sealed rows whose identity is in none of these
	// files of the cold tier.
	SealedBeside(ctx context.Context, s *schema.Schema, day schema.Day, files []string) (uint64, error)
	// RowsOf counts the rows of devices by day, hot and sealed; no bytes.
	RowsOf(ctx context.Context, devices []string) ([]Partition, error)
	// Erase begins to delete the rows of devices: all that are hot, those that are
	// sealed of these days, and those of rollups that are kept by device. It
	// returns the names of the rollups that are not. What has begun goes on by
	// itself, and to begin it again is no error.
	Erase(ctx context.Context, devices []string, sealed []schema.Day) (rollups []string, err error)
	// Erasing returns how many parts of the tables deletions have still to
	// rewrite; an error if one does not get on.
	Erasing(ctx context.Context) (parts uint64, err error)
	// Unseal deletes a day's sealed rows that are hot too, and returns how many there
	// were.
	Unseal(ctx context.Context, day schema.Day) (rows uint64, err error)
	// Deleting reports whether a deletion is at work in the sealed table, or waits
	// for its turn; an error if one does not get on.
	Deleting(ctx context.Context) (bool, error)
	// Fence has ReplaceView fail for every other fencing number, also where
	// confirm has been called already.
	Fence(ctx context.Context, fence uint64) error
	// ReplaceView makes the analysts' view show this, with the schema's columns,
	// in one statement.
	// Right before that it calls confirm, and ends with its error.
	ReplaceView(ctx context.Context, s *schema.Schema, v View, fence uint64, confirm func(context.Context) error) error
	// Minded returns the row by which the view minds a day's move, see
	// [View.Moving]; nil if it minds none.
	Minded(ctx context.Context) (*schema.Row, error)
	// Shows reports whether the view is what ReplaceView would make it.
	Shows(ctx context.Context, s *schema.Schema, v View) (bool, error)
	// DropSealed drops parts of a day's partition of the sealed table: those
	// that choose returns of all there are, in its order, and no others, however
	// long that takes. It asks anew if one of them was merged meanwhile, and ends
	// with choose's error.
	DropSealed(ctx context.Context, day schema.Day, choose func([]Part) ([]Part, error)) error
}

// ErrNotSealed is that of a move which was not sent, or refused.
var ErrNotSealed = errors.New("not moved")

// View is what the analysts' view shows beside the hot table.
type View struct {
	// CutOver are the days that are left out of the sealed table.
	CutOver []schema.Day
	// Files are the keys of the published objects.
	Files []string
	// Moving is a row of the day that is about to be sealed: as long as it is
	// hot, the sealed rows of its day do not count. Nil for no such day.
	Moving *schema.Row
}
