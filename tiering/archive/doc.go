// Package archive is the Parquet file of the cold tier: what it is made from,
// how it is written, and how it is read back and proven.
//
// Rows arrive from ClickHouse in a [Block], whose columns are the ones the
// client library decodes into. A [Writer] turns blocks into a file with
// arrow-go; [Read] reads one with parquet-go, which shares no code with it.
// Both sides reduce every column to one number of [Sums], so that a file is
// proven to hold what ClickHouse held without keeping either in memory: an
// error in one Parquet implementation does not hide itself in the other. What
// queries skip by is held against the values too: a row that a bloom filter or a
// page's bounds deny is as good as lost.
//
// The package does no network I/O and knows nothing of days, generations or
// manifests.
package archive
