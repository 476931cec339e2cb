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
	defer func() { n.claims = nil }()
	var (
		s       = NewSettlement(p, state)
		seen    = map[int]bool{}
		rows    []row // of the intent, that the window lets through
		missing []row
		of      Intent
		said    State // as Kafka has accepted it last
		most    = len(w.logs) * w.Records
		claimed int  // the proof of the first claim
		trusted bool // without receipts: what was acknowledged
	)
	put := func(state State, off bool) bool {
		if !off && !n.put(yield, l, func() bool { return n.owns(l, p, pos) }, map[int32]State{p: state}) {
			return false
		}
		n.claim(p, state)
		return true
	}
	for {
		switch step := s.Next(); step.Do {
		case Claim, Confirm:
			off := w.Off.Claim && step.Do == Claim && claimed == 0 || w.Off.Step && step.Do == Claim && claimed > 0
			if !put(step.State, off) {
				return
			}
			if said = step.State; claimed == 0 {
				claimed = w.accepted
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
			if of.Batch != step.Intent.Batch {
				of, rows, trusted = step.Intent, w.read(p, step.Intent.First, step.Intent.Next, seen), false
			}
			if missing = n.missing(rows); trusted {
				missing = nil
			}
			s.Checked(len(missing))
		case Store:
			if !w.Off.Fence || step.Intent.Step > 0 {
				out := n.store(yield, storing{
					aim: func() aim { return n.claimed(step.Token) }, late: func() { n.claims = nil }, most: &most, alone: step.Alone || w.Off.Wait,
					prove: func() bool { return put(said, w.Off.Proof) },
				}, missing)
				if out.doubt {
					if n.owns(l, p, pos) {
						n.doubt()
					}
					return
				}
				if rows = without(rows, out.dead); out.unspent {
					s.Unspent()
					break
				}
			}
			trusted = w.Off.Receipts
			s.Done()
		case Wait:
			for w.inFlight(func(a aim) bool { return a.proof < claimed && a.token != "" }) {
				yield()
			}
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

// storing is how rows are stored.
type storing struct {
	// aim is what attempts are sent under, with no token where a proof is wanted;
	// late gives it up.
	aim  func() aim
	late func()
	most *int // rows of a day to begin with
	// alone: nobody else has an attempt in flight that could store a row later
	// than it is dead-lettered, though no token keeps it out.
	alone bool
	// prove has Kafka accept, once more, what says that the rows are the node's to
	// store, and renews the aim. false: they are not.
	prove func() bool
}

// outcome is what became of the rows.
type outcome struct {
	dead []row // dead-lettered
	// sure: all others are stored without having to ask. Each was sent once, and
	// each was acknowledged.
	sure bool
	// unspent: in some day nothing was taken, and others may have attempts in
	// flight.
	unspent bool
	// doubt: what was not answered may be stored or not, and the rows are not the
	// node's, or fewer of them would be taken for it.
	doubt bool
}

// store spends the token, in each day of the rows, by an insert of them or of as
// many as the server takes.
//
// The aim is given up where an answer is missing: nobody knows how long that took.
func (n *node) store(yield yield, as storing, rows []row) (out outcome) {
	out.sure = true
	again := false
	for day := range days {
		left, _ := ofDay(rows, day)
		try := left[:min(len(left), *as.most)]
		out.sure = out.sure && len(try) == len(left)
		var refusedAlone []row
		taken, unanswered := len(try) == 0, false
		for len(try) > 0 {
			if as.aim().token == "" && !as.prove() {
				out.doubt = true
				return out
			}
			if again {
				if try = n.missing(try); len(try) == 0 {
					taken = true
					break
				}
			}
			yield()
			m := n.w.send(n, as.aim(), day, try)
			for m.answer == none {
				yield()
			}
			if m.answer == stored {
				taken = true
				break
			}
			out.sure = out.sure && n.w.Off.Ask
			switch {
			case m.answer == lost:
				as.late()
				yield()
				again, unanswered = !n.w.Off.Ask, true
			case unanswered:
				out.doubt = true
				return out
			case len(try) > 1:
				try = try[:len(try)/2]
				out.sure = false
				if n.w.Off.Spent {
					*as.most = len(try)
					return out
				}
			default:
				refusedAlone = append(refusedAlone, try[0])
				left = without(left, try)
				try = left
			}
		}
		if !taken && !as.alone {
			out.unspent = true
			continue
		}
		for _, r := range refusedAlone {
			n.w.dead[r] = true
		}
		out.dead = append(out.dead, refusedAlone...)
	}
	return out
}

// claim notes that Kafka has accepted what is pending of the partition.
func (n *node) claim(p int32, s State) {
	n.claims = nil
	for _, in := range s.Pending {
		n.claims = append(n.claims, aim{in.Token(p), n.w.accepted})
	}
}

// claimed returns the claim of a token, if it is fresh.
func (n *node) claimed(token string) aim {
	if i := slices.IndexFunc(n.claims, func(a aim) bool { return a.token == token }); i >= 0 {
		return n.claims[i]
	}
	return aim{}
}

func without(rows, some []row) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return slices.Contains(some, r) })
}
