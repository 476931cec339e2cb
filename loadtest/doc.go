// Package loadtest is a fleet of devices that sends telemetry to Kafka, and a
// verifier that proves what of it arrived in ClickHouse.
//
// The fleet keeps a constant open-loop rate: every record has an intended send
// time fixed by the schedule alone, and all latencies count from that time. A
// sender that falls behind therefore makes the measured latency worse instead
// of hiding it.
//
// A record lives as follows. The schedule says when; the [fleet] decides what:
// a new reading, live or late, a resend of an earlier one, or a malformed
// record. The sender appends its bytes, hands it to Kafka and, once it is
// acknowledged, enters it in the ledger (what has to be stored, what has to be
// rejected) and, if it is a live reading, in the visibility queue of its
// partition. The watcher polls the hot table and takes from the queues what has
// become visible. When everything is sent and visible, the proof compares each
// device's exact set of sequence numbers with the ledger, and the dead-letter
// topic with the malformed records.
//
// What makes runs comparable is a seed: what is sent follows from it, but for
// the run's name in the device ids and the time of day. The package knows the
// table and the dead-letter topic as any outsider would; it shares nothing with
// the pipeline but the schema.
package loadtest
