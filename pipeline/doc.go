// Package pipeline moves events from Kafka to ClickHouse.
//
// A record is polled by the node's one poll loop and queued for the lane that
// owns its partition. The lane's fill goroutine decodes it into the open
// batch, takes it back if the identity was seen before, and notes it as a
// reject if it cannot be stored. A sealed batch belongs to the lane's drain
// goroutine, which first commits that its spans are about to be stored; only
// then are its rejects dead-lettered and its rows inserted, one insert a day.
// The next commit confirms them: an offset never passes what is not stored. What
// a crash leaves in between is settled by the partition's next owner, so that
// each row is stored once.
//
// A partition that is far behind may be read at its head and, by the lane's gap
// reader, in the gap below; a lane decodes a gap while nothing live waits.
//
// Memory is bounded by what a lane has to hold to go on: a fixed number of
// batches, and a queue that pauses its partitions in Kafka while it is full.
// Nothing is dropped.
//
// The package knows ClickHouse and Kafka; it does not know who watches it:
// see [Events].
package pipeline
