package faults

import (
	"math"
	"slices"
	"sync"
	"time"
)

// sample is a set of durations of one kind.
type sample struct {
	mu  sync.Mutex
	all []time.Duration // guarded by mu
}

func (s *sample) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, d)
}

// Figures sum a sample up, in milliseconds.
type Figures struct {
	Count int   `json:"count"`
	P50   int64 `json:"p50"`
	P99   int64 `json:"p99"`
	Max   int64 `json:"max"`
}

func (s *sample) figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return Figures{}
	}
	sorted := slices.Sorted(slices.Values(s.all))
	// The nearest rank: of few samples the 99th percentile is the largest, and
	// not something between that nobody measured.
	at := func(q float64) int64 {
		return sorted[int(math.Ceil(q*float64(len(sorted))))-1].Milliseconds()
	}
	return Figures{Count: len(sorted), P50: at(0.5), P99: at(0.99), Max: sorted[len(sorted)-1].Milliseconds()}
}

// measures are the times a run takes of the product.
type measures struct {
	// restart is from a killed node's start to its first insert.
	restart sample
	// takeover is from the kill of a node that is not restarted until all
	// partitions have stored what was produced after it.
	takeover sample
	// stall is the longest time any partition made no progress around a node
	// added or removed in order.
	stall sample
}
