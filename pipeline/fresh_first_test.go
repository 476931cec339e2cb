package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// backlog sends n records to every partition, as if some time ago.
func (r *rig) backlog(n int) (at time.Time) {
	r.t.Helper()
	at = time.Now().Add(-10 * time.Minute)
	for p := range int32(rigPartitions) {
		values := make([]string, n)
		for i := range values {
			values[i] = eventAt(fmt.Sprintf("dev-%d", p), r.sent+i, at.Add(time.Duration(i)*time.Millisecond))
		}
		r.sendAt(at, p, values...)
	}
	r.sent += n
	return at
}

// metadata returns what is committed of the partition beside its offset.
func (r *rig) metadata(partition int32) string {
	r.t.Helper()
	offsets, err := kadm.NewClient(r.client).FetchOffsets(r.t.Context(), r.cfg.Kafka.Group)
	if err != nil {
		r.t.Fatal(err)
	}
	o, _ := offsets.Lookup("telemetry", partition)
	return o.Metadata
}

// has says whether the record is stored.
func (t *table) has(partition int32, offset int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rows[schema.Origin{Partition: partition, Offset: offset}]) > 0
}

// newFreshRig has batches of a thousand rows and a lane.
func newFreshRig(t *testing.T) (*rig, *dead) {
	r, d := newCrashRig(t)
	r.cfg.Kafka.Recovery = FreshFirst
	r.cfg.Lanes, r.cfg.Batch.Rows, r.cfg.Batch.Age = 1, 1000, 20*time.Millisecond
	return r, d
}

// A node that is behind stores what comes now within a few batches, and the
// backlog beside it. Until that is done the offset stays below it.
func TestFreshRecordsAreStoredBeforeTheBacklog(t *testing.T) {
	const each = 25_000
	r, _ := newFreshRig(t)
	var mu sync.Mutex
	inserts := 0
	r.table.setBefore(func(context.Context, string, []schema.Origin) error {
		mu.Lock()
		defer mu.Unlock()
		inserts++
		return nil
	})
	r.backlog(each)
	var gaps []Committed
	r.start(Events{Committed: func(c Committed) {
		mu.Lock()
		defer mu.Unlock()
		gaps = append(gaps, c)
	}})
	r.awaitStored(2000)
	r.sendEvents(10)
	mu.Lock()
	before := inserts
	mu.Unlock()
	r.await("live record", func() bool { return r.table.has(0, each) && r.table.has(rigPartitions-1, each+9) })
	mu.Lock()
	took := inserts - before
	mu.Unlock()
	if stored, _ := r.table.counts(); stored > each*rigPartitions*9/10 {
		t.Errorf("%d rows were stored before; the backlog was not there to be overtaken", stored)
	}
	if took > 20 {
		t.Errorf("%d inserts were made until the live records were stored; want a few, of the %d of the backlog", took, rigPartitions*each/r.cfg.Batch.Rows)
	}
	for p, next := range r.committed() {
		if next >= each {
			t.Errorf("p%d is committed at %d, which is beyond its backlog", p, next)
		}
	}
	if text := r.metadata(rigPartitions - 1); !strings.HasPrefix(text, "penstock/2 ") {
		t.Errorf("committed with %q; want what is done above the offset", text)
	}
	r.awaitAll(each + 10)
	for p := range int32(rigPartitions) {
		if got, want := r.metadata(p), fmt.Sprintf("penstock/1 %d", each+10); got != want {
			t.Errorf("p%d: %q; want %q, as of any partition", p, got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	left := map[int32]int64{}
	for _, c := range gaps {
		for p, n := range c.Gap {
			if before, known := left[p]; known && n > before {
				t.Errorf("p%d: %d are left, and were %d", p, n, before)
			}
			left[p] = n
		}
	}
	for p := range int32(rigPartitions) {
		if n, known := left[p]; !known || n != 0 {
			t.Errorf("p%d: %d are left at the end; want 0 told", p, n)
		}
	}
}

// A partition that is not behind is read in order, whatever the way.
func TestAPartitionThatIsNotBehindHasNoGap(t *testing.T) {
	r, _ := newFreshRig(t)
	r.sendEvents(3000)
	settled := make(chan Settled, 100)
	r.start(Events{Settled: func(s Settled) { settled <- s }})
	for p, s := range settledOf(rigPartitions, settled) {
		if s.Gap != 0 || s.Next != 0 {
			t.Errorf("p%d: %+v; want to begin at 0 without a gap", p, s)
		}
	}
	r.awaitAll(3000)
}

// A node dies while it reads at both ends, with inserts of both in flight. The
// next goes on at both, whatever it would do itself, and so does one after it.
func TestATakeoverInTheMiddleOfABacklog(t *testing.T) {
	const each = 10_000
	f := func(name string, second, third Recovery, inFlight hanging) {
		t.Run(name, func(t *testing.T) {
			r, d := newFreshRig(t)
			r.backlog(each)
			first := r.run(Events{})
			r.awaitStored(2000)
			r.sendEvents(50)
			r.await("live record", func() bool { return r.table.has(0, each) })
			first.hangAt(always(inFlight))
			r.sendEvents(50)
			first.awaitStuck(t)
			first.awaitStuck(t)
			r.kill(d, first)

			settled := make(chan Settled, 100)
			r.cfg.Kafka.Recovery = second
			next := r.run(Events{Settled: func(s Settled) { settled <- s }})
			gaps, intents := 0, 0
			for _, s := range settledOf(rigPartitions, settled) {
				intents += s.Intents
				if s.Gap > 0 {
					gaps++
				}
			}
			if gaps == 0 || intents == 0 {
				t.Errorf("%d partitions had a gap, and %d intents were settled; this shows nothing", gaps, intents)
			}
			if err := first.arrive(); err != nil {
				t.Error(err)
			}
			r.sendEvents(50)
			r.await("live record of the second", func() bool { return r.table.has(0, each+100) })
			if err := next.stop(); err != nil { // in order, and with the rest of the gap left
				t.Error(err)
			}
			r.cfg.Kafka.Recovery = third
			r.sendEvents(50)
			r.start(Events{})
			r.awaitAll(each + 200)
		})
	}
	f("by one that does the same, inserts are late", FreshFirst, FreshFirst, before)
	f("by one that does the same, inserts are stored", FreshFirst, FreshFirst, after)
	f("by one that reads in order, inserts are late", InOrder, InOrder, before)
	f("by one that reads in order, and back", InOrder, FreshFirst, after)
}

// Devices send again what is in the backlog. Whichever is read first is stored,
// also where a crash comes between the two.
func TestAResendOfTheBacklogIsStoredOnce(t *testing.T) {
	const each = 5_000
	f := func(name string, inFlight hanging) {
		t.Run(name, func(t *testing.T) {
			r, d := newFreshRig(t)
			at := r.backlog(each)
			resends := func() {
				for p := range int32(rigPartitions) {
					var values []string
					for i := 0; i < each; i += 10 {
						values = append(values, eventAt(fmt.Sprintf("dev-%d", p), i, at.Add(time.Duration(i)*time.Millisecond)))
					}
					r.send(p, values...)
				}
			}
			resent := int64(each / 10)
			// What is there at assignment is backlog, and what is sent to a node at
			// work may find the backlog stored. So nothing is, until it was sent.
			assigned, sent := make(chan Settled, 100), make(chan struct{})
			r.table.setBefore(func(ctx context.Context, _ string, _ []schema.Origin) error {
				select {
				case <-sent:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			first := r.run(Events{Settled: func(s Settled) { assigned <- s }})
			settledOf(rigPartitions, assigned)
			resends()
			close(sent)
			if inFlight != nowhere {
				r.await("live record", func() bool { return r.table.has(1, each+1) || r.table.has(3, each+1) })
				first.hangAt(always(inFlight))
				first.awaitStuck(t)
				r.kill(d, first)
				r.run(Events{})
				r.await("what is left", func() bool { return r.committed()[0] >= each })
				if err := first.arrive(); err != nil {
					t.Error(err)
				}
			}
			resends()
			r.await("commit of all", func() bool {
				c := r.committed()
				for p := range int32(rigPartitions) {
					if c[p] != each+2*resent {
						return false
					}
				}
				return true
			})
			r.table.mu.Lock()
			defer r.table.mu.Unlock()
			ids, atHead := map[identified]int{}, 0
			for o, rows := range r.table.rows {
				for _, row := range rows {
					ids[row]++
				}
				if o.Offset >= each {
					atHead++
				}
			}
			for id, n := range ids {
				if n != 1 {
					t.Errorf("%+v is stored %d times", id, n)
				}
			}
			if len(ids) != each*rigPartitions {
				t.Errorf("%d identities are stored; want %d", len(ids), each*rigPartitions)
			}
			if atHead == 0 {
				t.Error("every resend came after what it repeats; this shows nothing")
			}
		})
	}
	f("without a crash", nowhere)
	f("with a crash before the inserts", before)
	f("with a crash after the inserts", after)
}

// A node was behind twice before the first backlog was stored.
func TestTwoGapsAreClosed(t *testing.T) {
	r, _ := newFreshRig(t)
	r.backlog(100)
	r.sendEvents(100)
	for p := range int32(rigPartitions) { // [20,30) and [40,100) are left
		r.store(p, fmt.Sprintf("earlier-%d", p), r.valuesOf(p, 0, 20))
		r.store(p, fmt.Sprintf("fresh-%d", p), r.valuesOf(p, 30, 40))
		r.store(p, fmt.Sprintf("fresher-%d", p), r.valuesOf(p, 100, 110))
		r.commitAs(p, 20, "penstock/2 20 30+10 100+10")
	}
	settled := make(chan Settled, 100)
	r.start(Events{Settled: func(s Settled) { settled <- s }})
	for p, s := range settledOf(rigPartitions, settled) {
		if s.Next != 20 || s.Gap != 70 || s.Rewound != 0 {
			t.Errorf("p%d: %+v; want 70 left from 20 on", p, s)
		}
	}
	r.awaitAll(200)
}

// Offsets at the end of a gap may have no record: here the mark that ends a
// transaction, twice, so that the second gap has nothing else.
func TestAGapThatEndsWithoutARecordIsClosed(t *testing.T) {
	r, _ := newFreshRig(t)
	for range 2 {
		r.sendTransaction(0, time.Now().Add(-10*time.Minute), 10)
	}
	r.send(0, event("dev", 1000))
	r.store(0, "earlier", r.valuesOf(0, 11, 21))
	r.store(0, "fresh", r.valuesOf(0, 22, 23))
	r.commitAs(0, 5, "penstock/2 5 11+10 22+1") // [5,11) is left, and 21
	r.start(Events{})
	r.await("commit of all", func() bool { return r.metadata(0) == "penstock/1 23" })
	expectRows(t, "with what was said to be stored", r.table, 0, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22)
}

// sendTransaction produces n records in one transaction.
func (r *rig) sendTransaction(partition int32, at time.Time, n int) {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cfg.Kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("fleet"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		r.t.Fatal(err)
	}
	for i := range n {
		record := &kgo.Record{Topic: "telemetry", Partition: partition, Timestamp: at, Value: []byte(eventAt("dev", r.sent+i, at))}
		if err := client.ProduceSync(r.t.Context(), record).FirstErr(); err != nil {
			r.t.Fatal(err)
		}
	}
	r.sent += n
	if err := client.EndTransaction(r.t.Context(), kgo.TryCommit); err != nil {
		r.t.Fatal(err)
	}
}

// valuesOf reads records of the partition again.
func (r *rig) valuesOf(partition int32, first, next int64) map[int64]string {
	r.t.Helper()
	values := map[int64]string{}
	for o := first; o < next; o++ {
		record, err := reread(r.t.Context(), r.cfg.Kafka, partition, o)
		if err != nil {
			r.t.Fatal(err)
		}
		values[o] = string(record.Value)
	}
	return values
}
