package intent

import (
	"cmp"
	"slices"
)

// settle does what a Settlement says, until it is finished or the partition
// is no longer the node's under this ownership. Then the next turn begins anew.
func (n *node) settle(yield yield, p int32, pos *position) {
	w, l := n.w, n.lane
	state, err := w.fetch(p)
	if err != nil {
		panic(err)
	}
	if w.Off.Done {
		state.Done = nil
	}
	if w.Off.Order {
		slices.SortFunc(state.Pending, func(a, b Intent) int { return cmp.Compare(a.First, b.First) })
	}
	yield()
	defer func() { n.aim, n.claims = "", nil }()
	var (
		s       = NewSettlement(p, state)
		seen    = map[int]bool{}
		rows    []row // of the intent, that the window lets through
		missing []row
		of      Intent
		most    = len(w.logs) * w.Records
		claimed bool
		trusted bool // without receipts: what was acknowledged
	)
	for {
		switch step := s.Next(); step.Do {
		case Claim, Confirm:
			off := w.Off.Claim && step.Do == Claim && !claimed || w.Off.Step && step.Do == Claim && claimed
			if !off && !n.put(yield, l, func() bool { return n.owns(l, p, pos) }, map[int32]State{p: step.State}) {
				return
			}
			claimed = true
			n.claims = nil
			for _, in := range step.State.Pending {
				n.claims = append(n.claims, in.Token(p))
			}
			s.Done()
		case Rebuild:
			for _, r := range w.receipts(p) {
				if step.State.Covers(Range{r.offset, r.offset + 1}) {
					seen[r.identity] = true
				}
			}
			s.Done()
		case Check:
			n.aim = step.Intent.Token(p)
			if of.Batch != step.Intent.Batch {
				of, rows, trusted = step.Intent, w.read(p, step.Intent.First, step.Intent.Next, seen), false
			}
			if missing = n.missing(rows); trusted {
				missing = nil
			}
			s.Checked(len(missing))
		case Store:
			n.aim = step.Token
			if !w.Off.Fence || step.Intent.Step > 0 {
				dead, _ := n.store(yield, step.Token, &n.aim, missing, &most)
				rows = without(rows, dead)
			}
			trusted = w.Off.Receipts
			s.Done()
		case Finished:
			if n.owns(l, p, pos) {
				head := step.State.End()
				if most := int64(len(w.logs[p])); head < most && step.State.MayJump() && w.chance(w.Fresh) {
					head += 1 + w.rng.Int64N(most-head)
				}
				*pos = position{member: pos.member, settled: true, next: head, gaps: step.State.Gaps(head), seen: seen}
				l.ledger.Begin(p, step.State, head)
			}
			return
		}
		yield()
	}
}

func (n *node) owns(l *lane, p int32, pos *position) bool {
	return n.current(l) && l.owned[p] == pos
}

// store spends the token, in each day of the rows, by an insert of them or of as
// many as the server takes. It returns the rows it has dead-lettered, and
// whether all others are stored without having to ask: each was sent once, and
// each was acknowledged.
//
// The sender has looked at the receipts, or just begun: the aim is set. It is
// given up where an answer is missing: nobody knows how long that took.
func (n *node) store(yield yield, token string, aim *string, rows []row, most *int) (dead []row, sure bool) {
	sure = true
	again := false
	for day := range days {
		left, _ := ofDay(rows, day)
		try := left[:min(len(left), *most)]
		sure = sure && len(try) == len(left)
		for len(try) > 0 {
			if again {
				*aim = token
				if try = n.missing(try); len(try) == 0 {
					break
				}
			}
			yield()
			m := n.w.send(n, token, day, try)
			for m.answer == none {
				yield()
			}
			if m.answer == stored {
				break
			}
			sure = sure && n.w.Off.Ask
			switch {
			case m.answer == lost:
				*aim = ""
				yield()
				again = !n.w.Off.Ask
			case len(try) > 1:
				try = try[:len(try)/2]
				sure = false
				if n.w.Off.Spent {
					*most = len(try)
					return dead, false
				}
			default:
				n.w.dead[try[0]] = true
				dead = append(dead, try[0])
				left = without(left, try)
				try = left
			}
		}
	}
	*aim = ""
	return dead, sure
}

func without(rows, some []row) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return slices.Contains(some, r) })
}
