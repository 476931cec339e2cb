package drill

import "time"

// Part of the system that is away in an outage.
type Part string

// The parts.
const (
	ClickHouse Part = "clickhouse" // no shard answers
	Ingest     Part = "ingest"     // no node runs; in the end those come that ran
)

// Scenario is what happens in a day.
type Scenario struct {
	// Away is the part that is, from At on, since midnight, for so long.
	Away Part
	At   time.Duration
	For  time.Duration
	// Starts is how long a node takes from being wanted to reading, Stall for how
	// long the group reads nothing when one comes or goes.
	Starts, Stall time.Duration
	// Length of the day, in whole seconds.
	Length time.Duration
}

// AtPeak is an outage that begins at noon, in a day of 24 hours. A node takes 40 s
// to be there, and a rebalance three.
func AtPeak(away Part, lasts time.Duration) Scenario {
	return Scenario{Away: away, At: 12 * time.Hour, For: lasts, Starts: 40 * time.Second, Stall: 3 * time.Second, Length: 24 * time.Hour}
}
