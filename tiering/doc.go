// Package tiering moves days that have gone cold from ClickHouse to Parquet
// files on S3 and never loses or doubles a row on the way.
//
// # Life of a day
//
// A day's rows are hot, in the table that inserts go to. Once it is older than
// the policy's hot days, a [Compactor] takes it through six steps; what step
// comes next is decided by [Next] from what is in ClickHouse and on S3 alone.
//
//  1. Seal: the day's partition moves to the sealed table, in one statement.
//     Rows that arrive later open a new partition in the hot table.
//  2. Export: the sealed rows are read in the order of device and time, without
//     those that repeat the identity of another or of a row in the day's earlier
//     generations, and written to Parquet files whose
//     names carry the hash of their content.
//  3. Verify: every file is read back from S3 by another Parquet library and
//     compared, rows and a checksum per column, with what was read from
//     ClickHouse; and the sealed partition is looked at once more.
//  4. Publish: a manifest version lists the files. What no manifest lists does
//     not exist.
//  5. Cut over: the analysts' view is replaced by one that reads the files and
//     no longer that day of the sealed table; then a manifest version says so.
//  6. Expire: after a grace period, in which queries that began before the cut
//     end, the files are verified again, the sealed parts are counted, and a
//     manifest version says that they are dropped; then those parts are, and
//     another version says so. Then the view reads that day of the sealed table
//     again, where there is nothing.
//
// Rows that come after the seal are hot again; they go through the same steps
// as the day's next generation, which its manifest lists beside the others. A
// day has one generation in the policy's LateEvery at most, so that devices
// which are late all the time do not make a file every pass.
//
// # What comes of a generation later
//
// A generation whose sealed partition is dropped is not final. Small ones of a
// day are merged into one, so that a day with late rows does not come to have a
// file for each of them. A device is erased: files that hold rows of it are
// written anew without them. A day that is older than the policy keeps days is
// retired: its manifest lists no generation. Each is a manifest version, and then
// the view. A merge changes nothing of what the view shows, so whichever of both
// lists a query has planned with is right; what is erased or retired is shown
// until the view is replaced. The files that are no longer listed stay in the
// store until nothing can have planned with them; then gc deletes them, and the
// manifest versions that listed them.
//
// An erasure deletes hot rows, and sealed ones that are in no published file, by
// mutations. It does not touch the sealed partition of an open generation, which
// would no longer be what it is compared with at its drop.
//
// A version that lists a file no more says since when by its time: history is
// what older versions say. A generation's number is used once, so no folder ever
// has files of two.
//
// # A day that comes back
//
// [Compactor.Restore] brings a cold day back into its sealed partition, and
// [Compactor.Release], or a pass when its time is over, ends the stay, see
// [Restoration]. The files stay.
//
//  1. Begin: the view is replaced by one that leaves the day of the sealed table
//     out, where there is nothing; after Settle a manifest version says so.
//  2. Load: file by file, the rows are inserted block by block, each under a
//     token that is made of that version, the file and the block. So what is
//     repeated is stored once. The sealed partition is then compared with the
//     files, rows and a checksum per column; the view is replaced by one that
//     reads it and no file of the day; a manifest version says so.
//  3. Release: the files are verified; the view is replaced by one that reads
//     them and leaves the day of the sealed table out; a manifest version says so.
//  4. Drop: after the grace period the files are verified again, every sealed row
//     is looked up in them, what was looked up is dropped, and a manifest version
//     says so.
//
// Until the comparison is done the sealed partition may hold anything and is
// read by no query; from then to the release both copies are whole. The day has
// no other step meanwhile.
//
// # What holds at every moment
//
// The view shows every stored row once. Let a generation be open from its
// publishing to its expiry.
//
//   - A day is sealed only while the sealed table holds nothing of it and no
//     generation of it is open. So a sealed partition is exactly one generation.
//   - What is dropped are parts that the generation was made of, by name, once
//     they were counted to be all of its rows. Whatever comes to the sealed
//     partition later has higher block numbers, so the drop can never take a row
//     that was not exported, however late it is executed.
//   - The view reads a generation's files if and only if it does not read that
//     day of the sealed table, from the cut-over to the drop. Both change in
//     one statement. After the drop it may read both, since one is empty.
//   - A day is sealed again only after the view reads that day of the sealed
//     table again: every pass begins by writing the view from the manifests.
//   - No row is deleted but by that DROP PART on the sealed table, and by those
//     who ask for it: an erasure, or retention and then gc.
//   - The view reads the sealed partition of a restored day if and only if it
//     reads no file of the day.
//
// A crash repeats one step. Between seal and publish there is nothing but a
// sealed partition: it is exported again, into files of the same names, since
// the order of rows is total and the writer deterministic. Between publish and
// cut-over, and between the view and the manifest version that records it, the
// view is written again; the sealed rows are still there whichever of both it
// reads. Between the version that says the parts are dropped and the one that
// says they are gone some are found missing: the files are verified again, and
// those that are left are dropped.
//
// A query takes its snapshot of the hot table and that of the sealed one a
// moment apart, and a partition that moves in that moment would be in both. So
// the view is replaced before the move by one that minds it, see
// [schema.Schema.AllView], and again after it. Two times bound what a query
// that was planned with an older view can still see: Settle from that view to
// the move, Grace from the cut-over to the drop.
//
// ClickHouse takes over the parts of a partition that moves one by one and gives
// them up after that. One that is killed in between has some of them in both
// tables. The view that minds the move shows each row once until the first part is
// given up; the next pass begins by dropping what is sealed and hot, before it
// replaces that view.
//
// # Several days at once
//
// A [Budget] lets several days go through their steps side by side. What
// concerns more than one of them, the view, the manifests, statements of the
// tables, a step does while it has the turn, which one has at a time; reading,
// writing and verifying the files of its day it does apart from that. So all of the
// above holds as if days went one after the other. Compactors of several tables, or of
// the same table on several shards, each have a folder of the store and a lease of
// their own; an object in the folder says whose it is.
//
// # A compactor that was frozen
//
// The lease is renewed in time or the pass ends, but a process may be stopped
// between its look at the clock and the statement it sends, and go on when
// another compactor holds the lease. What each statement does then:
//
//   - DROP PART drops what this compactor counted, or finds no such part.
//   - MOVE PARTITION names a partition that cannot be once the lease has run out
//     by ClickHouse's clock, so it fails. Should the clocks differ by more than a
//     tenth of the lease it seals rows that came late. If no generation of the day
//     is open they are exported like any others. If one is, the view leaves them
//     out until its drop, which spares them: then they are the day's next
//     generation, and [Events].Strayed told of them. Only if ClickHouse has merged
//     them into one part with exported rows does the day wait for a person.
//   - The view is prepared under a name of this compactor's, then the lease is
//     confirmed, then both are exchanged; and whoever takes the lease begins by
//     dropping what others have prepared. So the exchange finds nothing.
//   - A manifest version is created or exists: if it exists the compactor is told
//     so and ends, if not it says what is true of the version before, which is
//     all there is, and the holder of the lease ends its pass and reads it.
//   - A file has the name of its content; the lease is replaced only as it was.
//
// A move that was sent and not answered may be executed as long as the lease lasts,
// so the lease is not given back before.
//
// # While the schema grows
//
// Columns are added while the compactor works, by somebody else. A day is
// written with the newest version that is ready in ClickHouse when nothing is
// inserted into its sealed partition any more, and not while a table has a
// column which that version has not: no value can be missing in the files. Files
// keep the version they were written with, and verify by the columns that their
// manifest lists. The view is read in one way for all of them: a column that a
// file lacks is taken from extra, as it is in rows of the hot table that were
// stored before the column was.
//
// Whoever adds a column replaces the view too, and may put back what he read a
// moment before. So a day moves and is dropped only after the view was looked
// at; it is put back, and waited for Settle again, if it is not the one it has
// to be.
//
// Anything that does not match stops the day with an error that names both
// values. Both copies stay, and other days go on.
//
// # Boundary
//
// The package imports the schema and, of the project, nothing else but the
// places where fault tests end a compactor, package failpoint. ClickHouse is
// behind [Warehouse], S3 behind [store.Store], whoever watches behind [Events].
package tiering
