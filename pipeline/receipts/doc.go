// Package receipts asks ClickHouse which records are stored.
//
// The answers come from the receipts projection, which is part of the table:
// what it has is stored, and what is stored it has, from the same moment on. It
// is ordered by Kafka's partition and offset, so a range of offsets is a few
// granules to read, and a part without one of the range is not read at all.
//
// A row is in the hot table or, once its day is sealed, in the sealed one, and
// what is on S3 is in neither: a range whose days were dropped from the sealed
// table is not stored as far as this package knows. Ask about what is younger.
//
// Nothing here writes.
package receipts
