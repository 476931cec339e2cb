package intent

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// task is something a node does with I/O in it. At each yield anything else
// may happen.
type task struct {
	step func() bool // false: it has ended
	stop func()
}

type yield func()

// ended unwinds a task that is stopped.
type ended struct{}

func newTask(f func(yield)) *task {
	next, stop := iter.Pull(func(y func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				panic(r)
			}
		}()
		f(func() {
			if !y(struct{}{}) {
				panic(ended{})
			}
		})
	})
	return &task{step: func() bool { _, ok := next(); return ok }, stop: stop}
}

// node is one lane and a member of the group. It does what Ledger and
// Settlement say.
type node struct {
	w       *world
	id      int
	member  int  // which of its memberships this is; only Kafka tells them apart
	joining bool // it was thrown out while it joined
	frozen  int  // for so many of its turns
	// claims are what attempts of the settlement may be sent under.
	claims     []aim
	generation int
	main       *task
	lane       *lane
	leaving    int32 // the partition it is asked to hand over; -1 for none
	doubts     bool  // an insert has made it doubt
}

// aim is under which token attempts are sent, and on the strength of which
// commit: so many were accepted with it. After a time nobody knows it is given up.
type aim struct {
	token string // "" for none
	proof int
}

// lane is what one ledger is about. A node in doubt begins another.
type lane struct {
	ledger *Ledger
	owned  map[int32]*position
	flight []*flight
}

// position is where the node is in a partition under one ownership.
type position struct {
	member  int // which the partition was given to
	settled bool
	next    int64
	gaps    []Range      // below next, still to be read
	seen    map[int]bool // identities
}

// flight is a batch in flight.
type flight struct {
	Batch
	rows []row // not known to be stored
	io   *task // nil until it may be inserted
	aim  aim
	asks bool // for another proof
	most int  // rows of a day to begin with
	done bool
}

func newNode(w *world, id int) *node {
	n := &node{w: w, id: id, generation: -1, leaving: -1, lane: newLane()}
	n.main = newTask(n.run)
	return n
}

func newLane() *lane { return &lane{ledger: NewLedger(), owned: map[int32]*position{}} }

func (n *node) kill() {
	n.main.stop()
	for _, f := range n.lane.flight {
		f.land()
	}
}

func (f *flight) land() {
	if f.io != nil {
		f.io.stop()
	}
}

// step runs one of the node's tasks up to its next yield.
func (n *node) step() {
	l := n.lane
	if i := n.w.rng.IntN(len(l.flight) + 1); i < len(l.flight) {
		if f := l.flight[i]; f.io != nil && !f.io.step() {
			if f.io = nil; n.doubts {
				n.doubt()
				return
			}
			if !f.done {
				return
			}
			l.flight = slices.DeleteFunc(l.flight, func(o *flight) bool { return o == f })
		}
		return
	}
	n.main.step()
}

// join learns of a generation.
func (n *node) join() {
	w := n.w
	missed := n.generation != w.generation-1
	n.generation = w.generation
	lostOne := false
	for p := range n.lane.owned {
		lostOne = lostOne || w.owner[p] != n
	}
	if (missed || lostOne) && !w.Off.Gate {
		// What it missed, another may have owned and moved. What it shares a
		// batch with a partition it lost is doubtful with it.
		n.doubt()
		for p := range n.lane.owned {
			if missed || w.owner[p] != n {
				delete(n.lane.owned, p)
			}
		}
	}
	for p := range w.owner {
		if w.owner[p] == n && n.lane.owned[p] == nil {
			n.lane.owned[p] = &position{member: n.member}
		}
	}
	w.logf("n%d joins generation %d", n.id, n.generation)
}

// doubt throws the ledger away. Inserts are given up, and may still land.
func (n *node) doubt() {
	n.w.logf("n%d is in doubt", n.id)
	n.doubts = false
	old := n.lane
	n.lane = newLane()
	for p := range old.owned {
		n.lane.owned[p] = &position{member: n.member}
	}
	for _, f := range old.flight {
		f.land()
	}
}

// run is the node's main task: it settles, cuts and commits.
func (n *node) run(yield yield) {
	for {
		yield()
		l := n.lane
		if p, pos := n.unsettled(); pos != nil {
			n.settle(yield, p, pos)
			continue
		}
		if n.handedOver() {
			continue
		}
		if l.ledger.InFlight() < n.w.Depth && n.w.chance(60) {
			n.cut(yield)
		}
		if n.w.chance(60) {
			n.commit(yield)
		}
	}
}

func (n *node) unsettled() (int32, *position) {
	for _, p := range slices.Sorted(maps.Keys(n.lane.owned)) {
		if pos := n.lane.owned[p]; !pos.settled {
			return p, pos
		}
	}
	return 0, nil
}

// handedOver gives up the partition it was asked for, once nothing of it is
// left to do.
func (n *node) handedOver() bool {
	l, p := n.lane, n.leaving
	if p < 0 || !n.w.members[n] || n.generation != n.w.generation {
		return false
	}
	if l.owned[p] == nil {
		n.leaving = -1
		return false
	}
	for _, f := range l.flight {
		if _, ok := f.Spans[p]; ok {
			return false
		}
	}
	if _, due := l.ledger.Due()[p]; due {
		return false
	}
	l.ledger.End(p)
	delete(l.owned, p)
	n.leaving = -1
	n.w.handOver(p)
	return true
}

// current says whether the lane is still the node's: the gate.
func (n *node) current(l *lane) bool { return n.lane == l || n.w.Off.Gate }

// put has Kafka accept the states, as often as it takes: what is refused is
// repeated, and so is what is not answered, for as long as it is the lane's to
// say. What another member was given is not.
func (n *node) put(yield yield, l *lane, current func() bool, states map[int32]State) bool {
	for current() {
		for p := range states {
			if l.owned[p].member != n.member && !n.w.Off.Member {
				n.doubt()
				return false
			}
		}
		if n.w.commit(n, states) == nil {
			return true
		}
		yield()
	}
	return false
}

// cut declares a batch of what follows in the lane's partitions.
func (n *node) cut(yield yield) {
	w, l := n.w, n.lane
	b := Batch{ID: fmt.Sprintf("b%d", w.batch), At: int64(w.batch), Spans: map[int32]Span{}}
	w.batch++
	for _, p := range slices.Sorted(maps.Keys(l.owned)) {
		pos := l.owned[p]
		at := Range{pos.next, int64(len(w.logs[p]))}
		if len(pos.gaps) > 0 && w.chance(50) {
			at = pos.gaps[0]
		}
		at.Next = min(at.Next, at.First+int64(w.rng.IntN(4)))
		if pos.settled && p != n.leaving && at.Next > at.First {
			b.Spans[p] = Span{Shard: "s1", First: at.First, Next: at.Next}
		}
	}
	yield()
	if len(b.Spans) == 0 || !n.current(l) || !l.ledger.Fits(b) {
		return
	}
	f := &flight{Batch: b, most: len(w.logs) * w.Records}
	for _, p := range slices.Sorted(maps.Keys(b.Spans)) {
		s := b.Spans[p]
		pos := l.owned[p]
		f.rows = append(f.rows, w.read(p, s.First, s.Next, pos.seen)...)
		pos.read(s.Next)
	}
	l.ledger.Declare(b)
	l.flight = append(l.flight, f)
}

// read notes that the records up to next were read, at the head or in the first
// gap.
func (pos *position) read(next int64) {
	if len(pos.gaps) == 0 || next > pos.gaps[0].Next {
		pos.next = next
		return
	}
	if pos.gaps[0].First = next; next == pos.gaps[0].Next {
		pos.gaps = pos.gaps[1:]
	}
}

// read returns the rows of a span whose identities were not seen.
func (w *world) read(p int32, first, next int64, seen map[int]bool) (rows []row) {
	for o := first; o < next; o++ {
		if r := w.logs[p][o]; !seen[r.identity] {
			seen[r.identity] = true
			rows = append(rows, row{p, o, r})
		}
	}
	return rows
}

// commit tells Kafka what is due, or all there is to tell where that is asked
// for.
func (n *node) commit(yield yield) {
	l := n.lane
	due := l.ledger.Due()
	var asking []*flight
	for _, f := range l.flight {
		if f.asks {
			asking, due = append(asking, f), l.ledger.Says()
		}
	}
	if len(due) == 0 {
		return
	}
	yield()
	say := due
	if n.w.Off.Intent {
		say = map[int32]State{}
		for p, s := range due {
			say[p] = State{Offset: s.Offset, Done: s.Done}
		}
	}
	if !n.put(yield, l, func() bool { return n.current(l) }, say) {
		return
	}
	l.ledger.Committed(due)
	for _, f := range asking {
		f.asks, f.aim = false, aim{f.ID, n.w.accepted}
	}
	n.begin()
}

// begin starts the inserts of what Kafka knows of.
func (n *node) begin() {
	l := n.lane
	for _, f := range l.flight {
		if f.io == nil && l.ledger.Insertable(f.ID) {
			f.aim = aim{f.ID, n.w.accepted}
			f.io = newTask(func(yield yield) { n.insert(yield, l, f) })
		}
	}
}

// insert stores a batch, however long it takes, or renews it for what is left.
func (n *node) insert(yield yield, l *lane, f *flight) {
	out := n.store(yield, storing{
		aim: func() aim { return f.aim }, late: func() { f.aim = aim{} }, most: &f.most, alone: true,
		prove: func() bool {
			if n.w.Off.Proof {
				f.aim = aim{f.ID, n.w.accepted}
				return true
			}
			for f.asks = true; f.asks; {
				yield()
			}
			return true
		},
	}, f.rows)
	if n.doubts = out.doubt; n.doubts {
		return
	}
	f.aim = aim{}
	yield()
	f.rows = without(f.rows, out.dead)
	if !out.sure && !n.w.Off.Receipts {
		f.rows = n.missing(f.rows)
	} else {
		f.rows = nil
	}
	if f.done = len(f.rows) == 0; f.done {
		l.ledger.Stored(f.ID)
		return
	}
	id, _, _ := strings.Cut(f.ID, ".")
	as := fmt.Sprintf("%s.%d", id, n.w.batch)
	n.w.batch++
	l.ledger.Renew(f.ID, as)
	f.ID = as
}

// missing returns those of the rows that are not stored.
func (n *node) missing(rows []row) (out []row) {
	for _, r := range rows {
		if !slices.Contains(n.w.receipts(r.partition), r) {
			out = append(out, r)
		}
	}
	return out
}

func ofDay(rows []row, day int) (of, rest []row) {
	for _, r := range rows {
		if r.day == day {
			of = append(of, r)
		} else {
			rest = append(rest, r)
		}
	}
	return of, rest
}
