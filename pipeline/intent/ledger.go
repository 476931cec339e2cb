package intent

import (
	"fmt"
	"maps"
	"slices"
)

// Span is a range of offsets [First, Next) of one partition whose rows go to
// one shard. It counts every record, also duplicates and rejects.
type Span struct {
	Shard       string
	First, Next int64
}

// Batch is what a batch accounts for, by partition.
type Batch struct {
	ID    string
	At    int64 // Unix seconds; see Intent.At
	Spans map[int32]Span
}

// maxPending is how many intents a partition may have before no new batch of it
// is declared. More in flight would hide nothing more of an insert's time, and
// so many fit the metadata whatever their names and numbers are.
const maxPending = 16

// Ledger is what one lane has declared, what of it is stored, and so what its
// next offset commit says. It is for one goroutine.
//
// A batch is declared, its intents are committed, it is inserted, it is stored:
// Declare, Due and Committed, Insertable, Stored. The commit that declares a
// batch also confirms what was stored before it.
//
// What the caller guarantees:
//   - One commit at a time. One that was refused, or whose answer was lost, is
//     repeated before any other; where it is given up, the lane is in doubt.
//   - What is committed for a partition is committed under the ownership it was
//     begun under, and as the member it was given to. A partition that was lost makes the lane in doubt, as does a
//     batch that may be neither stored nor not: batches share partitions, so a
//     doubtful one makes all that are in flight doubtful.
//   - A lane in doubt stops its inserts, throws its ledger away, and settles all
//     that it still owns from what Kafka has committed. The ledger has no state
//     for doubt, because nothing of it would be worth keeping.
type Ledger struct {
	partitions map[int32]*account
	// batches are those some partition still lists.
	batches map[string]*entry
}

// account is what the ledger knows of a partition.
type account struct {
	// committed is what Kafka has accepted last.
	committed State
	// stored is what is stored and needs no listing. It has nothing pending.
	stored State
	// declared is what is stored or was declared, ascending and apart, the first
	// from wherever. Reading goes on at the end of each.
	declared []Range
	// open are the batches to be listed, oldest first. The oldest is not stored:
	// what was stored before it needs no listing. One behind it may be, and is
	// listed all the same, wherever in the partition it lies: who settles the
	// older one then knows as little of what followed as who read it.
	open []*entry
}

// entry is a declared batch.
type entry struct {
	Batch
	stored bool
	listed int // in so many partitions
}

// NewLedger returns a ledger of no partition.
func NewLedger() *Ledger {
	return &Ledger{partitions: map[int32]*account{}, batches: map[string]*entry{}}
}

// Begin takes a partition in: it is owned and settled, and Kafka has committed
// that s is done, with nothing pending. Reading goes on at the offset head, which
// is not below the end of s, and in the gaps below it.
func (l *Ledger) Begin(partition int32, s State, head int64) {
	if l.partitions[partition] != nil || len(s.Pending) > 0 || head < s.End() {
		panic(fmt.Sprintf("BUG: p%d begins twice, or at %d with %+v", partition, head, s))
	}
	a := &account{committed: s, stored: s, declared: append([]Range{{s.Offset, s.Offset}}, s.Done...)}
	if head > s.End() {
		a.declared = append(a.declared, Range{head, head})
	}
	l.partitions[partition] = a
}

// End gives a partition up in order: nothing of it is pending, and Kafka knows.
func (l *Ledger) End(partition int32) {
	a := l.account(partition)
	if len(a.open) > 0 || a.due(partition) {
		panic(fmt.Sprintf("BUG: p%d ends at %+v, committed is %+v", partition, a.state(partition), a.committed))
	}
	delete(l.partitions, partition)
}

// Partitions returns the partitions of the ledger, ascending.
func (l *Ledger) Partitions() []int32 { return slices.Sorted(maps.Keys(l.partitions)) }

// InFlight returns how many batches are declared and not stored.
func (l *Ledger) InFlight() (n int) {
	for _, e := range l.batches {
		if !e.stored {
			n++
		}
	}
	return n
}

// Fits says whether the batch may be declared now: each of its partitions has
// fewer than 16 pending.
func (l *Ledger) Fits(b Batch) bool {
	for p := range b.Spans {
		if len(l.account(p).open) >= maxPending {
			return false
		}
	}
	return true
}

// Declare says that the batch is about to be stored. It has to fit. Each of its
// spans follows what was read there before: at the head, or in a gap, of which
// the last ends where the gap does. Offsets in between have no record. Batches
// are declared in the order in which they were read.
func (l *Ledger) Declare(b Batch) {
	if len(b.Spans) == 0 || l.batches[b.ID] != nil || !l.Fits(b) {
		panic(fmt.Sprintf("BUG: declared without spans, twice, or without room: %+v", b))
	}
	for p := range b.Spans {
		in := b.intent(p)
		if err := in.fault(); err != nil {
			panic("BUG: declared: " + err.Error())
		}
		if l.partitions[p].follows(in.First, in.Next) < 0 {
			panic(fmt.Sprintf("BUG: batch %s declares p%d from %d to %d; declared was %v", b.ID, p, in.First, in.Next, l.partitions[p].declared))
		}
	}
	e := &entry{Batch: b, listed: len(b.Spans)}
	e.Spans = maps.Clone(b.Spans)
	l.batches[b.ID] = e
	for p, s := range e.Spans {
		a := l.partitions[p]
		s.First = a.declare(s.First, s.Next)
		e.Spans[p] = s
		a.open = append(a.open, e)
	}
}

// follows returns the index of what was declared that the span follows, -1 if
// it overlaps any.
func (a *account) follows(first, next int64) int {
	i := len(a.declared) - 1
	for i >= 0 && a.declared[i].Next > first {
		i--
	}
	if i+1 < len(a.declared) && next > a.declared[i+1].First {
		return -1
	}
	return i
}

// declare notes a span, and returns where it begins with the offsets before it
// that have no record.
func (a *account) declare(first, next int64) int64 {
	of := &a.declared[a.follows(first, next)]
	first, of.Next = of.Next, next
	a.declared = united(a.declared)
	return first
}

// Renew gives a batch another id, and so another token, for the rows that are
// left of it: the server refused some with those it was inserted with, or an
// insert was acknowledged and the receipts do not show them. As after Declare,
// Kafka has to know of it before an insert.
//
// Its token has to be spent: in every day an insert was sent under it, one was
// acknowledged since, of all its rows or of as many as the server takes, or each
// was answered that it is refused. An earlier one that is still on its way would
// be stored beside the rows' next.
func (l *Ledger) Renew(id, as string) {
	e := l.batches[id]
	if !l.Insertable(id) || l.batches[as] != nil || !isName(as, maxBatch) {
		panic(fmt.Sprintf("BUG: batch %s is not in flight, or cannot be renewed as %.100q", id, as))
	}
	delete(l.batches, id)
	e.ID = as
	l.batches[as] = e
}

// Due returns, for each partition whose commit is out of date, what a commit
// says now; nothing if there is nothing to commit.
func (l *Ledger) Due() map[int32]State {
	due := map[int32]State{}
	for p, a := range l.partitions {
		if a.due(p) {
			due[p] = a.state(p)
		}
	}
	return due
}

// Says returns what a commit says now of every partition, due or not. That it is
// accepted shows that they are this lane's still.
func (l *Ledger) Says() map[int32]State {
	all := make(map[int32]State, len(l.partitions))
	for p, a := range l.partitions {
		all[p] = a.state(p)
	}
	return all
}

// Committed says that Kafka accepted exactly these states, which Due or Says returned.
// Batches may have been declared and stored since.
func (l *Ledger) Committed(states map[int32]State) {
	for p, s := range states {
		a := l.account(p)
		if s.Offset < a.committed.Offset {
			panic(fmt.Sprintf("BUG: p%d is committed back from %d to %d", p, a.committed.Offset, s.Offset))
		}
		a.committed = s
	}
}

// Insertable says whether Kafka knows of the batch in all its partitions, and
// it is not stored yet. No row is sent before.
func (l *Ledger) Insertable(id string) bool {
	e := l.batches[id]
	if e == nil || e.stored {
		return false
	}
	for p := range e.Spans {
		if !slices.ContainsFunc(l.partitions[p].committed.Pending, func(in Intent) bool { return in.Batch == id }) {
			return false
		}
	}
	return true
}

// Stored says that all rows of the batch are stored, or dead-lettered.
func (l *Ledger) Stored(id string) {
	if !l.Insertable(id) {
		panic("BUG: stored, but not in flight: " + id)
	}
	e := l.batches[id]
	e.stored = true
	for p := range e.Spans {
		a := l.partitions[p]
		for len(a.open) > 0 && a.open[0].stored {
			done := a.open[0].Spans[p]
			a.stored.store(Range{done.First, done.Next})
			l.unlist(a.open[0])
			a.open = a.open[1:]
		}
	}
}

func (l *Ledger) unlist(e *entry) {
	if e.listed--; e.listed == 0 {
		delete(l.batches, e.ID)
	}
}

func (l *Ledger) account(partition int32) *account {
	a := l.partitions[partition]
	if a == nil {
		panic(fmt.Sprintf("BUG: p%d is not in the ledger", partition))
	}
	return a
}

func (b Batch) intent(partition int32) Intent {
	s := b.Spans[partition]
	return Intent{Batch: b.ID, Shard: s.Shard, First: s.First, Next: s.Next, At: b.At}
}

// state returns what a commit of the partition says now.
func (a *account) state(partition int32) State {
	s := a.stored
	if len(a.open) == 0 {
		return s
	}
	s.Pending = make([]Intent, len(a.open))
	for i, e := range a.open {
		s.Pending[i] = e.intent(partition)
	}
	return s
}

func (a *account) due(partition int32) bool {
	s := a.state(partition)
	return s.Offset != a.committed.Offset || !slices.Equal(s.Done, a.committed.Done) || !slices.Equal(s.Pending, a.committed.Pending)
}
