package audit

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// set is a plain set of offsets, to hold ranges and bits against.
type set map[int64]bool

func (s set) ranges() (rs Ranges) {
	all := make([]int64, 0, len(s))
	for o := range s {
		all = append(all, o)
	}
	slices.Sort(all)
	for _, o := range all {
		rs = rs.add(Range{o, o + 1})
	}
	return rs
}

func drawSet(t *rapid.T, label string, of Range) set {
	s := set{}
	for _, r := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
		first := rapid.Int64Range(of.First, of.Next-1).Draw(t, "first")
		return Range{first, min(of.Next, first+rapid.SampledFrom([]int64{1, 1, 2, 64, 100}).Draw(t, "offsets"))}
	}), 0, 12).Draw(t, label) {
		for o := r.First; o < r.Next; o++ {
			s[o] = true
		}
	}
	return s
}

func same2(t *rapid.T, what string, got, want Ranges) {
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestRangesAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := Range{rapid.Int64Range(0, 200).Draw(t, "first"), 0}
		of.Next = of.First + rapid.Int64Range(1, 400).Draw(t, "offsets")
		s := drawSet(t, "set", of)
		rs := s.ranges()
		if rs.Count() != int64(len(s)) {
			t.Fatalf("%v has %d offsets, want %d", rs, rs.Count(), len(s))
		}
		for i := 1; i < len(rs); i++ {
			if rs[i].First <= rs[i-1].Next {
				t.Fatalf("%v and %v should be one or in order", rs[i-1], rs[i])
			}
		}

		other := drawSet(t, "other", of)
		var offsets []int64
		for _, r := range other.ranges() {
			for o := r.First; o < r.Next; o++ {
				offsets = append(offsets, o)
			}
		}
		rest := set{}
		for o := range s {
			if !other[o] {
				rest[o] = true
			}
		}
		without, found := rs.without(offsets)
		same2(t, "without", without, rest.ranges())
		if found != rs.Count()-without.Count() {
			t.Fatalf("without found %d, and took %d", found, rs.Count()-without.Count())
		}

		at := rapid.Int64Range(of.First-1, of.Next+1).Draw(t, "at")
		low, high := set{}, set{}
		for o := range s {
			if o < at {
				low[o] = true
			} else {
				high[o] = true
			}
		}
		below, above := rs.split(at)
		same2(t, "below", below, low.ranges())
		same2(t, "above", above, high.ranges())

		most := rapid.Int64Range(0, 100).Draw(t, "most")
		stretches := slices.Clone(rs).stretches(most)
		for _, r := range rs {
			if !slices.ContainsFunc(stretches, func(s Range) bool { return s.First <= r.First && r.Next <= s.Next }) {
				t.Fatalf("%v is in no stretch of %v", r, stretches)
			}
		}
		for i := 1; i < len(stretches); i++ {
			if stretches[i].First-stretches[i-1].Next <= most {
				t.Fatalf("%v and %v are no more than %d apart", stretches[i-1], stretches[i], most)
			}
		}

		at = of.First
		size := rapid.Int64Range(1, 100).Draw(t, "size")
		for _, c := range of.chunks(size) {
			if c.First != at || c.Count() > size || c.Count() <= 0 {
				t.Fatalf("chunk %v at %d of %v", c, at, of)
			}
			at = c.Next
		}
		if at != of.Next {
			t.Fatalf("the chunks end at %d, want %d", at, of.Next)
		}
	})
}

func TestBitmapIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := Range{rapid.Int64Range(0, 200).Draw(t, "first"), 0}
		of.Next = of.First + rapid.Int64Range(1, 400).Draw(t, "offsets")
		hot, sealed := drawSet(t, "hot", of), drawSet(t, "sealed", of)
		b := newBitmap(of)
		all, twice := set{}, set{}
		for _, table := range []set{hot, sealed} {
			words := map[int64]uint64{}
			rows := map[int64]uint64{}
			for o := range table {
				words[o/64] |= 1 << (o % 64)
				rows[o/64]++
				twice[o] = all[o]
				all[o] = true
			}
			for w := range words {
				b.add(w, words[w], rows[w])
			}
		}
		if b.stored() != int64(len(all)) {
			t.Fatalf("%d are stored, want %d", b.stored(), len(all))
		}
		asked, gone := drawSet(t, "asked", of), set{}
		for o := range asked {
			if !all[o] {
				gone[o] = true
			}
			if b.has(o) != all[o] {
				t.Fatalf("offset %d: stored %v, want %v", o, b.has(o), all[o])
			}
		}
		same2(t, "missing", b.missing(asked.ranges()), gone.ranges())
		suspects := b.suspects()
		for o, doubled := range twice {
			if doubled && !slices.ContainsFunc(suspects, func(r Range) bool { return r.Has(o) }) {
				t.Fatalf("offset %d is doubled, and not suspected: %v", o, suspects)
			}
		}
	})
}

func TestOffsetsOutOfOrderAreABug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("ranges out of order were taken")
		}
	}()
	Ranges{{5, 9}}.add(Range{8, 10})
}

func TestTallyMergesWhatBelongsTogether(t *testing.T) {
	var a tally
	a.found(Missing, Range{1, 2}, "lost")
	a.found(Missing, Range{2, 3}, "lost")
	a.found(Doubled, Range{3, 4}, "twice")
	a.found(Missing, Range{3, 5}, "lost")
	a.found(Missing, Range{5, 6}, "otherwise")
	want := []Finding{{Kind: Missing, Range: Range{1, 5}, Why: "lost"}, {Kind: Doubled, Range: Range{3, 4}, Why: "twice"}, {Kind: Missing, Range: Range{5, 6}, Why: "otherwise"}}
	if !reflect.DeepEqual(a.findings, want) || a.Missing != 5 || a.Doubled != 1 {
		t.Errorf("got %v with %d missing, want %v with 5", a.findings, a.Missing, want)
	}
	for i := range int64(maxFindings) {
		a.found(Missing, Range{10 + 2*i, 11 + 2*i}, "lost")
	}
	if len(a.findings) != maxFindings || a.withheld != 3 || a.Missing != 5+maxFindings {
		t.Errorf("%d findings, %d withheld, %d missing; want %d, 3, %d", len(a.findings), a.withheld, a.Missing, maxFindings, 5+maxFindings)
	}
}
