package audit

import "fmt"

// Range is the offsets [First, Next) of one partition.
type Range struct {
	First int64 `json:"first"`
	Next  int64 `json:"next"`
}

// Count returns how many offsets the range has.
func (r Range) Count() int64 { return r.Next - r.First }

// Has reports whether the offset is in the range.
func (r Range) Has(offset int64) bool { return r.First <= offset && offset < r.Next }

// Ranges are offsets of one partition, as few ranges as describe them:
// ascending, none empty, and none touching the one before.
type Ranges []Range

// add returns the offsets with those of r, which begins at or after the end of
// what is there.
func (rs Ranges) add(r Range) Ranges {
	last := len(rs) - 1
	switch {
	case r.First >= r.Next:
		return rs
	case last >= 0 && r.First < rs[last].Next:
		panic(fmt.Sprintf("BUG: offsets %+v after %+v", r, rs[last]))
	case last >= 0 && r.First == rs[last].Next:
		rs[last].Next = r.Next
		return rs
	}
	return append(rs, r)
}

// Count returns how many offsets there are.
func (rs Ranges) Count() (n int64) {
	for _, r := range rs {
		n += r.Count()
	}
	return n
}

// without parts the offsets by whether they are among the given ones, which
// ascend.
func (rs Ranges) without(offsets []int64) (rest Ranges, found int64) {
	i := 0
	for _, r := range rs {
		for i < len(offsets) && offsets[i] < r.First {
			i++
		}
		for at := r.First; at < r.Next; {
			if i == len(offsets) || offsets[i] >= r.Next {
				rest = rest.add(Range{at, r.Next})
				break
			}
			rest = rest.add(Range{at, offsets[i]})
			at = offsets[i] + 1
			found++
			i++
		}
	}
	return rest, found
}

// split parts the offsets at one of them.
func (rs Ranges) split(at int64) (below, above Ranges) {
	for _, r := range rs {
		below = below.add(Range{r.First, min(r.Next, at)})
		above = above.add(Range{max(r.First, at), r.Next})
	}
	return below, above
}

// stretches covers the offsets with ranges worth reading in one go: those that
// are no further apart than most, with what is between them.
func (rs Ranges) stretches(most int64) (all Ranges) {
	for _, r := range rs {
		if last := len(all) - 1; last >= 0 && r.First-all[last].Next <= most {
			all[last].Next = r.Next
			continue
		}
		all = append(all, r)
	}
	return all
}

// chunks parts a range into ranges of a number of offsets at most, each of which
// begins at a multiple of it but for the first.
func (r Range) chunks(size int64) (all []Range) {
	for first := r.First; first < r.Next; {
		next := min(r.Next, (first/size+1)*size)
		all = append(all, Range{first, next})
		first = next
	}
	return all
}
