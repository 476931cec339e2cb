package intent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// CanSplit says whether the parts have room in the metadata in the place of the
// batch. There is no bound on their number: halving down to one row of a
// million lists some twenty. Where there is no room, the lane is to be settled
// anew: a settlement narrows to the bad rows without listing anything.
func (l *Ledger) CanSplit(id string, parts ...Batch) bool {
	e := l.batches[id]
	for p := range e.Spans {
		s := l.partitions[p].state(p)
		i := slices.IndexFunc(s.Pending, func(in Intent) bool { return in.Batch == id })
		s.Pending = slices.Replace(s.Pending, i, i+1, intents(p, parts)...)
		if len(s.Metadata()) > maxDeclared {
			return false
		}
	}
	return true
}

// Split replaces a batch that the server refuses for its rows by parts of it,
// which cover exactly the same offsets on the same shards. As any batch, they
// are committed before they are inserted.
//
// It is only for a batch whose every insert was answered. While the answer to
// one is missing, that insert may still be stored, under a token that no part
// has and nobody would ever spend; such a lane is in doubt instead.
func (l *Ledger) Split(id string, parts ...Batch) {
	e := l.batches[id]
	if e == nil || e.stored || !l.CanSplit(id, parts...) {
		panic(fmt.Sprintf("BUG: split, but not in flight or without room: %s", id))
	}
	fresh := make(map[string]*entry, len(parts))
	for _, b := range parts {
		if len(b.Spans) == 0 || l.batches[b.ID] != nil {
			panic(fmt.Sprintf("BUG: batch %s: a part without spans, or there twice: %+v", id, b))
		}
		n := &entry{Batch: b, listed: len(b.Spans)}
		n.Spans = maps.Clone(b.Spans)
		fresh[b.ID], l.batches[b.ID] = n, n
		for p := range b.Spans {
			if _, ok := e.Spans[p]; !ok {
				panic(fmt.Sprintf("BUG: batch %s has no p%d; its part %s has", id, p, b.ID))
			}
		}
	}
	for p, whole := range e.Spans {
		at := whole.First
		var in []*entry
		for _, part := range intents(p, parts) {
			if part.First != at || part.Shard != whole.Shard {
				panic(fmt.Sprintf("BUG: batch %s p%d[%d,%d) on %s: a part is [%d,%d) on %s", id, p, whole.First, whole.Next, whole.Shard, part.First, part.Next, part.Shard))
			}
			at = part.Next
			in = append(in, fresh[part.Batch])
		}
		if at != whole.Next {
			panic(fmt.Sprintf("BUG: batch %s p%d[%d,%d): its parts end at %d", id, p, whole.First, whole.Next, at))
		}
		a := l.partitions[p]
		i := slices.Index(a.open, e)
		a.open = slices.Replace(slices.Clone(a.open), i, i+1, in...)
	}
	delete(l.batches, id)
}

// intents returns the partition's share of each of the batches that have one,
// ascending.
func intents(partition int32, batches []Batch) []Intent {
	var out []Intent
	for _, b := range batches {
		if _, ok := b.Spans[partition]; ok {
			out = append(out, b.intent(partition))
		}
	}
	slices.SortFunc(out, func(a, b Intent) int { return cmp.Compare(a.First, b.First) })
	return out
}
