package intent

import (
	"cmp"
	"fmt"
	"slices"
)

// Intent says, before the insert, that a span of one partition is about to be
// stored in a batch.
type Intent struct {
	// Batch is the id of the batch, and the token of its insert: the one insert
	// that holds rows of all its partitions.
	Batch string
	// Step counts the tokens that were found spent while rows of the span were
	// missing. The owner of a batch inserts at step 0; only a settlement goes on.
	Step int
	// Shard is the name of the shard the rows go to.
	Shard string
	// First and Next are the span, [First, Next); never empty.
	First, Next int64
	// At is when the batch was declared, in Unix seconds. For people: it decides
	// nothing.
	At int64
}

// Token returns the token under which the intent's rows of the partition are
// inserted. At step 0 it is the batch's own, which all its partitions share.
// A later one is the partition's: the others have owners of their own by then.
func (in Intent) Token(partition int32) string {
	if in.Step == 0 {
		return in.Batch
	}
	return fmt.Sprintf("%s/p%d/%d", in.Batch, partition, in.Step)
}

// Range is the offsets [First, Next) of a partition.
type Range struct{ First, Next int64 }

// State is what the offset commit of a partition says. What it does not say is
// done or pending is still to be read.
type State struct {
	// Offset is where a reader who knows nothing of intents would go on:
	// everything below it is stored, dead-lettered or a duplicate.
	Offset int64
	// Done are ranges above Offset of which that is so, too: ascending, apart
	// from one another and from Offset.
	Done []Range
	// Pending are the spans that may be stored, in part or not at all, in the
	// order in which they were read: none below Offset, none over another or
	// over what is done, no batch twice.
	Pending []Intent
}

// End returns the end of all that is done or pending.
func (s State) End() int64 {
	end := s.Offset
	if n := len(s.Done); n > 0 {
		end = s.Done[n-1].Next
	}
	for _, in := range s.Pending {
		end = max(end, in.Next)
	}
	return end
}

// maxDone is how many done ranges a commit may come to have: so many fit the
// metadata beside sixteen intents, whatever the numbers are. Each is what was
// read ahead of a gap, so more would mean that a node is behind for the ninth
// time before the first gap is closed.
const maxDone = 8

// MayJump says whether reading may go on beyond the end of what is done, which
// leaves one more gap below.
func (s State) MayJump() bool { return len(s.Done) < maxDone }

// Covers says whether all of the range is done.
func (s State) Covers(r Range) bool {
	return r.Next <= s.Offset || slices.ContainsFunc(s.Done, func(d Range) bool { return d.First <= r.First && r.Next <= d.Next })
}

// Gaps returns what of the offsets below to is neither done nor pending,
// ascending.
func (s State) Gaps(to int64) (gaps []Range) {
	at := s.Offset
	for _, r := range append(s.known(), Range{to, to}) {
		if first := min(r.First, to); at < first {
			gaps = append(gaps, Range{at, first})
		}
		at = max(at, r.Next)
	}
	return gaps
}

// known returns the ranges above Offset that are done or pending, ascending.
func (s State) known() []Range {
	all := slices.Clone(s.Done)
	for _, in := range s.Pending {
		all = append(all, Range{in.First, in.Next})
	}
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return all
}

// store notes that all of the range is done, which was pending or a gap. Who
// has a copy of the state keeps what that says.
func (s *State) store(r Range) {
	if r.First == s.Offset && len(s.Done) == 0 {
		s.Offset = r.Next
		return
	}
	i, _ := slices.BinarySearchFunc(s.Done, r, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	s.Done = united(slices.Insert(slices.Clone(s.Done), i, r))
	if s.Done[0].First == s.Offset {
		s.Offset, s.Done = s.Done[0].Next, s.Done[1:]
	}
	if len(s.Done) == 0 {
		s.Done = nil
	}
}

// united makes one of ranges that touch. They are ascending.
func united(all []Range) []Range {
	out := all[:1]
	for _, r := range all[1:] {
		if last := &out[len(out)-1]; last.Next == r.First {
			last.Next = r.Next
		} else {
			out = append(out, r)
		}
	}
	return out
}

// The bounds of names: sixteen intents of them fit the metadata.
const (
	maxBatch = 96
	maxShard = 64
)

// fault returns what is wrong with the state, or nil. Nothing that has a fault
// is printed, and nothing that was read with one is used.
func (s State) fault() error {
	if s.Offset < 0 {
		return fmt.Errorf("offset %d is negative", s.Offset)
	}
	end := s.Offset
	for _, r := range s.Done {
		if r.First <= end || r.Next <= r.First {
			return fmt.Errorf("what is done [%d,%d) is empty, or not apart from %d where what precedes it ends", r.First, r.Next, end)
		}
		end = r.Next
	}
	batches := map[string]bool{}
	for _, in := range s.Pending {
		if err := in.fault(); err != nil {
			return err
		}
		if batches[in.Batch] {
			return fmt.Errorf("batch %s is there twice", in.Batch)
		}
		batches[in.Batch] = true
	}
	end = s.Offset
	for _, r := range s.known() {
		if r.First < end {
			return fmt.Errorf("[%d,%d) begins before %d where what precedes it ends", r.First, r.Next, end)
		}
		end = r.Next
	}
	return nil
}

func (in Intent) fault() error {
	switch {
	case !isName(in.Batch, maxBatch):
		return fmt.Errorf("batch id %.100q is not 1 to %d of A-Z a-z 0-9 . _ -", in.Batch, maxBatch)
	case !isName(in.Shard, maxShard):
		return fmt.Errorf("batch %s: shard name %.100q is not 1 to %d of A-Z a-z 0-9 . _ -", in.Batch, in.Shard, maxShard)
	case in.Step < 0:
		return fmt.Errorf("batch %s: step %d is negative", in.Batch, in.Step)
	case in.Next <= in.First:
		return fmt.Errorf("batch %s: span [%d,%d) is empty", in.Batch, in.First, in.Next)
	case in.At < 0:
		return fmt.Errorf("batch %s: time %d is negative", in.Batch, in.At)
	}
	return nil
}

// IsShard says whether an intent can name a shard so.
func IsShard(name string) bool { return isName(name, maxShard) }

func isName(s string, most int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= most
}
