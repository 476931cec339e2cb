package pipeline

import (
	"maps"
	"strings"
	"testing"
	"time"

	"penstock/schema"
)

// expectOrigins checks which events of partition 0 the table has, each once.
func expectOrigins(t *testing.T, table *table, want ...schema.Origin) {
	t.Helper()
	table.mu.Lock()
	defer table.mu.Unlock()
	missing := map[schema.Origin]bool{}
	for _, o := range want {
		missing[o] = true
	}
	for o, rows := range table.rows {
		if !missing[o] || len(rows) != 1 {
			t.Errorf("%+v is stored %d times", o, len(rows))
		}
		delete(missing, o)
	}
	for o := range maps.Keys(missing) {
		t.Errorf("%+v is not stored", o)
	}
}

func at(offset int64, index uint16) schema.Origin {
	return schema.Origin{Offset: offset, Index: index}
}

// The events of a record are rows, duplicates and rejects each by itself, and stay
// so when the node dies between the intent and the insert.
func TestRecordsOfSeveralEventsAreStoredOnceThroughACrash(t *testing.T) {
	r, d := newCrashRig(t)
	r.cfg.Kafka.Framing = schema.Batched
	taken := time.Now()
	yesterday := taken.Add(-24 * time.Hour)
	one := func(seq int) string { return eventAt("dev", seq, taken) }
	n := r.run(Events{})
	r.send(0, one(0), "["+one(1)+","+one(1)+","+one(2)+"]")
	r.awaitStored(3)
	r.await("commit", func() bool { return r.committed()[0] == 2 })
	n.hangAt(always(before))
	r.send(0,
		one(3)+"\n"+one(2)+"\n17\n"+eventAt("dev", 4, yesterday),
		`[`+one(5)+`,{"device_id":"dev"},`+one(6)+`]`,
		`[`+one(7)+`,`)
	n.awaitStuck(t)
	r.kill(d, n)
	r.send(0, one(8))
	stop := r.start(Events{})
	r.await("commit of all", func() bool { return r.committed()[0] == 6 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	expectOrigins(t, r.table, at(0, 0), at(1, 0), at(1, 2), at(2, 0), at(2, 3), at(3, 0), at(3, 2), at(5, 0))
	got := map[string]string{}
	for _, letter := range r.deadLetters(3) {
		got[headerOf(letter, HeaderOffset)+"."+headerOf(letter, HeaderIndex)] = headerOf(letter, HeaderReason) + " " + string(letter.Value)
	}
	want := map[string]string{"2.2": "not_object 17", "3.1": `missing {"device_id":"dev"}`, "4.": "malformed [" + one(7) + ","}
	if !maps.Equal(got, want) {
		t.Errorf("dead letters are %q; want %q", got, want)
	}
}

// A record may be stored in part: its events are of several days, or some were
// refused, and the node died between two inserts. What is missing of it is stored,
// and nothing else.
func TestARecordThatIsStoredInPartIsCompleted(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.Framing = schema.Batched
	taken := time.Now()
	stop := r.start(Events{})
	for i := range 3 {
		r.send(0, eventAt("dev", 3*i, taken)+"\n"+eventAt("dev", 3*i+1, taken.Add(-48*time.Hour))+"\n"+eventAt("dev", 3*i+2, taken))
	}
	r.awaitStored(9)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r.table.forget(at(0, 1), at(1, 0), at(1, 2), at(2, 2))
	r.commitAs(0, 0, "")
	settled := make(chan Settled, rigPartitions)
	r.start(Events{Settled: func(s Settled) { settled <- s }})
	if got := settledOf(rigPartitions, settled)[0]; got.Rows != 4 || got.Rewound != 3 {
		t.Errorf("settled %+v; want 4 rows of 3 offsets", got)
	}
	expectOrigins(t, r.table, at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(1, 1), at(1, 2), at(2, 0), at(2, 1), at(2, 2))
}

// An event that ClickHouse refuses is dead-lettered alone.
func TestARefusedEventIsDeadLetteredAlone(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.Framing = schema.Batched
	r.table.setFault(func(rows []schema.Origin) error {
		for _, o := range rows {
			if o == at(0, 1) {
				return errRefused
			}
		}
		return nil
	})
	bad := event("dev", 1)
	r.send(0, "["+event("dev", 0)+","+bad+","+event("dev", 2)+"]")
	r.start(Events{})
	r.awaitStored(2)
	r.await("commit", func() bool { return r.committed()[0] == 1 })
	expectOrigins(t, r.table, at(0, 0), at(0, 2))
	letter := r.deadLetters(1)[0]
	if string(letter.Value) != bad || headerOf(letter, HeaderIndex) != "1" || headerOf(letter, HeaderReason) != string(schema.ReasonRefused) {
		t.Errorf("the letter is %q with %v", letter.Value, letter.Headers)
	}
	l, err := ParseLetter(letter)
	if err != nil || l.origin() != at(0, 1) {
		t.Errorf("read back as %+v, %v", l, err)
	}
}

func TestBatchedIsForJSON(t *testing.T) {
	cfg := Default()
	cfg.Kafka.Framing = schema.Batched
	cfg.Kafka.Encoding = schema.Protobuf
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "kafka.framing is batched and kafka.encoding protobuf") {
		t.Errorf("error is %v", err)
	}
	cfg.Kafka.Framing = "lines"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), `kafka.framing is "lines"; want one of [single batched]`) {
		t.Errorf("error is %v", err)
	}
}
