package intent

import (
	"fmt"
	"slices"
)

// Do is what a step of a settlement is.
type Do int

// The steps of a settlement. The first is Claim if anything is pending, else
// Rebuild.
const (
	// Claim: commit State. Accepted, it says that we are current; refused, or
	// without an answer, it ends the settlement: begin anew, if it is still ours.
	Claim Do = iota + 1
	// Rebuild: rebuild the window of identities from the receipts of what State
	// says is done. Once.
	Rebuild
	// Check: ask the receipts how many of the intent's rows are not stored, and
	// say so by Checked. Its rows are those of its span that the window lets
	// through; one that was dead-lettered is none. Read the span when its first
	// Check comes: the rows of an older intent are in the window by then.
	Check
	// Store: insert those rows, on the intent's shard, under Token; one insert a
	// day. Of a day the server refuses, as many rows as it takes. Where it takes
	// none, the token is not spent in that day: say so by Unspent, unless the step
	// is Alone.
	Store
	// Wait until every attempt of others has had its effect, or never will. They rest
	// on commits that were accepted before the first Claim.
	Wait
	// Confirm: commit State, as for a Claim. Only if anything was pending.
	Confirm
	// Finished: reading goes on at State.Offset, and wherever else State has a
	// gap or an end.
	Finished
)

// String names the step.
func (d Do) String() string {
	names := []string{"", "claim", "rebuild", "check", "store", "wait", "confirm", "finished"}
	if d < Claim || d > Finished {
		return fmt.Sprintf("Do(%d)", int(d))
	}
	return names[d]
}

// Step is one thing to be done.
type Step struct {
	Do     Do
	Intent Intent // of a Check, a Store and a Wait
	Token  string // of a Store
	State  State  // of a Claim, a Rebuild, a Confirm, and Finished
	// Alone is of a Store after a Wait: nobody else's attempts are left, so a row
	// that is refused alone is never stored, whatever the server refuses later.
	Alone bool
}

// Settlement is what a new owner does before it reads anything of a partition.
// It is abandoned, at any step, by forgetting about it: the next begins from
// what Kafka has committed by then. It is for one goroutine.
type Settlement struct {
	partition int32
	do        Do
	// state is what is not settled yet, and what the next commit says. Its first
	// intent is the one at work.
	state   State
	pending bool // there was something to settle
	rebuilt bool // Rebuild was done
	alone   bool // Wait was done
	// spent: Store was done under the token the first intent has now.
	spent bool
}

// NewSettlement returns the settlement of a partition whose commit says s.
func NewSettlement(partition int32, s State) *Settlement {
	out := &Settlement{partition: partition, state: s, do: Rebuild, pending: len(s.Pending) > 0}
	if out.pending {
		out.do = Claim
	}
	return out
}

// Next returns what is to be done now, the same until it is reported by Done
// or, for a Check, by Checked.
func (s *Settlement) Next() Step {
	step := Step{Do: s.do}
	switch s.do {
	case Claim, Rebuild, Confirm, Finished:
		step.State = s.state
	case Check, Wait:
		step.Intent = s.state.Pending[0]
	case Store:
		step.Intent = s.state.Pending[0]
		step.Token = step.Intent.Token(s.partition)
		step.Alone = s.alone
	}
	return step
}

// Done says that the step was done.
func (s *Settlement) Done() {
	switch s.do {
	case Claim:
		// The first leads to the window; one that names a further token to the
		// insert under it.
		s.do = Store
		if !s.rebuilt {
			s.do = Rebuild
		}
	case Rebuild:
		s.rebuilt = true
		s.goOn()
	case Store:
		s.spent = true
		s.do = Check
	case Wait:
		s.alone = true
		s.do = Check
	case Confirm:
		s.do = Finished
	default:
		panic("BUG: done, at the step " + s.do.String())
	}
}

// Unspent says that the Store was done, and that in some day the server took none
// of the rows: no token keeps out what others may still have in flight.
func (s *Settlement) Unspent() {
	if s.do != Store || s.alone {
		panic(fmt.Sprintf("BUG: a token is unspent, at the step %s", s.do))
	}
	s.do = Wait
}

// Checked says that so many rows of the intent are not stored.
func (s *Settlement) Checked(missing int) {
	if s.do != Check || missing < 0 {
		panic(fmt.Sprintf("BUG: checked %d missing, at the step %s", missing, s.do))
	}
	switch {
	case missing == 0:
		// No fence is needed where all is stored: the tokens under which it was
		// are spent.
		done := s.state.Pending[0]
		s.state.Pending = s.state.Pending[1:]
		s.state.store(Range{done.First, done.Next})
		s.spent = false
		s.goOn()
	case s.spent:
		s.state.Pending = slices.Clone(s.state.Pending)
		s.state.Pending[0].Step++
		s.spent = false
		s.do = Claim
	default:
		s.do = Store
	}
}

// goOn turns to the oldest intent that is left.
func (s *Settlement) goOn() {
	switch {
	case len(s.state.Pending) > 0:
		s.do = Check
	case s.pending:
		s.do = Confirm
	default:
		s.do = Finished
	}
}
