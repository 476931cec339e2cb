package ops

import (
	"maps"
	"slices"
	"time"
)

// Stand is where a node stands in its partitions at one moment.
type Stand struct {
	// Partitions are those it owns, by number.
	Partitions []PartitionStand
	// Records are to be done, the oldest of which is Oldest old.
	Records int64
	Oldest  time.Duration
	// Done and Arriving are records a second, if Rated.
	Done, Arriving float64
	Rated          bool
	// Left is how long catching up takes, if that is Foreseen.
	Left     time.Duration
	Foreseen bool
}

// PartitionStand is where a node stands in one partition.
type PartitionStand struct {
	ID int32
	// Committed and High are offsets: what is below the first is done, the second is
	// the next record's. -1 while not known.
	Committed, High int64
	// Lag is records that are not committed, of which Gap are read beside the head.
	Lag, Gap int64
	// Age is that of the oldest record that is not committed; 0 while not known.
	Age time.Duration
}

// Stand returns where the node stands, with ages as they are at a time, which may be
// a moment ago: nothing has changed since the last event.
func (l *Lag) Stand(at time.Time) Stand {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := Stand{Partitions: []PartitionStand{}}
	for _, id := range slices.Sorted(maps.Keys(l.backlog.owned)) {
		p := l.backlog.owned[id]
		lag, _ := p.lag()
		age, _ := p.age(at)
		all.Partitions = append(all.Partitions, PartitionStand{id, p.committed, p.high, lag, max(0, p.gap), age})
	}
	s := l.backlog.standing(at)
	all.Records, all.Oldest = s.todo, s.age
	all.Done, all.Arriving, all.Rated = s.done, s.arriving, s.rated
	all.Left, all.Foreseen = s.left, s.foreseen
	return all
}
