package intent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// setting is a world before anything happened in it. It decides all that will.
type setting struct {
	Seed       uint64
	Nodes      int
	Partitions int
	Records    int // of a partition, at most
	Poisoned   int // one record in so many is refused by the server; 0 for none
	Depth      int // batches of a node in flight at once
	Memory     int // tokens a day remembers
	Trouble    int // faults that happen before the world is kind
	Pace       int // of a hundred turns, so many are faults
	Fresh      int // of a hundred partitions that are settled, so many are read on at a later record first

	Off switches
}

// switches turn mechanisms of the protocol off, in the hands that carry it out:
// the ledger and the settlement have none.
type switches struct {
	Intent   bool // batches are inserted without being declared to Kafka
	Claim    bool // a settlement begins without committing what it found
	Fence    bool // it does not insert under the token it found
	Step     bool // it goes on to a further token without committing it
	Token    bool // ClickHouse remembers no token
	Receipts bool // nobody can ask what is stored
	Gate     bool // a node goes on with what a rebalance took from it
	Member   bool // and commits as one member what another was given
	Ask      bool // an insert whose answer is missing is repeated without a look at the receipts
	Proof    bool // and an insert that took long without Kafka's word that the rows are the node's still
	Wait     bool // rows are dead-lettered while others may have them in flight, and nothing was taken in their day
	Spent    bool // a batch is renewed while its token may be unspent
	Done     bool // what is done above the offset is forgotten by the next owner
	Order    bool // it settles by offset what was declared in another order
}

const days = 2

// record is what a device sent. Its identity repeats when it was sent again,
// and so does its day.
type record struct {
	identity, day int
	poison        bool
}

// row is a record on its way to the table, or in it.
type row struct {
	partition int32
	offset    int64
	record
}

// world is Kafka, ClickHouse, what lies between, and the nodes.
type world struct {
	setting
	rng     *rand.Rand
	trouble int
	trace   *strings.Builder // nil: not kept

	logs map[int32][]record

	// Kafka: a commit is accepted from a member of the generation. That the
	// partition is the member's is not looked at.
	commits    map[int32]committed
	accepted   int // so many commits
	generation int
	members    map[*node]bool
	owner      map[int32]*node

	// ClickHouse: an insert of one day is atomic, and skipped if the day
	// remembers its token.
	rows   map[int32][]row
	tokens [days][]string // oldest first
	dead   map[row]bool   // the dead-letter topic
	cured  bool           // nothing is refused: somebody took a constraint off

	wire  []*message
	nodes []*node // that live; a zombie does
	born  int
	batch int
}

type committed struct {
	offset   int64
	metadata string
}

func newWorld(s setting) *world {
	w := &world{setting: s, rng: rand.New(rand.NewPCG(s.Seed, 0)), trouble: s.Trouble, logs: map[int32][]record{}, commits: map[int32]committed{},
		members: map[*node]bool{}, owner: map[int32]*node{}, rows: map[int32][]row{}, dead: map[row]bool{}}
	for p := range int32(s.Partitions) {
		n := 1 + w.rng.IntN(s.Records)
		var log []record
		for i := range n {
			r := record{identity: i, day: w.rng.IntN(days), poison: s.Poisoned > 0 && w.rng.IntN(s.Poisoned) == 0}
			if i > 0 && w.chance(25) {
				r = log[w.rng.IntN(i)]
			}
			log = append(log, r)
		}
		w.logs[p] = log
		w.commits[p] = committed{}
	}
	for range s.Nodes {
		w.spawn()
	}
	w.rebalance()
	return w
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) logf(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

func (w *world) spawn() {
	n := newNode(w, w.born)
	w.born++
	w.nodes = append(w.nodes, n)
	w.members[n] = true
	w.logf("n%d is born", n.id)
}

// kill ends a node. What it sent may still arrive.
func (w *world) kill(n *node) {
	w.logf("n%d is killed", n.id)
	n.kill()
	w.nodes = slices.DeleteFunc(w.nodes, func(o *node) bool { return o == n })
	delete(w.members, n)
}

// evict throws a node out whose session ends while it joins. It is not told: its
// client joins again as a new member.
func (w *world) evict(n *node) {
	if !w.members[n] {
		return
	}
	w.logf("n%d is evicted while it joins", n.id)
	delete(w.members, n)
	n.joining = true
	w.rebalance()
}

// comeBack lets a node join again that was evicted. It has what it had, and has
// missed nothing that it knows of.
func (w *world) comeBack(n *node) {
	n.joining = false
	n.member++
	w.members[n] = true
	w.logf("n%d comes back as its member %d", n.id, n.member)
	w.rebalance()
	n.generation = w.generation - 1
}

// rebalance begins a generation. Members learn of it when they come to it.
func (w *world) rebalance() {
	if len(w.members) == 0 {
		w.spawn()
	}
	w.generation++
	live := slices.SortedFunc(maps.Keys(w.members), func(a, b *node) int { return cmp.Compare(a.id, b.id) })
	for p := range int32(w.Partitions) {
		w.owner[p] = live[w.rng.IntN(len(live))]
	}
	w.logf("generation %d: %s", w.generation, w.owners())
}

// handOver begins a generation in which only the partition moves: its owner
// has given it up in order.
func (w *world) handOver(p int32) {
	live := slices.SortedFunc(maps.Keys(w.members), func(a, b *node) int { return cmp.Compare(a.id, b.id) })
	w.generation++
	w.owner[p] = live[w.rng.IntN(len(live))]
	w.logf("generation %d: p%d is handed over: %s", w.generation, p, w.owners())
}

func (w *world) owners() string {
	var b strings.Builder
	for p := range int32(w.Partitions) {
		fmt.Fprintf(&b, "p%d=n%d ", p, w.owner[p].id)
	}
	return b.String()
}

// fetch reads a commit. Nobody is asked who he is.
func (w *world) fetch(p int32) (State, error) {
	return Parse(w.commits[p].offset, w.commits[p].metadata)
}

var errCommit = errors.New("the commit is not known to be accepted")

// commit is atomic. Its answer may be lost. The member that is asked for is the
// one the node is now.
func (w *world) commit(n *node, states map[int32]State) error {
	if !w.members[n] || n.generation != w.generation {
		w.logf("n%d: commit refused", n.id)
		return errCommit
	}
	for p, s := range states {
		c := committed{offset: s.Offset, metadata: s.Metadata()}
		w.commits[p] = c
		w.logf("n%d: p%d is committed: %s", n.id, p, c.metadata)
	}
	w.accepted++
	if w.trouble > 0 && w.chance(2) {
		w.trouble--
		w.logf("n%d: the answer to the commit is lost", n.id)
		return errCommit
	}
	return nil
}

func (w *world) done() bool {
	for p, log := range w.logs {
		s, err := w.fetch(p)
		if err != nil || s.Offset != int64(len(log)) || len(s.Pending) > 0 || len(s.Done) > 0 {
			return false
		}
	}
	return len(w.wire) == 0
}
