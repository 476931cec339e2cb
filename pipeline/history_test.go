package pipeline

import (
	"testing"
	"time"

	"penstock/schema"
)

// store has the table store the records as an earlier owner's batch of that id,
// by their offsets in the partition.
func (r *rig) store(partition int32, id string, records map[int64]string) {
	r.t.Helper()
	block, decoder := schema.NewBlock(schema.Telemetry()), schema.NewDecoder(schema.Telemetry(), schema.JSON, 1000)
	for offset, value := range records {
		of := schema.Record{Topic: "telemetry", Partition: partition, Offset: offset, Time: time.Now().UnixMilli(), Value: []byte(value)}
		if _, err := decoder.Decode(of, block); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.table.Insert(r.t.Context(), 0, id, block); err != nil {
		r.t.Fatal(err)
	}
}

// A device began again at a number before the last, as after a restart. What it
// sent next is stored and what it sent then is not: to be settled, that is read
// as it was read first, when nothing of what follows was known.
func TestANumberThatIsUsedAgainIsSettledThoughWhatFollowsIsStored(t *testing.T) {
	r := newRig(t)
	now := time.Now()
	zero, one, two := eventAt("dev", 5, now.Add(-3*time.Second)), eventAt("dev", 5, now.Add(-2*time.Second)), eventAt("dev", 6, now)
	r.send(0, zero, one, two)
	r.store(0, "b0", map[int64]string{0: zero})
	r.store(0, "b2", map[int64]string{2: two})
	r.commitAs(0, 1, "penstock/1 1 b1:1:1+1@1 b2:1:2+1@1")
	r.start(Events{})
	r.await("commit of all", func() bool { return r.committed()[0] == 3 })
	expectRows(t, "settled", r.table, 0, 0, 1, 2)
}

// Nothing is committed, and the first records are gone: it is no offset out of
// range, since nobody promised to read them.
func TestANewGroupBeginsAtTheFirstRecordThatKafkaHas(t *testing.T) {
	r := newRig(t)
	r.sendEvents(10)
	if err := r.cluster.DeleteRecords("telemetry", 0, 5); err != nil {
		t.Fatal(err)
	}
	settled := make(chan Settled, 100)
	r.start(Events{Settled: func(s Settled) { settled <- s }})
	r.awaitStored(10*rigPartitions - 5)
	r.await("commit of all", func() bool { return r.committed()[0] == 10 })
	expectRows(t, "from the first", r.table, 0, 5, 6, 7, 8, 9)
	if got := settledOf(rigPartitions, settled)[0]; got.Next != 5 || got.Rewound != 0 {
		t.Errorf("p0: %+v; want to begin at 5", got)
	}
}

// records are n readings of a device.
func records(device string, n int, taken time.Time) (all []string) {
	for i := range n {
		all = append(all, eventAt(device, i, taken.Add(time.Duration(i)*time.Millisecond)))
	}
	return all
}

// A topic was deleted and created again while no node ran, and the tables have
// the rows of the one before. Where its records are others, to go on would take
// them for stored.
func TestRowsOfATopicThatIsCreatedAnewAreToldFromItsRecords(t *testing.T) {
	taken := time.Now()
	old := records("dev", 10, taken)
	rows := map[int64]string{}
	for i, value := range old {
		rows[int64(i)] = value
	}
	f := func(name string, anew []string, then func(*rig)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.store(1, "earlier", rows)
			r.send(1, anew...)
			then(r)
			if stored, doubled := r.table.counts(); stored != len(old) || doubled != 0 {
				t.Errorf("stored %d, doubled %d; want %d, 0", stored, doubled, len(old))
			}
		})
	}
	stops := func(where string) func(*rig) {
		return func(r *rig) {
			r.expectStop("p1@9 is stored", where, "deleted and created again", "tables of its own", "empty the tables")
			r.expectNothingConfirmed()
		}
	}
	f("shorter", old[:5], stops("Kafka's log ends at 5"))
	f("other records", records("other", 10, taken), stops("is not the record that Kafka has"))
	f("records that are none", append(records("other", 9, taken), "{"), stops("is not the record that Kafka has"))
	f("the same records", old, func(r *rig) {
		settled := make(chan Settled, 100)
		r.start(Events{Settled: func(s Settled) { settled <- s }})
		got := settledOf(rigPartitions, settled)
		for p := range int32(rigPartitions) {
			want := Settled{Partition: p}
			if p == 1 {
				want.Next, want.Rewound = 10, 10
			}
			if s := got[p]; s.Next != want.Next || s.Rewound != want.Rewound || s.Rows != 0 {
				r.t.Errorf("p%d: %+v; want %+v", p, s, want)
			}
		}
		if got := r.committed()[1]; got != 10 {
			r.t.Errorf("p1 is committed at %d; want 10", got)
		}
	})
}
