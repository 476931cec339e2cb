package scaling

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Observation is how a group does at one moment.
type Observation struct {
	At time.Time
	// Nodes is how many there are.
	Nodes int
	// Capacity is how many records a second a node can do; 0 while that is not known.
	Capacity float64
	// Partitions are those of which something is known.
	Partitions []Partition
	// Topic is how many there are.
	Topic int
	// Partial: some belong to no node that answers, as while the group rebalances.
	// What is asked for is more than it seems.
	Partial bool
	// Bottleneck is what keeps ClickHouse from taking more; empty if nothing does.
	Bottleneck string
}

// Partition is how one of the topic's partitions does.
type Partition struct {
	ID       int32         `json:"partition"`
	Arriving float64       `json:"arriving"`  // records a second
	Lag      int64         `json:"lag"`       // records, also those that have come since anyone looked
	Behind   time.Duration `json:"behind_ns"` // age of the oldest of them
}

// demand is how many records a second have to be done of the partition, for its
// lag to be gone within drain.
func (p Partition) demand(drain time.Duration) float64 {
	return p.Arriving + float64(p.Lag)/drain.Seconds()
}

// Decision is how many nodes there should be, and why.
type Decision struct {
	At time.Time `json:"at"`
	// Nodes is the answer; 0 while there is none.
	Nodes int `json:"nodes"`
	// Wanted is what the load of the moment asks for, before it has lasted.
	Wanted int `json:"wanted"`
	// Now is how many there are.
	Now int `json:"now"`
	// Arriving, Demand and Capacity are records a second: what comes to all
	// partitions, what has to be done of them with the lag, what a node can do.
	Arriving float64 `json:"arriving"`
	Demand   float64 `json:"demand"`
	Capacity float64 `json:"capacity"`
	Lag      int64   `json:"lag"`
	// Behind is that of the partition which is behind the furthest.
	Behind time.Duration `json:"behind_ns"`
	// Hot are partitions that more nodes do not help, the busiest first.
	Hot []Partition `json:"hot"`
	// Held: the number stays since more nodes would only wait.
	Held bool `json:"held"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// Scaler decides. It is a pure core: time comes with the observations.
type Scaler struct {
	policy Policy
	// nodes is what was decided last, and begins as the most that answer within
	// UpAfter. It is not what answers: a node that is starting anew is no reason for
	// one less.
	nodes   int
	began   time.Time // of the first observation
	answers []answer  // oldest first, as far back as DownAfter
}

// answer is what was wanted at a time.
type answer struct {
	at     time.Time
	wanted int
}

// New returns a scaler that has seen nothing. The policy must be valid.
func New(p Policy) *Scaler { return &Scaler{policy: p} }

// Decide returns how many nodes there should be. Observations come in the order
// of their times.
func (s *Scaler) Decide(o Observation) Decision {
	d := Decision{At: o.At, Now: o.Nodes, Capacity: o.Capacity, Hot: []Partition{}}
	most := o.Capacity * s.policy.PartitionShare
	var asked float64
	for _, p := range o.Partitions {
		demand := p.demand(s.policy.Drain)
		d.Arriving += p.Arriving
		d.Demand += demand
		d.Lag += p.Lag
		d.Behind = max(d.Behind, p.Behind)
		if o.Capacity > 0 && p.Arriving > most {
			d.Hot = append(d.Hot, p)
		}
		asked += min(demand, most)
	}
	slices.SortFunc(d.Hot, func(a, b Partition) int { return cmp.Compare(b.Arriving, a.Arriving) })

	floor := s.floor(o.At)
	if s.began.IsZero() {
		s.began = o.At
	}
	known := o.At.Sub(s.began) >= s.policy.UpAfter
	if !known {
		s.nodes = max(s.nodes, o.Nodes)
	}
	s.nodes = s.bounded(s.nodes, o.Topic)
	load := s.nodes
	if o.Capacity > 0 {
		load = int(math.Ceil(asked / (o.Capacity * s.policy.Headroom)))
	}
	d.Wanted = s.bounded(even(max(load, floor), o.Topic), o.Topic)
	switch {
	case !known:
		d.Reason = fmt.Sprintf("the group is watched for %v before it is said", s.policy.UpAfter)
		return d
	case o.Capacity <= 0:
		s.nodes = s.bounded(max(s.nodes, floor), o.Topic)
		d.Reason = "what a node can do is not known yet"
	case o.Bottleneck != "":
		// Forgotten, so that the number does not jump when ClickHouse is well again
		// by what was wanted while it was not. Nor does it go down: what waits is
		// more than anyone has seen.
		s.answers, d.Held = nil, true
		s.nodes = s.bounded(max(s.nodes, floor), o.Topic)
		d.Reason = fmt.Sprintf("ClickHouse is the bottleneck: %s; for the load there should be %d nodes, and more could only wait", o.Bottleneck, d.Wanted)
	case o.Partial:
		d.Reason = fmt.Sprintf("%d of %d partitions are seen, since nodes do not answer or the group rebalances", len(o.Partitions), o.Topic)
	default:
		s.nodes = s.steady(o.At, d.Wanted)
		d.Nodes = s.nodes
		d.Reason = s.reason(d, load, floor, o.Topic)
	}
	d.Nodes = s.nodes
	return d
}

// floor is the least number of nodes at a time.
func (s *Scaler) floor(at time.Time) int {
	floor := s.policy.Min
	for _, p := range s.policy.Peaks {
		if p.holds(at) {
			floor = max(floor, p.Nodes)
		}
	}
	return floor
}

// bounded is a number of nodes within the policy's bounds and that of partitions,
// where those are known.
func (s *Scaler) bounded(nodes, partitions int) int {
	most := s.policy.Max
	if partitions > 0 {
		most = min(most, partitions)
	}
	return min(max(nodes, s.policy.Min), most)
}

// even is the least divisor of the partitions that is not below a number of nodes:
// with any other some nodes have a partition more than others, and those are what the
// group is as fast as.
func even(nodes, partitions int) int {
	for n := max(1, nodes); n <= partitions; n++ {
		if partitions%n == 0 {
			return n
		}
	}
	return nodes
}

// steady is the number of nodes once what was wanted has lasted.
func (s *Scaler) steady(now time.Time, wanted int) int {
	if n := len(s.answers); n > 0 && now.Sub(s.answers[n-1].at) > max(s.policy.UpAfter, time.Minute) {
		s.answers = nil // nobody knows what was between
	}
	s.answers = append(s.answers, answer{now, wanted})
	for len(s.answers) > 1 && now.Sub(s.answers[1].at) >= s.policy.DownAfter {
		s.answers = s.answers[1:]
	}
	least, most, up := wanted, wanted, false
	for _, a := range slices.Backward(s.answers) {
		most = max(most, a.wanted)
		if up {
			continue
		}
		least = min(least, a.wanted)
		up = now.Sub(a.at) >= s.policy.UpAfter // what came before it does not count
	}
	down := now.Sub(s.answers[0].at) >= s.policy.DownAfter
	switch {
	case up && least > s.nodes:
		return least
	case down && most < s.nodes:
		return most
	}
	return s.nodes
}

// reason says in a sentence why it is that many.
func (s *Scaler) reason(d Decision, load, floor, partitions int) string {
	text := fmt.Sprintf("%.0f records/s arrive, and %.0f have to be done for the lag to be gone in %v; a node can do %.0f",
		d.Arriving, d.Demand, s.policy.Drain, d.Capacity)
	switch {
	case load < floor:
		text += fmt.Sprintf("; at least %d at this time", floor)
	case load > d.Wanted && d.Wanted == partitions:
		text += fmt.Sprintf("; %d would be wanted, and there are %d partitions", load, partitions)
	case load > d.Wanted:
		text += fmt.Sprintf("; %d would be wanted, and max is %d", load, s.policy.Max)
	}
	switch {
	case d.Nodes < d.Wanted:
		text += fmt.Sprintf("; %d once that has lasted for %v", d.Wanted, s.policy.UpAfter)
	case d.Nodes > d.Wanted:
		text += fmt.Sprintf("; %d once that has lasted for %v", d.Wanted, s.policy.DownAfter)
	}
	if len(d.Hot) > 0 {
		text += fmt.Sprintf("; partition %d alone gets %.0f/s, more than a node reads of one: more nodes do not help it, other keys do", d.Hot[0].ID, d.Hot[0].Arriving)
	}
	return text
}
