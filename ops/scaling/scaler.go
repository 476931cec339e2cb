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
	Capacity   float64
	Partitions []Partition
	// Bottleneck is what keeps ClickHouse from taking more; empty if nothing does.
	Bottleneck string
}

// Partition is how one of the topic's partitions does.
type Partition struct {
	ID       int32         `json:"partition"`
	Arriving float64       `json:"arriving"` // records a second
	Lag      int64         `json:"lag"`      // records
	Behind   time.Duration `json:"behind"`   // age of the oldest of them
}

// demand is how many records a second have to be done of the partition, for its
// lag to be gone within drain.
func (p Partition) demand(drain time.Duration) float64 {
	behind := max(float64(p.Lag), p.Arriving*p.Behind.Seconds())
	return p.Arriving + behind/drain.Seconds()
}

// Decision is how many nodes there should be, and why.
type Decision struct {
	At time.Time `json:"at"`
	// Nodes is the answer.
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
	Behind time.Duration `json:"behind"`
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
	// nodes is what was decided last, and begins as how many there are. It is not
	// what answers: a node that is starting anew is no reason for one less.
	nodes   int
	answers []answer // oldest first, as far back as DownAfter
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
	floor := s.floor(o.At)
	if s.nodes == 0 {
		s.nodes = o.Nodes
	}
	s.nodes = s.bounded(s.nodes, len(o.Partitions))
	if o.Capacity <= 0 {
		s.nodes = s.bounded(max(s.nodes, floor), len(o.Partitions))
		d.Nodes, d.Wanted, d.Reason = s.nodes, s.nodes, "what a node can do is not known yet"
		return d
	}
	most := o.Capacity * s.policy.PartitionShare
	var asked float64
	for _, p := range o.Partitions {
		demand := p.demand(s.policy.Drain)
		d.Arriving += p.Arriving
		d.Demand += demand
		d.Lag += p.Lag
		d.Behind = max(d.Behind, p.Behind)
		if p.Arriving > most {
			d.Hot = append(d.Hot, p)
		}
		asked += min(demand, most)
	}
	slices.SortFunc(d.Hot, func(a, b Partition) int { return cmp.Compare(b.Arriving, a.Arriving) })
	load := int(math.Ceil(asked / (o.Capacity * s.policy.Headroom)))
	d.Wanted = s.bounded(even(max(load, floor), len(o.Partitions)), len(o.Partitions))

	if o.Bottleneck != "" && d.Wanted > s.nodes {
		// Forgotten, so that the number does not jump when ClickHouse is well again
		// by what was wanted while it was not.
		s.answers = nil
		d.Nodes, d.Held = s.nodes, true
		d.Reason = fmt.Sprintf("ClickHouse is the bottleneck: %s; %d nodes would be wanted and could only wait", o.Bottleneck, d.Wanted)
		return d
	}
	s.nodes = s.steady(o.At, d.Wanted)
	d.Nodes = s.nodes
	d.Reason = s.reason(d, load, floor, len(o.Partitions))
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
