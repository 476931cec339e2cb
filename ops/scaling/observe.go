package scaling

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// idle is the share of its cores below which a node does so little that what
	// it takes for it says nothing: most of that is being there.
	idle = 0.1
	// waiting is the share below which a node with paused lanes waits for
	// somebody else.
	waiting = 0.6
)

// observer makes observations of the samples of all nodes, by address.
type observer struct {
	slowInsert time.Duration
	// capacity is what it was last; a group that is idle keeps it.
	capacity float64
}

// observe makes an observation of two rounds of samples. A node that is only in
// one of them has come, gone or begun anew, and counts without its rates.
func (o *observer) observe(at time.Time, before, now map[string]sample) Observation {
	out := Observation{At: at, Nodes: len(now)}
	var records, cpu, used, inserts, insertSeconds, paused, open float64
	var cores float64
	partitions := map[int32]Partition{}
	for node, s := range now {
		cores += s.cores
		paused += s.pausedLanes
		if s.breakerOpen {
			open++
		}
		for id, p := range s.partitions {
			partitions[id] = Partition{ID: id, Lag: p.lag, Behind: p.behind, Arriving: arriving(before, s.at, id, p)}
		}
		was, ok := before[node]
		seconds := s.at.Sub(was.at).Seconds()
		if !ok || was.began != s.began || seconds <= 0 {
			continue
		}
		records += s.records - was.records
		cpu += s.cpu - was.cpu
		used += (s.cpu - was.cpu) / seconds
		inserts += s.inserts - was.inserts
		insertSeconds += s.insertSeconds - was.insertSeconds
	}
	for _, id := range slices.Sorted(maps.Keys(partitions)) {
		out.Partitions = append(out.Partitions, partitions[id])
	}
	if busy := used / max(1, cores); cpu > 0 && records > 0 && (busy >= idle || o.capacity == 0) {
		o.capacity = records / cpu * cores / float64(len(now))
	}
	out.Capacity = o.capacity
	switch mean := time.Duration(insertSeconds / max(1, inserts) * float64(time.Second)); {
	case open > 0:
		out.Bottleneck = fmt.Sprintf("the circuit breaker of %.0f of %d nodes is open", open, len(now))
	case inserts > 0 && mean >= o.slowInsert:
		out.Bottleneck = fmt.Sprintf("an insert takes %v on average", mean.Round(100*time.Millisecond))
	case paused > 0 && used < waiting*cores:
		out.Bottleneck = fmt.Sprintf("%.0f lanes are full, and the nodes use %.0f %% of their cores", paused, 100*used/cores)
	}
	return out
}

// arriving is how many records a second came to a partition, whoever owned it
// before.
func arriving(before map[string]sample, at time.Time, id int32, now position) float64 {
	for _, s := range before {
		if was, ok := s.partitions[id]; ok && at.After(s.at) {
			return max(0, now.high-was.high) / at.Sub(s.at).Seconds()
		}
	}
	return 0
}
