// Package canary measures how soon an event can be queried, by events of its own:
// it produces one to a partition at a time, looks for its row in ClickHouse as an
// analyst would, by device and time, and tells how long that took.
//
// # Life of a canary
//
//	begin -> acknowledged by Kafka -> seen
//	            |                      or lost: not seen within the limit
//	            or failed: not acknowledged within the limit, or refused
//
// The time runs from before it is handed to the Kafka client to the answer of the
// query that has its row. So it holds whatever Kafka, the node, ClickHouse and the way
// to each of them take, and up to [pollEvery] and a query more: what is told is
// never better than what is. Only what is acknowledged is asked for.
//
// # Failed is as bad as lost
//
// An event that cannot be sent is not visible either: while Kafka is away, the fleet
// cannot send. So both count as not visible within the limit. Who asks which of the
// two it was is told that apart.
//
// # It is an ordinary event
//
// To the pipeline a canary is an event of a device "penstock-canary-<partition>": it
// is deduplicated, audited, rolled up and tiered like any other. Its number begins at
// the time the program began, in milliseconds, and counts on by one: so it is above
// all that went before it, no canary is taken for a resend, and the dedup window of a
// node holds 512 of them in a block. docs/canaries.md says how analysts leave them out.
package canary
