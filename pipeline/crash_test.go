package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// link is a node's connection to the tables. Inserts hang in it as long as the
// node's membership lasts, and may arrive later.
type link struct {
	tables []*table    // by shard
	stuck  chan string // the token of each insert that hangs

	mu sync.Mutex // guards what follows
	// hang, if set, says whether and where an insert of the day hangs.
	hang func(day schema.Day) hanging
	late []func() error // inserts on their way
}

// hanging is where an insert hangs.
type hanging int

const (
	nowhere hanging = iota
	before          // it comes
	after           // it is stored, before its answer
)

// always has every insert hang there.
func always(h hanging) func(schema.Day) hanging { return func(schema.Day) hanging { return h } }

func (l *link) Insert(ctx context.Context, shard int, token string, b *schema.Block) error {
	l.mu.Lock()
	where := nowhere
	if l.hang != nil {
		where = l.hang(b.Day())
	}
	if where == before {
		own := b.Slice(0, b.Rows()) // the node's goes on being used
		l.late = append(l.late, func() error { return l.tables[shard].Insert(context.Background(), shard, token, own) })
	}
	l.mu.Unlock()
	var err error
	if where != before {
		err = l.tables[shard].Insert(ctx, shard, token, b)
	}
	if where != nowhere {
		l.stuck <- token
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// Close implements sink; the tables outlive the link.
func (l *link) Close() error { return nil }

// hangAt sets hang.
func (l *link) hangAt(f func(day schema.Day) hanging) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hang = f
}

// arrive delivers what was on its way.
func (l *link) arrive() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	for _, insert := range l.late {
		err = errors.Join(err, insert())
	}
	return err
}

// dead are the members that Kafka hears nothing of any more.
type dead struct {
	mu      sync.Mutex
	members []string
}

func (d *dead) is(member string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.members, member)
}

// mortal lets nodes die: what a dead member asks of the group gets no answer.
func (r *rig) mortal() *dead {
	d := &dead{}
	memberOf := map[int16]func(kmsg.Request) string{
		int16(kmsg.Heartbeat):    func(q kmsg.Request) string { return q.(*kmsg.HeartbeatRequest).MemberID },
		int16(kmsg.OffsetCommit): func(q kmsg.Request) string { return q.(*kmsg.OffsetCommitRequest).MemberID },
		int16(kmsg.JoinGroup):    func(q kmsg.Request) string { return q.(*kmsg.JoinGroupRequest).MemberID },
		int16(kmsg.SyncGroup):    func(q kmsg.Request) string { return q.(*kmsg.SyncGroupRequest).MemberID },
		int16(kmsg.LeaveGroup): func(q kmsg.Request) string {
			if members := q.(*kmsg.LeaveGroupRequest).Members; len(members) > 0 {
				return members[0].MemberID
			}
			return ""
		},
	}
	for key, member := range memberOf {
		r.cluster.ControlKey(key, func(q kmsg.Request) (kmsg.Response, error, bool) {
			r.cluster.KeepControl()
			if d.is(member(q)) {
				return nil, errors.New("the member is dead"), true
			}
			return nil, nil, false
		})
	}
	return d
}

// kill ends the only node as a kill -9 does: nothing it sends from now on is
// heard. Its goroutines end on their own time.
func (r *rig) kill(d *dead, n *running) {
	r.t.Helper()
	info := r.cluster.GroupInfo(r.cfg.Kafka.Group)
	d.mu.Lock()
	for _, m := range info.Members {
		d.members = append(d.members, m.MemberID)
	}
	d.mu.Unlock()
	n.cancel()
	r.cfg.StopTimeout = 5 * time.Second // of the nodes that follow
}

// newCrashRig has a Kafka that misses a node soon.
func newCrashRig(t *testing.T) (*rig, *dead) {
	r := newRig(t)
	r.cfg.Kafka.SessionTimeout = time.Second
	r.cfg.StopTimeout = 500 * time.Millisecond // what a dead node waits for in vain
	return r, r.mortal()
}

// A node dies at each place of a batch's life. The next one stores what is
// missing, and nothing twice, also when what was on its way arrives after all.
func TestACrashLosesAndDoublesNothing(t *testing.T) {
	today := schema.DayOf(time.Now().UnixMilli())
	f := func(name string, lose int, hang func(schema.Day) hanging) {
		t.Run(name, func(t *testing.T) {
			r, d := newCrashRig(t)
			n := r.run(Events{})
			r.sendEvents(50)
			r.awaitStored(50 * rigPartitions)
			n.hangAt(hang)
			yesterday := time.Now().Add(-24 * time.Hour)
			for p := range int32(rigPartitions) {
				resend := eventAt(fmt.Sprintf("late-%d", p), 1, yesterday)
				r.send(p, event(fmt.Sprintf("dev-%d", p), 1000), "{", resend, event(fmt.Sprintf("dev-%d", p), 1001), resend)
			}
			n.awaitStuck(t)
			r.kill(d, n)
			r.table.mu.Lock()
			r.table.lose = lose
			r.table.mu.Unlock()

			settled := make(chan Settled, 100)
			stop := r.start(Events{Settled: func(s Settled) { settled <- s }})
			want := (50 + 3) * rigPartitions
			r.awaitStored(want)
			intents := 0
			for range rigPartitions {
				intents += (<-settled).Intents
			}
			if intents == 0 {
				t.Error("nothing was declared, so this shows nothing")
			}
			r.await("commit of all", func() bool {
				c := r.committed()
				return c[0] == 55 && c[1] == 55 && c[2] == 55 && c[3] == 55
			})
			if err := n.arrive(); err != nil {
				t.Error(err)
			}
			r.sendEvents(10)
			r.awaitStored(want + 10*rigPartitions)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if stored, doubled := r.table.counts(); stored != want+10*rigPartitions || doubled != 0 {
				t.Errorf("stored %d, doubled %d; want %d, 0", stored, doubled, want+10*rigPartitions)
			}
			letters := map[string]bool{}
			for _, l := range r.deadLetters(rigPartitions) {
				letters[headerOf(l, HeaderPartition)+"@"+headerOf(l, HeaderOffset)] = true
			}
			for p := range rigPartitions {
				if !letters[fmt.Sprintf("%d@51", p)] {
					t.Errorf("dead letters %v; that of p%d is missing", letters, p)
				}
			}
		})
	}
	f("before the insert", 0, always(before))
	f("before the insert, and answers to the next owner are lost", 3, always(before))
	f("after the insert, before its answer", 0, always(after))
	f("between the days of a batch", 0, func(day schema.Day) hanging {
		if day < today {
			return before
		}
		return nowhere
	})
	f("in the second day of a batch, stored", 0, func(day schema.Day) hanging {
		if day < today {
			return after
		}
		return nowhere
	})
}

// The identities that the next owner knows are those of the receipts.
func TestAResendToTheNextOwnerIsRecognised(t *testing.T) {
	r, d := newCrashRig(t)
	taken := time.Now()
	stored, pending := eventAt("dev", 1, taken), eventAt("dev", 2, taken)
	n := r.run(Events{})
	r.send(0, stored)
	r.awaitStored(1)
	r.await("commit", func() bool { return r.committed()[0] == 1 })
	n.hangAt(func(schema.Day) hanging { return after })
	r.send(0, pending)
	n.awaitStuck(t)
	r.kill(d, n)
	r.send(0, stored, pending, eventAt("dev", 1, taken.Add(time.Minute))) // the last is another reading
	r.start(Events{})
	r.await("commit of all", func() bool { return r.committed()[0] == 5 })
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	for offset, want := range []int{1, 1, 0, 0, 1} {
		if got := len(r.table.rows[schema.Origin{Partition: 0, Offset: int64(offset)}]); got != want {
			t.Errorf("offset %d is stored %d times; want %d", offset, got, want)
		}
	}
}

// A second crash, of the node that settles: what it had done of it counts.
func TestACrashWhileSettlingIsSettledByTheNext(t *testing.T) {
	r, d := newCrashRig(t)
	first := r.run(Events{})
	first.hangAt(func(schema.Day) hanging { return before })
	r.sendEvents(30)
	first.awaitStuck(t)
	r.kill(d, first)

	second := r.run(Events{})
	second.hangAt(func(schema.Day) hanging { return after })
	second.awaitStuck(t)
	r.kill(d, second)
	if err := first.arrive(); err != nil { // its token is spent by now, by one of the partitions
		t.Error(err)
	}

	r.start(Events{})
	r.awaitStored(30 * rigPartitions)
	r.await("commit of all", func() bool {
		c := r.committed()
		return c[0] == 30 && c[1] == 30 && c[2] == 30 && c[3] == 30
	})
	if stored, doubled := r.table.counts(); stored != 30*rigPartitions || doubled != 0 {
		t.Errorf("stored %d, doubled %d; want %d, 0", stored, doubled, 30*rigPartitions)
	}
}

// A server that dies may keep the token of an insert and lose its rows. Then so
// does the settlement's fence, and the next step's token is free.
func TestASettlementWhoseTokenIsSpentWithoutItsRowsLosesNothing(t *testing.T) {
	r, d := newCrashRig(t)
	n := r.run(Events{})
	r.table.mu.Lock()
	r.table.crash = 2 // the insert, and the first of what follows
	r.table.mu.Unlock()
	n.hangAt(func(schema.Day) hanging { return after })
	r.send(0, event("dev", 1), event("dev", 2))
	token := n.awaitStuck(t)
	r.kill(d, n)
	r.start(Events{})
	r.awaitStored(2)
	r.await("commit of all", func() bool { return r.committed()[0] == 2 })
	if _, doubled := r.table.counts(); doubled != 0 {
		t.Errorf("%d doubled", doubled)
	}
	day := schema.DayOf(time.Now().UnixMilli()).String()
	want := []string{token + "/p0/1@" + day, token + "/p0/2@" + day, token + "@" + day}
	if got := r.table.spent(); !slices.Equal(got, want) {
		t.Errorf("tokens %v; want %v", got, want)
	}
}

// expectSettled starts a node after a crash, which has to find something declared
// and to commit partition 0 at next, and then one of another group, which finds
// all of it stored and holds the last row against its record.
func (r *rig) expectSettled(next int64) {
	r.t.Helper()
	settled := make(chan Settled, 2*rigPartitions)
	stop := r.start(Events{Settled: func(s Settled) { settled <- s }})
	r.await("commit of all", func() bool { return r.committed()[0] == next })
	intents := 0
	for range rigPartitions {
		intents += (<-settled).Intents
	}
	if intents == 0 {
		r.t.Error("nothing was declared, so this shows nothing")
	}
	if err := stop(); err != nil {
		r.t.Error(err)
	}
	r.cfg.Kafka.Group = "another"
	other := r.run(Events{Settled: func(s Settled) { settled <- s }})
	for range rigPartitions {
		select {
		case <-settled:
		case <-other.done:
			r.t.Fatal("another group's node:", other.err)
		}
	}
	r.await("commit of all by another group", func() bool { return r.committed()[0] == next })
	if err := other.stop(); err != nil {
		r.t.Error(err)
	}
}
