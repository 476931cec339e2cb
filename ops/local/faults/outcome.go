package faults

import (
	"fmt"
	"sync"
	"time"
)

// outcome is what became of a round. Its scenario writes it while the faults
// are fired, possibly from several goroutines; who runs the round reads it
// after.
type outcome struct {
	Round Round
	verdict
	Produced, Stored uint64
	// Stall is the longest time any partition stored nothing, faults included.
	Stall time.Duration
	// Repaired is how many days' rollups were recomputed from the raw rows.
	Repaired int
	Took     time.Duration
	// Err is what kept the round from being run to its end.
	Err error

	mu sync.Mutex
	// What follows is guarded by mu while faults are fired.

	// Fired counts the faults that happened, by what they were.
	Fired map[string]int
}

// fired enters faults that have happened.
func (o *outcome) fired(n int, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Fired[what] += n
}

// faults is how many have happened.
func (o *outcome) faults() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, times := range o.Fired {
		n += times
	}
	return n
}

// found enters something that is not as it has to be.
func (o *outcome) found(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Findings = append(o.Findings, fmt.Sprintf(format, args...))
}

// violated tells whether the round proves anything against the product, or did
// not prove what it was to prove.
func (o *outcome) violated() bool {
	return o.Err != nil || len(o.Findings) > 0 || o.Missing > 0 || o.Duplicated > 0
}
