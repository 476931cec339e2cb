package loadtest

import (
	"context"
	"time"
)

// Moment is how far a run was at a time.
type Moment struct {
	// At is in seconds since the beginning of the sending.
	At float64 `json:"at_s"`
	// Sent are records of all kinds that Kafka had acknowledged, Live the live
	// readings among them, and Seen those of them that were visible.
	Sent uint64 `json:"sent"`
	Live uint64 `json:"live"`
	Seen uint64 `json:"seen"`
}

// moments looks at a run once an interval.
type moments struct {
	start  time.Time
	every  time.Duration
	ledger *ledger
	queues *visibility
	all    []Moment
}

// run looks until ctx ends.
func (m *moments) run(ctx context.Context) {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if len(m.all) < maxIntervals {
				m.look(now)
			}
		}
	}
}

func (m *moments) look(now time.Time) {
	live, seen := m.queues.progress()
	m.all = append(m.all, Moment{At: now.Sub(m.start).Seconds(), Sent: m.ledger.totals().produced(), Live: live, Seen: seen})
}
