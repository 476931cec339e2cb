package intent

import (
	"fmt"
	"slices"
)

// Do is what a step of a settlement is.
type Do int

// The steps of a settlement.
const (
	// Claim: commit State. Accepted, it says that we are current.
	Claim Do = iota + 1
	// Rebuild: rebuild the window of identities from the receipts.
	Rebuild
	// Check: ask the receipts how many of the intent's rows are not stored, and
	// answer with Checked.
	Check
	// Store: insert those rows under Token, on the intent's shard.
	Store
	// Confirm: commit State.
	Confirm
	// Finished: nothing is pending; reading goes on at State.Offset.
	Finished
)

// String names the step.
func (d Do) String() string {
	switch d {
	case Claim:
		return "claim"
	case Rebuild:
		return "rebuild"
	case Check:
		return "check"
	case Store:
		return "store"
	case Confirm:
		return "confirm"
	case Finished:
		return "finished"
	}
	return fmt.Sprintf("Do(%d)", int(d))
}

// Step is one thing to be done.
type Step struct {
	Do     Do
	Intent Intent // Check and Store
	Token  string // Store
	State  State  // Claim, Confirm and Finished
}

// Settlement is what a new owner does before it reads anything of a partition.
type Settlement struct {
	partition int32
	state     State // as it is committed, or is to be by a Claim
	do        Do
	rebuilt   bool
	spent     bool // Store was done under the token of the first pending intent
	pending   bool // there was something to settle
}

// NewSettlement returns the settlement of a partition from what its commit says.
func NewSettlement(partition int32, s State) *Settlement {
	out := &Settlement{partition: partition, state: s, do: Rebuild, pending: len(s.Pending) > 0}
	if out.pending {
		out.do = Claim
	}
	return out
}

// Next returns what is to be done now, the same until it is reported by Done
// or Checked.
func (s *Settlement) Next() Step {
	step := Step{Do: s.do}
	switch s.do {
	case Claim, Confirm, Finished:
		step.State = s.state
	case Store:
		step.Intent = s.state.Pending[0]
		step.Token = step.Intent.Token(s.partition)
	case Check:
		step.Intent = s.state.Pending[0]
	}
	return step
}

// Done says that the step was done.
func (s *Settlement) Done() {
	switch s.do {
	case Claim:
		// The first claim leads to the window; one that names a further token,
		// to the insert under it.
		s.do = Store
		if !s.rebuilt {
			s.do = Rebuild
		}
	case Rebuild:
		s.rebuilt = true
		s.look()
	case Store:
		s.spent = true
		s.do = Check
	case Confirm:
		s.do = Finished
	default:
		panic("BUG: done: " + s.do.String())
	}
}

// Checked says that so many rows of the intent are not stored.
func (s *Settlement) Checked(missing int) {
	if s.do != Check || missing < 0 {
		panic(fmt.Sprintf("BUG: checked %d at %s", missing, s.do))
	}
	switch {
	case missing == 0:
		s.state = State{Offset: s.state.Pending[0].Next, Pending: s.state.Pending[1:]}
		s.spent = false
		s.look()
	case s.spent:
		s.state.Pending = slices.Clone(s.state.Pending)
		s.state.Pending[0].Step++
		s.state.Offset = s.state.Pending[0].First
		s.spent = false
		s.do = Claim
	default:
		s.do = Store
	}
}

// look goes on with the oldest intent that is left.
func (s *Settlement) look() {
	switch {
	case len(s.state.Pending) > 0:
		s.do = Check
	case s.pending:
		s.do = Confirm
	default:
		s.do = Finished
	}
}
