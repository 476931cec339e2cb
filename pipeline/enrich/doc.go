// Package enrich knows what devices are: their model, site, tenant, calibration.
//
// A [Source], such as a file, a query or a compacted topic, tells of devices. What
// it says is put in a table, and a copy of that which nothing changes any more, a
// [Snapshot], is swapped in for all lanes at once. A lane takes the snapshot when it seals a
// batch, and fills the batch's columns from it: a lookup by hash a row, then copies
// from array to array. No event waits for I/O.
//
// Of a source that is away the last snapshot is used on, and whoever watches is told.
package enrich
