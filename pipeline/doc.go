// Package pipeline moves events from Kafka to ClickHouse.
//
// A record is polled by the node's one poll loop and queued for the lane that
// owns its partition. The lane's fill goroutine decodes it into the open
// batch, takes it back if the identity was seen before, and notes it as a
// reject if it cannot be stored. A sealed batch belongs to the lane's drain
// goroutine, which dead-letters its rejects, inserts its rows, one insert a
// day, and then commits its spans: nothing is ever committed before it is
// stored. Rows stored but not committed may come again after a crash.
//
// Memory is bounded by what a lane has to hold to go on: a fixed number of
// batches, and a queue that pauses its partitions in Kafka while it is full.
// Nothing is dropped.
//
// The package knows ClickHouse and Kafka; it does not know who watches it:
// see [Events].
package pipeline
