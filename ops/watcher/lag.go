package watcher

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"penstock/pipeline/intent"
)

// look is what Kafka says of a group at one moment.
type look struct {
	at         time.Time
	members    int
	partitions map[int32]position
}

// position is where a group stands in a partition.
type position struct {
	start, end int64 // of what Kafka keeps: [start, end)
	// committed: the group has a commit, which says state. Where its metadata is not a
	// node's, note says so, and only the offset counts.
	committed bool
	state     intent.State
	note      string
}

// next is the offset of the oldest record that is not stored and that Kafka has.
func (p position) next() int64 {
	if !p.committed {
		return p.start
	}
	return max(p.start, p.state.Offset)
}

// gone is how many records are neither committed nor kept any more.
func (p position) gone() int64 {
	if !p.committed {
		return 0
	}
	return max(0, p.start-p.state.Offset)
}

// lag is the records between the committed offset and the end.
func (p position) lag() int64 {
	if !p.committed {
		return p.end - p.start
	}
	return max(0, p.end-p.state.Offset)
}

// Group is how a consumer group does, by what Kafka says of it.
type Group struct {
	At         time.Time
	Members    int
	Partitions []Partition // by number
}

// Partition is one of a group's.
type Partition struct {
	ID int32
	// Lag is the records between the committed offset and the end. Behind is the age of
	// the oldest of them by its own time; unknown if it could not be read.
	Lag    int64
	Behind maybe[time.Duration]
	// Arriving is records a second, since the look before.
	Arriving float64
	// Pending are batches that were declared and not confirmed; OldestIntent is since
	// when the oldest of them was.
	Pending      int
	OldestIntent time.Duration
	// Gaps are ranges that are left below what is done.
	Gaps int
	// Retention is how much older the oldest record that Kafka keeps is than the next
	// one to be stored: while Kafka deletes as it does, so long the latter will be
	// there. 0 only once it is gone. Unknown until Kafka has deleted anything, and if it
	// keeps nothing.
	Retention maybe[time.Duration]
	// Gone are records that were not committed and that Kafka has deleted: the offset
	// is out of range.
	Gone int64
	// Beyond: the committed offset is after the end, so the topic is another than that
	// which was read.
	Beyond bool
	// Note says why the commit's metadata is not understood; empty if it is.
	Note string
}

// maybe is a value that may not be known.
type maybe[T any] struct {
	value T
	known bool
}

func is[T any](value T) maybe[T] { return maybe[T]{value, true} }

// dated is the time of the record at an offset.
type dated struct {
	offset int64
	at     time.Time
}

// ledger turns looks into what they mean. It does no I/O.
type ledger struct {
	before look
	// nexts and starts are the times of records that were read: the next to be stored,
	// and the oldest that Kafka keeps.
	nexts, starts map[int32]dated
}

// datesMost bounds the records that are read at one look for their times, a batch of
// records each. Of more partitions that are behind, some have a time that is older than
// it should be.
const datesMost = 256

// undated returns the offsets of which the records have to be read, by partition. Of a
// group that keeps up there are none: what came since the look before is as old as that
// at most, see [ledger.since].
func (l *ledger) undated(now look) map[int32]int64 {
	var all []int32
	for id, p := range now.partitions {
		if p.next() >= p.end || l.nexts[id].offset == p.next() && !l.nexts[id].at.IsZero() {
			continue
		}
		if _, ok := l.since(now, id); !ok {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b int32) int {
		return cmp.Or(l.nexts[a].at.Compare(l.nexts[b].at), cmp.Compare(a, b)) // what is known least first
	})
	want := map[int32]int64{}
	for _, id := range all[:min(len(all), datesMost)] {
		want[id] = now.partitions[id].next()
	}
	return want
}

// undatedStarts is undated for the oldest records that Kafka keeps.
func (l *ledger) undatedStarts(now look) map[int32]int64 {
	want := map[int32]int64{}
	for _, id := range slices.Sorted(maps.Keys(now.partitions)) {
		p := now.partitions[id]
		if p.start > 0 && p.start < p.end && (l.starts[id].offset != p.start || l.starts[id].at.IsZero()) && len(want) < datesMost {
			want[id] = p.start
		}
	}
	return want
}

// since returns when the next record came, if that was after the look before: offsets
// are taken to have come evenly in between.
func (l *ledger) since(now look, id int32) (time.Time, bool) {
	before, ok := l.before.partitions[id]
	p := now.partitions[id]
	if !ok || p.next() < before.end || p.end <= before.end {
		return time.Time{}, false
	}
	share := float64(p.next()-before.end) / float64(p.end-before.end)
	return l.before.at.Add(time.Duration(share * float64(now.at.Sub(l.before.at)))), true
}

// date notes the times of records that were read at the offsets of want.
func date(into *map[int32]dated, want map[int32]int64, found map[int32]time.Time) {
	if *into == nil {
		*into = map[int32]dated{}
	}
	for id, at := range found {
		(*into)[id] = dated{want[id], at}
	}
}

// group says what a look means. It becomes the look before.
func (l *ledger) group(now look) Group {
	g := Group{At: now.at, Members: now.members}
	for _, id := range slices.Sorted(maps.Keys(now.partitions)) {
		g.Partitions = append(g.Partitions, l.partition(now, id))
	}
	l.before = now
	return g
}

func (l *ledger) partition(now look, id int32) Partition {
	p := now.partitions[id]
	out := Partition{ID: id, Lag: p.lag(), Pending: len(p.state.Pending), Gaps: len(p.state.Gaps(p.state.End())), Gone: p.gone(), Beyond: p.committed && p.state.Offset > p.end, Note: p.note}
	if before, ok := l.before.partitions[id]; ok && now.at.After(l.before.at) {
		out.Arriving = float64(max(0, p.end-before.end)) / now.at.Sub(l.before.at).Seconds()
	}
	for _, in := range p.state.Pending {
		out.OldestIntent = max(out.OldestIntent, now.at.Sub(time.Unix(in.At, 0)))
	}
	out.Behind = l.behind(now, id)
	out.Retention = l.retention(now, id, out.Behind)
	return out
}

// behind is the age of the next record.
func (l *ledger) behind(now look, id int32) maybe[time.Duration] {
	p := now.partitions[id]
	if p.next() >= p.end {
		return is(time.Duration(0))
	}
	read := l.nexts[id]
	at, ok := l.since(now, id)
	if !ok || read.offset == p.next() && !read.at.IsZero() {
		// That of an earlier record is at most too old.
		at, ok = read.at, !read.at.IsZero() && read.offset <= p.next()
	}
	if !ok {
		return maybe[time.Duration]{}
	}
	return is(max(0, now.at.Sub(at)))
}

// leastRetention is that of a record which is the next to be deleted: 0 says that it is.
const leastRetention = time.Second

func (l *ledger) retention(now look, id int32, behind maybe[time.Duration]) maybe[time.Duration] {
	p := now.partitions[id]
	oldest := l.starts[id]
	switch {
	case p.gone() > 0:
		return is(time.Duration(0))
	case !p.committed || !behind.known || p.start >= p.end || oldest.at.IsZero() || oldest.offset != p.start:
		return maybe[time.Duration]{}
	}
	return is(max(leastRetention, now.at.Sub(oldest.at)-behind.value))
}
