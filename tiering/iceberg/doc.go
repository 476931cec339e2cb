// Package iceberg makes a table of Apache Iceberg have exactly the files that
// the manifests of the cold tier list: the same Parquet objects, none copied,
// none written. Who asks the table's catalog gets days, columns and bounds
// without a list of files in the query.
//
// The manifests stay the truth. The table follows them, a pass at a time, and
// nothing of the cold tier waits for it.
//
// # A pass
//
//  1. The table is loaded, then the manifests are read, in this order.
//  2. [Plan] compares the files the manifests list with those of the table's
//     current snapshot, and makes commits of whole days.
//  3. For each commit the footers of its new files are read, for the bounds by
//     which engines prune; the table's schema gets the columns they have and it
//     lacks; and one snapshot removes and adds.
//
// # Exactly once
//
// A commit names the snapshot that it was planned on, and the catalog refuses
// it if another has become current: what was planned is never done to a table
// that has changed. So of two registrars that plan the same, one commits and the
// other plans again and finds nothing to do. A commit whose answer is lost may
// land at any later time, and then only on what it was planned for.
//
// Iceberg's own way, to make a refused commit again on top of the new
// snapshot, would add the files twice.
//
// The snapshot's properties say what it brings in, [PropertyCommit] and
// [PropertyManifests]. After an unknown answer the table is loaded and the
// snapshots since the plan are searched for the commit: it was made, or it is
// planned anew.
//
// Manifests that are read after the table was loaded are at least as new as
// those which any snapshot of it was planned by. So the table never goes back to
// an older version of a day.
//
// # The table
//
// Field ids are those of the files, which are the schema's. A catalog gives a
// table that it creates ids of its own, so the table is made by a commit that
// asserts that there is none. It is partitioned by day and sorted by device and
// time, as the files are. A column that came with a later version of the schema
// is optional, and NULL in files that are older: there its value is in extra.
//
// gc.enabled is false: the objects belong to the cold tier, and no engine that
// expires snapshots or drops the table may delete them. In return `compactor gc`
// deletes objects that only old snapshots list.
//
// # Boundary
//
// The package is a module of its own, so that nothing it needs reaches the
// product. It imports schema and tiering, and only reads what they keep.
package iceberg
