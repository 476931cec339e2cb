// Package scaling says how many nodes a consumer group should have.
//
// # Life of an answer
//
// A [Watcher] asks every node for its metrics, and makes an [Observation] of two
// answers that are a while apart: what arrives in each partition and how far it is
// behind, what a node can do, and what keeps ClickHouse from taking more. A [Scaler]
// makes a [Decision] of that, by a [Policy]. It is a pure function of the
// observations so far and holds no clock. Whoever asks is told: KEDA by gRPC,
// see package keda, Prometheus, and anything else as JSON.
//
// # How many
//
// A partition asks for what arrives in it, and for its lag within the drain time.
// What all ask for, over what a node can do, is how many nodes there should be:
//
//	demand(p) = arriving(p) + (records behind(p) + arriving(p) * seconds not looked at(p)) / drain
//	wanted    = ceil(sum of min(demand(p), what a node reads of one) / (capacity of a node * headroom))
//
// rounded up to a divisor of the partitions. A partition whose lane is full is not
// read, so nobody knows what has come since: that is counted in seconds, at the rate
// it had. The age of the oldest record is told and not counted: one that is old by its
// producer's clock, or stands alone, asks for no more than any other.
//
// Capacity is measured, not configured: what the nodes did for each second of CPU
// time they used, by the cores they have. So it follows the schema, the encoding and
// the machine.
//
// More is not always better, and then the answer says so instead:
//
//   - ClickHouse takes no more. Nodes would only wait, so the number stays, up and
//     down: when it takes more again what has waited has to be done.
//   - Not all partitions are seen, while nodes do not answer or the group rebalances.
//   - A partition asks for more than a node reads of one. No number of nodes helps:
//     it is named, and asks for no more than it can get.
//   - There are no more partitions, or the bound is reached.
//
// # Why it does not flap
//
// Every answer is kept for a while. The number goes up to the least that was wanted
// throughout UpAfter, and down to the most that was wanted within DownAfter, as
// Kubernetes' autoscaler does it: a peak that is over is no reason to go up, nor a
// lull to go down.
package scaling
