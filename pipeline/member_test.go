package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// holdJoins keeps Kafka from hearing the member's wish to join, until release.
func (r *rig) holdJoins(member string) (held <-chan struct{}, release func()) {
	came, gate := make(chan struct{}, 100), make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	r.t.Cleanup(release)
	r.cluster.ControlKey(int16(kmsg.JoinGroup), func(q kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if q.(*kmsg.JoinGroupRequest).MemberID == member {
			came <- struct{}{}
			r.cluster.SleepControl(func() { <-gate })
		}
		return nil, nil, false
	})
	return came, release
}

// A node's session ends while it joins. Its client comes back as a new member,
// keeps its partitions, and says nothing; another node had them meanwhile.
func TestANodeThatIsThrownOutWhileItJoinsKnowsIt(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout = time.Second
	r.cfg.Batch.Age = time.Minute // what it has read, it holds
	r.cfg.Lanes = 1
	var lost, polled atomic.Int32
	doubted := make(chan error, 100)
	first := r.run(Events{
		Lost:    func([]int32) { lost.Add(1) },
		Polled:  func(p Polled) { polled.Add(int32(p.Records)) },
		Doubted: func(err error) { doubted <- err },
	})
	// Of each partition a first record, which does not wait, and then some that do.
	r.sendEvents(1)
	r.awaitAll(1)
	r.sendEvents(10)
	r.await("poll of all", func() bool { return polled.Load() == 11*rigPartitions })
	held, release := r.holdJoins(r.cluster.GroupInfo(r.cfg.Kafka.Group).Members[0].MemberID)

	r.cfg.Batch.Age = 50 * time.Millisecond
	stopSecond := r.start(Events{})
	r.await("wish to join again", func() bool { return len(held) > 0 })
	r.awaitAll(11)
	release()
	r.await("doubt", func() bool { return len(doubted) > 0 })
	if err := <-doubted; !errors.Is(err, errDoubt) {
		t.Errorf("in doubt of %v", err)
	}
	if lost.Load() != 0 {
		t.Error("it was told, so this shows nothing")
	}
	r.sendEvents(10)
	r.awaitAll(21)

	// And it is a whole node again.
	if err := stopSecond(); err != nil {
		t.Error(err)
	}
	before := polled.Load()
	r.sendEvents(10)
	r.await("poll of all", func() bool { return polled.Load() >= before+10*rigPartitions })
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	r.awaitAll(31)
}

// What Kafka has committed of one partition it does not tell: the partition is
// not left unread.
func TestAnAnswerWithoutOnePartitionsCommitIsADoubt(t *testing.T) {
	r := newRig(t)
	r.sendEvents(10)
	fault := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "telemetry", Partitions: []int32{2}, Err: kerr.UnknownServerError})
	doubted := make(chan error, 100)
	r.start(Events{Doubted: func(err error) { doubted <- err }})
	r.await("doubt", func() bool { return len(doubted) > 0 })
	r.awaitAll(10)
	if fault.Hits() != 1 {
		t.Fatalf("Kafka failed to tell %d times, so this shows nothing", fault.Hits())
	}
	if err := <-doubted; !errors.Is(err, errDoubt) || !errors.Is(err, kerr.UnknownServerError) || !strings.Contains(err.Error(), "p2") {
		t.Errorf("in doubt of %v", err)
	}
}

// notConfirmed runs a node whose ten rows of p0 are stored while Kafka takes no
// commit that says so, which the node goes on asking for.
func notConfirmed(r *rig, doubted chan<- error) (n *running, commits *kfake.FaultHandle) {
	r.t.Helper()
	r.cfg.StopTimeout = 500 * time.Millisecond
	refuse := sync.OnceFunc(func() {
		commits = r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "telemetry", Err: kerr.CoordinatorLoadInProgress, Count: -1})
	})
	r.table.before = func(context.Context, string, []schema.Origin) error { refuse(); return nil } // its intents are committed by now
	failed := make(chan Retrying, 1000)
	n = r.run(Events{
		Retrying: func(e Retrying) { failed <- e },
		Doubted:  func(err error) { doubted <- err },
	})
	r.send(0, records("dev", 10, time.Now())...)
	r.awaitStored(10)
	if e := <-failed; e.What != "commit" {
		r.t.Fatalf("%s is repeated, so this shows nothing", e.What)
	}
	return n, commits
}

// A release waits for commits no longer than for anything else.
func TestAReleaseEndsInTimeThoughNoCommitIsTaken(t *testing.T) {
	const bound = 20 * time.Second // without one it lasts for ever
	expectTen := func(r *rig) {
		r.t.Helper()
		r.await("commit of all", func() bool { return r.committed()[0] == 10 })
		expectRows(r.t, "in the end", r.table, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	}
	t.Run("stop", func(t *testing.T) {
		r := newRig(t)
		doubted := make(chan error, 100)
		n, commits := notConfirmed(r, doubted)
		defer commits.Remove()
		n.cancel()
		select {
		case <-n.done:
		case <-time.After(bound):
			t.Fatal("it does not stop")
		}
		if n.err == nil || !strings.Contains(n.err.Error(), "stop_timeout is 500ms") {
			t.Errorf("it stopped with %v", n.err)
		}
		commits.Remove()
		r.start(Events{})
		expectTen(r)
	})
	t.Run("revoke", func(t *testing.T) {
		r := newRig(t)
		doubted := make(chan error, 100)
		_, commits := notConfirmed(r, doubted)
		defer commits.Remove()
		r.start(Events{})
		select {
		case err := <-doubted:
			if !strings.Contains(err.Error(), "stored, but commits are not taken") {
				t.Errorf("in doubt of %v", err)
			}
		case <-time.After(bound):
			t.Fatal("it gives nothing up")
		}
		commits.Remove()
		expectTen(r)
	})
}

// ClickHouse is away, so what is decoded cannot be stored in time. That is a
// doubt, which a node recovers from by joining anew; but not one that is to stop.
func TestANodeThatHasToStopDoesNotJoinAnew(t *testing.T) {
	f := func(name string, stop func(*rig, *running), remedy string) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.cfg.StopTimeout = 300 * time.Millisecond
			r.table.setFault(away)
			var assigned, doubted atomic.Int32
			sealed := make(chan Sealed, 1000)
			n := r.run(Events{
				Sealed:   func(s Sealed) { sealed <- s },
				Assigned: func([]int32) { assigned.Add(1) },
				Doubted:  func(error) { doubted.Add(1) },
			})
			r.sendEvents(10)
			<-sealed
			stop(r, n)
			r.expectEnd(n, remedy)
			if assigned.Load() != 1 || doubted.Load() != 0 {
				t.Errorf("it was given partitions %d times, and in doubt %d times; want 1, 0", assigned.Load(), doubted.Load())
			}
			r.expectNothingConfirmed()
		})
	}
	f("asked to", func(_ *rig, n *running) { n.cancel() }, "stop_timeout is 300ms")
	f("of an error", func(r *rig, _ *running) {
		r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "telemetry", Err: kerr.TopicAuthorizationFailed, Count: -1})
	}, "allow the node to read topic telemetry")
}

// Nobody has read a partition while it changed hands: its first records do not
// wait for the age of a batch, nor does what the batch has already.
func TestTheFirstRecordsOfAPartitionDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(curtain))
		s := newStage(t, []string{"age=700ms"})
		defer s.close()
		s.command("assign", []string{"p1"})
		moved := s.settled([]string{"p0"})
		moved[0].waits = true
		if err := s.lane.tell(t.Context(), control{admit: moved}); err != nil {
			t.Fatal(err)
		}
		play := func(what, want string, commands ...string) {
			t.Helper()
			for _, c := range commands {
				words := strings.Fields(c)
				s.command(words[0], words[1:])
				s.settle()
			}
			if got := strings.Join(s.said(), "\n"); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
			}
		}
		play("another partition's", "", "fetch p1 0..2", "wait 300ms")
		play("the first, too soon", "", "fetch p0 0..4", "wait 99ms")
		play("the first", "sealed by age: 8 rows, 0 duplicates, 0 rejects, age 400ms\nbatch run-0-1: p0[0,5) p1[0,3)", "wait 1ms")
		play("the second, too soon", "", "stored", "fetch p0 5..9", "wait 699ms")
		play("the second", "sealed by age: 5 rows, 0 duplicates, 0 rejects, age 700ms\nbatch run-0-2: p0[5,10)", "wait 1ms")
	})
}
