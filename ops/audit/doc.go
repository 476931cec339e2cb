// Package audit proves that every record of a range of a Kafka topic is stored
// in ClickHouse exactly once, or says why it is not stored, or names the
// offsets for which neither holds.
//
// # Where the proof comes from
//
// Kafka says which offsets there are, and the group's commit says below which
// of them everything is promised: an audit ends there. The receipts in
// ClickHouse say which of these offsets are stored, and how often. Each offset
// that is not stored has to be explained by something else than the node's
// word: a letter of its coordinates in the dead-letter topic makes it a reject;
// otherwise its record is read again from Kafka, decoded, and its identity
// looked up, and if that is stored at another offset the record is a device's
// resend. Anything else is missing.
//
// Offsets whose record Kafka no longer has are stored or a reject or, for want
// of a record, not provable. That is an outcome of its own: it is neither
// called right nor missing.
//
// # Order
//
// The commit is read before the letters, and those before the receipts, since a
// record is stored or dead-lettered before it is committed. The hot table is
// read before the sealed one, so that a day which is moved in between is seen
// in one of them; whether an offset is stored twice is confirmed in the other
// order, so that it is not seen in both. What nothing explains is looked for
// a second time after a moment, for a replica that is behind.
//
// # Cost
//
// What is stored comes as bitmaps, from the receipts projection: a million
// offsets are 0.1 s of ClickHouse and 375 kB, and that no event is stored twice
// another 0.1 s; an hour of 20,000 events/s is 72 million. Kafka is read only
// around offsets that nothing else explains, which is as good as all of it where
// devices resend all the time: a resend leaves no other trace than its record.
// Memory is bounded by some chunks of a million offsets, and 8 bytes a dead
// letter of the range.
//
// [Rollups] compares rollups with the rows they are made of, and can compute
// them anew. [Watch] is the audit's low-cost form inside a running node.
package audit
