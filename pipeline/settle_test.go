package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/pipeline/intent"
	"penstock/schema"
)

// commitAs commits an offset of the group as an earlier owner, or a person, did.
func (r *rig) commitAs(partition int32, offset int64, metadata string) {
	r.t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "telemetry", Partition: partition, At: offset, LeaderEpoch: -1, Metadata: metadata})
	if err := kadm.NewClient(r.client).CommitAllOffsets(r.t.Context(), r.cfg.Kafka.Group, offsets); err != nil {
		r.t.Fatal(err)
	}
}

// pending is the metadata of a commit that declares one span.
func pending(batch, shard string, first, next int64) string {
	return intent.State{Offset: first, Pending: []intent.Intent{{Batch: batch, Shard: shard, First: first, Next: next, At: 1}}}.Metadata()
}

// expectRows checks which offsets of the partition the table has, each once.
func expectRows(t *testing.T, what string, table *table, partition int32, want ...int64) {
	t.Helper()
	table.mu.Lock()
	defer table.mu.Unlock()
	var got []int64
	for o, rows := range table.rows {
		for range rows {
			if o.Partition == partition {
				got = append(got, o.Offset)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: p%d has %v; want %v", what, partition, got, want)
	}
}

// forget takes rows out of the table, as if they had never come.
func (t *table) forget(rows ...schema.Origin) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range rows {
		delete(t.rows, o)
	}
}

// settledOf collects what is settled, by partition.
func settledOf(n int, settled <-chan Settled) map[int32]Settled {
	all := map[int32]Settled{}
	for range n {
		s := <-settled
		all[s.Partition] = s
	}
	return all
}

func TestACommitThatIsNotUnderstoodStopsTheNodeWithTheRemedy(t *testing.T) {
	f := func(name, metadata string, remedies ...string) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.sendEvents(10)
			r.commitAs(2, 5, metadata)
			r.expectStop(append(remedies, "p2", "group penstock")...)
			if stored, _ := r.table.counts(); stored > 3*10 {
				t.Errorf("%d rows are stored; p2 cannot be", stored)
			}
			if got := r.committed()[2]; got != 5 {
				t.Errorf("p2 is committed at %d; it was left at 5", got)
			}
		})
	}
	f("another program's", "flink-checkpoint-17", "is not Penstock's", "a kafka.group of its own", "--to-current")
	f("a newer version's", "penstock/3 5 x", "is a newer Penstock's", "run the newer program")
	f("of another offset", pending("b", "1", 4, 6), "it was written for offset 4", "--to-current")
}

func TestAnIntentOfAnUnknownShardStopsTheNodeWithTheRemedy(t *testing.T) {
	r := newRig(t)
	r.sendEvents(10)
	r.commitAs(2, 5, pending("b", "east", 5, 8))
	r.expectStop(`"east"`, "clickhouse.retired", "p2")
}

// A span that was declared for a shard is settled there, though the shard takes
// no new rows.
func TestAnIntentIsSettledOnItsShardThoughThatIsRetired(t *testing.T) {
	r := newRig(t)
	r.cfg.ClickHouse.Addr = ""
	r.cfg.ClickHouse.Shards = shardsOf(t, "west=w:9000")
	r.cfg.ClickHouse.Retired = shardsOf(t, "east=e:9000")
	west, east := newTable(), newTable()
	r.tables = map[string]*table{"west": west, "east": east}
	taken := time.Now()
	resend := eventAt("dev", 0, taken)
	r.send(0, resend, eventAt("dev", 1, taken), eventAt("dev", 2, taken), resend, eventAt("dev", 3, taken))
	// One of the two had been stored.
	block := schema.NewBlock(schema.Telemetry())
	if _, err := schema.NewDecoder(schema.Telemetry(), schema.JSON, 1000).Decode(schema.Record{Time: taken.UnixMilli(), Value: []byte(resend)}, block); err != nil {
		t.Fatal(err)
	}
	if err := east.Insert(t.Context(), 0, "earlier", block); err != nil {
		t.Fatal(err)
	}
	r.commitAs(0, 0, pending("b", "east", 0, 2))
	r.start(Events{})
	r.await("commit of all", func() bool { return r.committed()[0] == 5 })
	expectRows(t, "where they were declared", east, 0, 0, 1)
	expectRows(t, "what follows; the resend of a row of the other shard is known", west, 0, 2, 4)
}

// Somebody sets the group back. The receipts know each record, so only what is
// missing is stored, and the node says so.
func TestAnOffsetThatIsMovedBackStoresOnlyWhatIsMissing(t *testing.T) {
	r := newRig(t)
	stop := r.start(Events{})
	r.sendEvents(20)
	r.awaitStored(20 * rigPartitions)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r.table.forget(schema.Origin{Partition: 1, Offset: 3}, schema.Origin{Partition: 1, Offset: 11})
	r.commitAs(1, 0, "")
	r.commitAs(2, 15, "")
	settled := make(chan Settled, 10)
	r.start(Events{Settled: func(s Settled) { settled <- s }})
	for p, got := range settledOf(rigPartitions, settled) {
		want := map[int32]Settled{0: {Next: 20}, 1: {Next: 20, Rewound: 20, Rows: 2}, 2: {Next: 20, Rewound: 5}, 3: {Next: 20}}[p]
		if got.Took, got.Partition = 0, 0; got != want {
			t.Errorf("p%d: %+v; want %+v", p, got, want)
		}
	}
	if stored, doubled := r.table.counts(); stored != 20*rigPartitions || doubled != 0 {
		t.Errorf("stored %d, doubled %d; want %d, 0", stored, doubled, 20*rigPartitions)
	}
	r.sendEvents(1)
	r.awaitStored(21 * rigPartitions)
	if got := r.committed()[1]; got < 20 {
		t.Errorf("p1 is committed at %d", got)
	}
}

// A person who moves the group forward is obeyed: what is skipped is not read.
func TestAnOffsetThatIsMovedForwardIsObeyed(t *testing.T) {
	r := newRig(t)
	r.sendEvents(20)
	for p := range int32(rigPartitions) {
		r.commitAs(p, 18, "")
	}
	r.start(Events{})
	r.awaitStored(2 * rigPartitions)
	r.await("commit of all", func() bool { c := r.committed(); return c[0] == 20 && c[1] == 20 && c[2] == 20 && c[3] == 20 })
	for p := range int32(rigPartitions) {
		expectRows(t, "from where it was set", r.table, p, 18, 19)
	}
}

// What was declared and never stored cannot be read any more: a person decides.
func TestAnIntentWhoseRecordsAreGoneStopsTheNode(t *testing.T) {
	r := newRig(t)
	r.sendEvents(20)
	r.commitAs(0, 2, pending("b", "1", 2, 9))
	if err := r.cluster.DeleteRecords("telemetry", 0, 5); err != nil {
		t.Fatal(err)
	}
	r.expectStop("p0", "retention", "--reset-offsets")
	if got := r.committed()[0]; got != 2 {
		t.Errorf("p0 is committed at %d; nothing of it is settled", got)
	}
}

// ClickHouse is away while a partition is settled, and the partition is given
// to another node: it is not waited for.
func TestAPartitionThatIsGivenUpIsSettledByTheNextOwner(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = 15 * time.Second // what a node that waited would take
	r.sendEvents(20)
	for p := range int32(rigPartitions) {
		r.commitAs(p, 0, pending(fmt.Sprintf("b%d", p%2), "1", 0, 10))
	}
	r.table.mu.Lock()
	r.table.deaf = 1 << 30
	r.table.mu.Unlock()
	asking := make(chan Retrying, 1000)
	revoked := make(chan []int32, 10)
	var settled, doubted atomic.Int32
	events := Events{
		Retrying: func(e Retrying) { asking <- e },
		Revoked:  func(ps []int32) { revoked <- ps },
		Settled:  func(Settled) { settled.Add(1) },
		Doubted:  func(error) { doubted.Add(1) },
	}
	first := r.run(events)
	if e := <-asking; e.What != "settle" || !errors.Is(e.Err, errReset) {
		t.Errorf("retrying %+v; want to settle", e)
	}
	r.start(events)
	began := time.Now()
	<-revoked
	// And a stop has nothing to wait for either.
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if settled.Load() != 0 {
		t.Error("settled, while the receipts did not answer")
	}
	r.table.mu.Lock()
	r.table.deaf = 0
	r.table.mu.Unlock()
	r.awaitStored(20 * rigPartitions)
	r.await("commit of all", func() bool { c := r.committed(); return c[0] == 20 && c[1] == 20 && c[2] == 20 && c[3] == 20 })
	if _, doubled := r.table.counts(); doubled != 0 || doubted.Load() != 0 {
		t.Errorf("%d doubled, %d in doubt", doubled, doubted.Load())
	}
}

// A day of which every row is refused has no token that keeps out what the last
// owner may have under way: its rows are dead-lettered only when that is over. What
// comes meanwhile is stored, and no letter.
func TestADayThatIsRefusedWhollyOutlastsTheLastOwner(t *testing.T) {
	f := func(name string, straggler bool, letters int) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.cfg.ClickHouse.InsertTimeout = 50 * time.Millisecond
			today := time.Now()
			poison := eventAt("dev", 1, today.AddDate(0, 0, -1))
			r.send(0, eventAt("dev", 0, today), poison, eventAt("dev", 2, today))
			r.commitAs(0, 0, pending("b", "1", 0, 3))
			is := func(o schema.Origin) bool { return o == schema.Origin{Offset: 1} }
			r.table.setFault(func(rows []schema.Origin) error {
				if slices.ContainsFunc(rows, is) {
					return errRefused
				}
				return nil
			})
			waits, settled := make(chan Retrying, 100), make(chan Settled, rigPartitions)
			var rejected atomic.Int32
			r.start(Events{
				Settled:  func(s Settled) { settled <- s },
				Rejected: func(Rejected) { rejected.Add(1) },
				Retrying: func(e Retrying) {
					if errors.Is(e.Err, errNoneTaken) {
						waits <- e
					}
				},
			})
			r.await("wait for the last owner", func() bool { return len(waits) > 0 })
			if e := <-waits; e.Wait < stragglers-time.Second || rejected.Load() != 0 {
				t.Errorf("%d rejected, and it waits for %v; want none, and about %v", rejected.Load(), e.Wait, stragglers)
			}
			if straggler {
				block := schema.NewBlock(r.schema)
				if _, err := schema.NewDecoder(r.schema, schema.JSON, 1000).Decode(schema.Record{Offset: 1, Time: today.UnixMilli(), Value: []byte(poison)}, block); err != nil {
					t.Fatal(err)
				}
				r.table.mu.Lock()
				if err := r.table.store("b", block, []schema.Origin{{Offset: 1}}); err != nil {
					t.Error(err)
				}
				r.table.mu.Unlock()
			}
			settledOf(rigPartitions, settled)
			want := []int64{0, 1, 2}
			if !straggler {
				want = []int64{0, 2}
			}
			expectRows(t, "settled", r.table, 0, want...)
			if got := int(rejected.Load()); got != letters || len(waits) != 0 {
				t.Errorf("%d rejected, %d more waits; want %d, 0", got, len(waits), letters)
			}
		})
	}
	f("its insert comes late", true, 0)
	f("nothing comes", false, 1)
}
