package receipts

import (
	"cmp"
	"iter"
	"slices"
)

// piece is a part of a span.
type piece struct {
	Span
	of Span
}

// pack cuts spans into pieces for one statement each group: of at most most
// offsets together, and each of another partition, so that an answer by
// partition is one by piece.
func pack(spans iter.Seq[Span], most int64) (groups [][]piece) {
	var pieces []piece
	for s := range spans {
		for first := s.First; first < s.Next; {
			next := first + min(most, s.Next-first)
			pieces = append(pieces, piece{Span: Span{s.Partition, first, next}, of: s})
			first = next
		}
	}
	// The first pieces of all partitions come before the second ones.
	turn := map[int32]int{}
	turns := make(map[piece]int, len(pieces))
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.First, b.First), cmp.Compare(a.Next, b.Next))
	})
	for _, p := range pieces {
		turns[p] = turn[p.Partition]
		turn[p.Partition]++
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(turns[a], turns[b]) })

	size := int64(0)
	for i, p := range pieces {
		length := p.Next - p.First
		last := len(groups) - 1
		if i == 0 || turns[p] != turns[groups[last][0]] || size+length > most || len(groups[last]) == rangesAtOnce {
			groups, size = append(groups, nil), 0
			last++
		}
		groups[last] = append(groups[last], p)
		size += length
	}
	return groups
}
