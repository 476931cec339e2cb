package audit

import (
	"penstock/pipeline/intent"
)

// limits are what Kafka says of a partition.
type limits struct {
	partition int32
	start     int64 // first offset it still has
	// from and to are the first offsets at or after either end of the time asked
	// for; the log's end if there is none. Where Kafka no longer has the
	// beginning, from is below start.
	from, to int64
	// lookback is the offset from which the first copy of a resend may lie.
	lookback int64
	// committed is nil if the group has committed nothing.
	committed *intent.State
}

// audited returns what is to be audited, and of the rest of the time asked for
// how much is not promised yet, and how much of that is pending.
func (l limits) audited() (r Range, open, pending int64) {
	first, next := l.from, max(l.from, l.to)
	if l.committed == nil {
		return Range{first, first}, next - first, 0
	}
	promised := min(max(l.committed.Offset, first), next)
	for _, in := range l.committed.Pending {
		pending += max(0, min(in.Next, next)-max(in.First, promised))
	}
	return Range{first, promised}, next - promised, pending
}

// search finds about where records of a time or later begin to be stored, by
// halves: offsets that hold no row tell nothing, so a whole stretch is asked
// about, and the answer is the beginning of one.
type search struct{ Range }

const probeOffsets = 4096

// probe returns what to ask about next; empty when the search is over. The
// offset sought is the range's end then.
func (s *search) probe() Range {
	if s.Count() <= probeOffsets {
		return s.Range
	}
	middle := s.First + (s.Count()-probeOffsets)/2
	return Range{middle, middle + probeOffsets}
}

// told takes whether the probe holds a row of the time or later.
func (s *search) told(later bool) {
	if probe := s.probe(); later {
		s.Next = probe.First
	} else {
		s.First = probe.Next
	}
}
