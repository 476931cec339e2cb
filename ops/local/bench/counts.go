package bench

import (
	"fmt"
	"maps"
	"slices"
)

// counts are what is stored of one partition.
type counts struct {
	Rows uint64
	// Offsets is the sum of the rows' offsets, First and Last their least and
	// greatest: equal numbers of other rows would show.
	Offsets, First, Last int64
	// Distinct is how many different offsets there are.
	Distinct uint64
}

// want is what has to be stored of a span: each of its offsets once.
func (s span) want() counts {
	n := s.Next - s.First
	return counts{
		Rows: uint64(n), Distinct: uint64(n),
		Offsets: n * (s.First + s.Next - 1) / 2,
		First:   s.First, Last: s.Next - 1,
	}
}

// compare says what is wrong with what is stored, partition by partition.
func compare(stored map[int32]counts, topic map[int32]span) (wrong []string) {
	for _, p := range slices.Sorted(maps.Keys(topic)) {
		if want, got := topic[p].want(), stored[p]; got != want {
			wrong = append(wrong, fmt.Sprintf("partition %d: stored are %+v, want %+v", p, got, want))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(stored)) {
		if _, ok := topic[p]; !ok {
			wrong = append(wrong, fmt.Sprintf("partition %d: stored are %+v, nothing is in the topic", p, stored[p]))
		}
	}
	return wrong
}
