package scaling

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// idle is the share of its cores below which most of what a group takes is being
	// there, so that it could do more for each second than it seems.
	idle = 0.1
	// leastCPU is how many seconds of CPU time have to be between two looks to take
	// a rate by them: the kernel counts in hundredths.
	leastCPU = 0.2
	// waiting is the share below which a node with full lanes waits for somebody else.
	waiting = 0.6
)

// Observer makes observations of the samples of all nodes, by address. What it
// remembers is what the pages do not say.
type Observer struct {
	slowInsert time.Duration
	cores      float64 // of a node; 0 for what its page says
	capacity   float64
	topic      int // the most partitions that were ever assigned
	moved      map[int32]movement
}

// NewObserver returns an observer that has seen nothing. SlowInsert: see [Policy].
// Cores are those of a node; 0 for what its page says.
func NewObserver(slowInsert time.Duration, cores float64) *Observer {
	return &Observer{slowInsert: slowInsert, cores: cores, moved: map[int32]movement{}}
}

// movement is when a partition was last seen to grow, and how fast. A node that
// reads no more of it, since its lane is full, does not know what arrives.
type movement struct {
	high float64
	at   time.Time
	rate float64 // records a second
}

// Observe makes an observation of two rounds of samples. A node that is only in
// one of them has come, gone or begun anew, and counts without its rates.
func (o *Observer) Observe(at time.Time, before, now map[string]Sample) Observation {
	out := Observation{At: at, Nodes: len(now)}
	var records, cpu, used, cores, inserts, insertSeconds, paused, open float64
	assigned, positions := 0, map[int32]Position{}
	for node, s := range now {
		of := s.Cores
		if o.cores > 0 {
			of = o.cores
		}
		cores += of
		assigned += s.Assigned
		if s.BreakerOpen {
			open++
		}
		for id, p := range s.Partitions {
			if p.High >= positions[id].High { // an owner that was may not know it yet
				positions[id] = p
			}
		}
		was, ok := before[node]
		seconds := s.At.Sub(was.At).Seconds()
		if !ok || was.Began != s.Began || seconds <= 0 {
			continue
		}
		busy := (s.CPU - was.CPU) / seconds
		if busy < waiting*of {
			paused += s.PausedLanes
		}
		used += busy
		records += s.Records - was.Records
		cpu += s.CPU - was.CPU
		inserts += s.Inserts - was.Inserts
		insertSeconds += s.InsertSeconds - was.InsertSeconds
	}
	for _, id := range slices.Sorted(maps.Keys(positions)) {
		out.Partitions = append(out.Partitions, o.partition(at, id, positions[id]))
	}
	o.topic = max(o.topic, assigned)
	out.Topic, out.Partial = o.topic, assigned < o.topic
	if cpu >= leastCPU && records > 0 {
		measured := records / cpu * cores / float64(len(now))
		if used < idle*cores {
			measured = max(measured, o.capacity)
		}
		o.capacity = measured
	}
	out.Capacity = o.capacity
	switch mean := time.Duration(insertSeconds / max(1, inserts) * float64(time.Second)); {
	case open > 0:
		out.Bottleneck = fmt.Sprintf("the circuit breaker of %.0f of %d nodes is open", open, len(now))
	case inserts > 0 && mean >= o.slowInsert:
		out.Bottleneck = fmt.Sprintf("an insert takes %v on average", mean.Round(100*time.Millisecond))
	case paused > 0:
		out.Bottleneck = fmt.Sprintf("%.0f lanes are full in nodes that use less than %.0f %% of their cores", paused, 100*waiting)
	}
	return out
}

// partition is how a partition does. While it is behind and is not seen to grow,
// it is taken to grow as before: nobody has looked.
func (o *Observer) partition(at time.Time, id int32, p Position) Partition {
	out := Partition{ID: id, Lag: p.Lag, Behind: p.Behind}
	if p.Gap > 0 {
		out.Lag, out.Behind = p.Gap, 0 // the head is done
	}
	was, known := o.moved[id]
	switch {
	case !known || p.High < was.high:
		was = movement{p.High, at, 0}
	case p.High > was.high:
		was = movement{p.High, at, (p.High - was.high) / at.Sub(was.at).Seconds()}
	case out.Lag == 0:
		was.rate = 0
		was.at = at
	default:
		out.Lag += int64(was.rate * at.Sub(was.at).Seconds())
	}
	o.moved[id] = was
	out.Arriving = was.rate
	return out
}
