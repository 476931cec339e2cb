// Package schema says what an event is: its fields, its identity, the columns
// it becomes, the block those columns fill, and the decoder that fills them.
//
// One file, telemetry.yaml, describes the event. [Schema.Columns] is the one
// table everything else is a view of: [Schema.DDL] makes ClickHouse tables of
// it, [NewBlock] the columns of an insert, [Schema.Arrow] the Parquet files of
// the cold tier, [Schema.Proto] the message of devices that send protobuf. Each
// view is pinned by a golden file.
//
// An event lives here as follows. A [Decoder] reads one Kafka record and
// appends exactly one value to every column of a [Block], or none and a
// [Rejection]. Its [Key] tells the caller the identity, for deduplication, and
// the day, since an insert holds one day: [Block.Undo] takes a duplicate back,
// [Block.MoveLast] carries a row of another day to that day's block.
//
// The package does no I/O and imports nothing of the project.
package schema
