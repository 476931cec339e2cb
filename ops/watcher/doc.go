// Package watcher looks at the whole from outside: how soon an event can be queried,
// what the consumer group has not committed, what keeps ClickHouse from taking more, and
// which days are where. It is no part of a node, and asks none: what it says is true
// also while all of them are dead (docs/adr/0031).
//
//	canaries    package canary: produced to Kafka, looked for in ClickHouse
//	source      the group in Kafka: commits, ends, members; lag is what follows from it
//	server      a ClickHouse server: parts and their limits, disks, replicas, days
//	Watcher     of a stream: looks at all of it every so often, and is asked for it
//
// What is not known is told by nothing, and not by 0: a metric that is absent while its
// service is away is not taken for a group without lag.
package watcher
