// Package scaling says how many nodes a consumer group should have.
//
// # Life of an answer
//
// A [Watcher] asks every node for its metrics, and makes an [Observation] of two
// answers that are a while apart: what arrives in each partition and how far it is
// behind, what a node can do, and what keeps ClickHouse from taking more. A [Scaler]
// makes a [Decision] of that, by a [Policy]. It is a pure function of the
// observations so far and holds no clock. A [Server] tells whoever asks: KEDA by
// gRPC, Prometheus, and anything else as JSON.
//
// # How many
//
// A partition asks for what arrives in it, and for its lag within the drain time.
// What all ask for, over what a node can do, is how many nodes there should be:
//
//	demand(p) = arriving(p) + max(records behind(p), arriving(p) * seconds behind(p)) / drain
//	wanted    = ceil(sum of demand(p) / (capacity of a node * headroom))
//
// Both measures of lag, since each is low where the other is not: records where a
// partition has few but old ones, seconds where a burst has just come.
//
// Capacity is measured, not configured: what the nodes did for each second of CPU
// time they used, by the cores they have. So it follows the schema, the encoding and
// the machine.
//
// More is not always better, and then the answer says so instead:
//
//   - ClickHouse takes no more. Nodes would only wait, so the number stays.
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
