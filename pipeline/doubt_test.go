package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// unheard has Kafka tell every member that it knows it no more.
var unheard = kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: -1}

// awaitAll waits until n records of every partition are stored and committed,
// and checks that each is stored once.
func (r *rig) awaitAll(n int) {
	r.t.Helper()
	r.awaitStored(n * rigPartitions)
	r.await("commit of all", func() bool {
		c := r.committed()
		for p := range int32(rigPartitions) {
			if c[p] != int64(n) {
				return false
			}
		}
		return true
	})
	if stored, doubled := r.table.counts(); stored != n*rigPartitions || doubled != 0 {
		r.t.Errorf("stored %d, doubled %d; want %d, 0", stored, doubled, n*rigPartitions)
	}
}

// Kafka takes the partitions of a node that it did not hear of, while inserts
// are in flight: the node joins anew, and settles what it had declared.
func TestANodeThatLosesItsPartitionsJoinsAnew(t *testing.T) {
	f := func(name string, inFlight func(schema.Day) hanging) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			lost, doubted := make(chan []int32, 100), make(chan error, 100)
			n := r.run(Events{Lost: func(ps []int32) { lost <- ps }, Doubted: func(err error) { doubted <- err }})
			r.sendEvents(30)
			r.awaitAll(30)
			n.hangAt(inFlight)
			r.sendEvents(30)
			n.awaitStuck(t)
			n.hangAt(nil)
			fault := r.cluster.Fault(unheard)
			if ps := <-lost; len(ps) != rigPartitions {
				t.Errorf("lost %v; want all", ps)
			}
			if err := <-doubted; !errors.Is(err, errDoubt) || !strings.Contains(err.Error(), "kafka.session_timeout") {
				t.Errorf("in doubt of %v", err)
			}
			r.sendEvents(30)
			fault.Remove()
			r.awaitAll(90)
			if err := n.arrive(); err != nil {
				t.Error(err)
			}
			r.sendEvents(1)
			r.awaitAll(91)
			if err := n.stop(); err != nil {
				t.Error(err)
			}
		})
	}
	f("inserts that have not come", always(before))
	f("inserts that are not answered", always(after))
}

// The commit of a batch's intents is refused until the ownership is over: the
// batch was never sent, and the node that joins anew reads it again.
func TestABatchWhoseIntentsAreRefusedIsNotInserted(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var early []string // tokens, while no commit is taken
	refusing := false
	r.table.before = func(_ context.Context, token string, _ []schema.Origin) error {
		mu.Lock()
		defer mu.Unlock()
		if refusing {
			early = append(early, token)
		}
		return nil
	}
	doubted := make(chan error, 100)
	r.start(Events{Doubted: func(err error) { doubted <- err }})
	r.sendEvents(30)
	r.awaitAll(30)
	mu.Lock()
	refusing = true
	mu.Unlock()
	commits := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "telemetry", Err: kerr.IllegalGeneration, Count: -1})
	r.sendEvents(30)
	r.await("refusal", func() bool { return commits.Hits() > 1 })
	heartbeats := r.cluster.Fault(unheard)
	if err := <-doubted; !errors.Is(err, errDoubt) {
		t.Errorf("in doubt of %v", err)
	}
	mu.Lock()
	if len(early) > 0 {
		t.Errorf("inserted under %v, which Kafka was not told", early)
	}
	refusing = false
	mu.Unlock()
	commits.Remove()
	heartbeats.Remove()
	r.awaitAll(60)
}

// Two nodes, one of which is not heard of for a while: the other settles what
// it had in flight, which arrives only then.
func TestAZombieDoublesNothing(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout = time.Second
	r.cfg.StopTimeout = time.Second
	lost := make(chan []int32, 100)
	zombie := r.run(Events{Lost: func(ps []int32) { lost <- ps }})
	r.sendEvents(30)
	r.awaitAll(30)
	member := r.cluster.GroupInfo(r.cfg.Kafka.Group).Members[0].MemberID
	zombie.hangAt(always(before))
	r.sendEvents(30)
	zombie.awaitStuck(t)
	// What it says no longer reaches Kafka, so that the group goes on without it.
	fault := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1,
		When: func(q kmsg.Request) bool { return q.(*kmsg.HeartbeatRequest).MemberID == member }})
	r.start(Events{})
	r.awaitAll(60)
	if err := zombie.arrive(); err != nil {
		t.Error(err)
	}
	zombie.hangAt(nil)
	fault.Remove()
	<-lost // it hears that it is out, and joins as another member
	r.sendEvents(30)
	r.awaitAll(90)
	if err := zombie.stop(); err != nil {
		t.Error(err)
	}
}
