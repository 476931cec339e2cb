package coldfaults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// outcome is what became of a round.
type outcome struct {
	Round          Round
	Stored, Resent uint64 // rows
	Took           time.Duration
	// Err is what kept the round from being run to its end.
	Err error

	batches uint64 // the number of the last batch; of who inserts

	mu sync.Mutex
	// What follows is guarded by mu while the round runs.

	// Looks are those that were judged, Long of them took longer than the view
	// is settled for before a day moves; what those see is not promised, and
	// Unpromised is how many saw something wrong. Blind ones got no answer.
	Looks, Long, Unpromised, Blind int
	Missing, Duplicated            uint64
	Findings                       []string
	fired                          map[string]int
}

// fire enters a fault that has happened.
func (o *outcome) fire(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fired[what]++
}

// faults is how many have happened.
func (o *outcome) faults() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, times := range o.fired {
		n += times
	}
	return n
}

// what says which faults have happened.
func (o *outcome) what() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(o.fired)) {
		parts = append(parts, fmt.Sprintf("%d %s", o.fired[what], what))
	}
	return strings.Join(parts, ", ")
}

// found enters something that is not as it has to be.
func (o *outcome) found(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Findings = append(o.Findings, fmt.Sprintf(format, args...))
}

// maxLookFindings bounds what a round says of looks: what is wrong for a moment
// is seen by many.
const maxLookFindings = 12

// looked enters a look.
func (o *outcome) looked(began time.Time, took, settle time.Duration, v verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Looks++
	if took > settle {
		o.Long++
		if !v.ok() {
			o.Unpromised++
		}
		return
	}
	o.Missing += v.Missing
	o.Duplicated += v.Duplicated
	for _, f := range v.Findings {
		if len(o.Findings) < maxLookFindings {
			o.Findings = append(o.Findings, fmt.Sprintf("look at %s, %v long: %s", began.UTC().Format("15:04:05.000"), took.Round(time.Millisecond), f))
		}
	}
}

// blind enters a look that got no answer, which is a finding where no fault
// explains it.
func (o *outcome) blind(err error, explained bool) {
	if !explained {
		o.found("the view gave no answer: %v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Blind++
}

// violated tells whether the round proves anything against the product, or did
// not prove what it was to prove.
func (o *outcome) violated() bool {
	return o.Err != nil || len(o.Findings) > 0 || o.Missing > 0 || o.Duplicated > 0
}
