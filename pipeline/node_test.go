package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

func TestEveryRecordIsStoredOnceAndCommitted(t *testing.T) {
	r := newRig(t)
	r.sendEvents(500)
	stop := r.start(Events{})
	r.awaitStored(2000)
	r.sendEvents(500) // while it runs
	r.awaitStored(4000)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if stored, doubled := r.table.counts(); stored != 4000 || doubled != 0 {
		t.Errorf("stored %d, doubled %d; want 4000, 0", stored, doubled)
	}
	for p, next := range r.committed() {
		if next != 1000 {
			t.Errorf("p%d is committed at %d; want 1000", p, next)
		}
	}

	// The next node begins where this one ended.
	r.sendEvents(10)
	r.start(Events{})
	r.awaitStored(4040)
	if stored, doubled := r.table.counts(); stored != 4040 || doubled != 0 {
		t.Errorf("after a restart: stored %d, doubled %d; want 4040, 0", stored, doubled)
	}
}

func TestResendsAreStoredOnce(t *testing.T) {
	r := newRig(t)
	first := event("dev", 1)
	r.send(0, first, event("dev", 2), first)
	r.start(Events{})
	r.awaitStored(2)
	r.send(0, first, event("dev", 3)) // in a later batch
	r.awaitStored(3)
	r.await("commit of all", func() bool { return r.committed()[0] == 5 })
	if _, ok := r.table.rows[schema.Origin{Partition: 0, Offset: 0}]; !ok || len(r.table.rows) != 3 {
		t.Errorf("stored %v; want the first of each", r.table.rows)
	}
}

func TestRejectsAreDeadLetteredAndDoNotStopTheNode(t *testing.T) {
	r := newRig(t)
	r.send(1, "{", event("dev", 1), `{"seq":1}`, strings.Repeat("x", 2<<20), "", event("dev", 2))
	r.start(Events{})
	r.awaitStored(2)
	letters := r.deadLetters(4)
	slices.SortFunc(letters, func(a, b *kgo.Record) int {
		return strings.Compare(headerOf(a, HeaderOffset), headerOf(b, HeaderOffset))
	})
	for i, want := range []struct{ offset, reason string }{
		{"0", "malformed"}, {"2", "missing"}, {"3", "too_large"}, {"4", "empty"},
	} {
		got := letters[i]
		if headerOf(got, HeaderOffset) != want.offset || headerOf(got, HeaderReason) != want.reason {
			t.Errorf("letter %d is offset %s, reason %s; want %+v", i, headerOf(got, HeaderOffset), headerOf(got, HeaderReason), want)
		}
		if headerOf(got, HeaderPartition) != "1" || headerOf(got, HeaderTopic) != "telemetry" || headerOf(got, HeaderError) == "" || string(got.Key) != "key" {
			t.Errorf("letter %d lacks coordinates: %v", i, got.Headers)
		}
	}
	if len(letters[2].Value) != 2<<20 {
		t.Errorf("the large record arrived with %d bytes", len(letters[2].Value))
	}
	r.await("commit past the rejects", func() bool { return r.committed()[1] == 6 })
}

func TestClickHouseAwayLosesNothingAndPausesKafka(t *testing.T) {
	r := newRig(t)
	r.cfg.Memory = r.cfg.memoryFor(minBatchBytes) // the least allowed
	r.cfg.MaxRecordBytes = 1 << 20
	r.table.setFault(func([]schema.Origin) error { return errors.New("connection refused") })
	paused, opened := make(chan int, 100), make(chan bool, 100)
	stop := r.start(Events{Paused: func(lane int) { paused <- lane }, Breaker: func(open bool) {
		select {
		case opened <- open:
		default:
		}
	}})
	// Some 40 MB a lane, twice what it may hold.
	pad := strings.Repeat("x", 10_000)
	for p := range int32(rigPartitions) {
		for i := 0; i < 2000; i += 100 {
			var values []string
			for j := range 100 {
				values = append(values, fmt.Sprintf(`{"device_id":"d%d","seq":%d,"ts":%d,"event_id":%q}`, p, i+j, time.Now().UnixMilli(), pad))
			}
			r.send(p, values...)
		}
	}
	for lanes := map[int]bool{}; len(lanes) < r.cfg.Lanes; {
		select {
		case lane := <-paused:
			lanes[lane] = true
		case <-time.After(20 * time.Second):
			t.Fatal("no lane was paused")
		}
	}
	if open := <-opened; !open {
		t.Error("the breaker closed before it opened")
	}
	r.table.setFault(nil)
	r.awaitStored(2000 * rigPartitions)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if stored, doubled := r.table.counts(); stored != 2000*rigPartitions || doubled != 0 {
		t.Errorf("stored %d, doubled %d", stored, doubled)
	}
}

// An answer that is lost is no answer: the rows go again under the same token,
// and the table skips them.
func TestLostAnswersDoubleNothing(t *testing.T) {
	r := newRig(t)
	r.table.lose = 5
	r.start(Events{})
	r.sendEvents(100)
	r.awaitStored(100 * rigPartitions)
	if _, doubled := r.table.counts(); doubled != 0 {
		t.Errorf("%d doubled", doubled)
	}
}

func TestRefusedRowsAreFoundByHalving(t *testing.T) {
	r := newRig(t)
	bad := map[schema.Origin]bool{{Partition: 0, Offset: 3}: true, {Partition: 2, Offset: 50}: true}
	r.table.setFault(func(rows []schema.Origin) error {
		for _, o := range rows {
			if bad[o] {
				return &ch.Exception{Code: proto.ErrViolatedConstraint, Name: "DB::Exception", Message: "constraint"}
			}
		}
		return nil
	})
	r.sendEvents(100)
	r.start(Events{})
	r.awaitStored(100*rigPartitions - len(bad))
	for _, letter := range r.deadLetters(len(bad)) {
		if headerOf(letter, HeaderReason) != "refused" || !strings.Contains(string(letter.Value), "device_id") {
			t.Errorf("dead letter %v %s", letter.Headers, letter.Value)
		}
	}
	r.await("commit past them", func() bool { c := r.committed(); return c[0] == 100 && c[2] == 100 })
	for o := range bad {
		if len(r.table.rows[o]) != 0 {
			t.Errorf("the refused row %v is stored", o)
		}
	}
}

func TestAWrongPasswordStopsTheNodeAndSaysSo(t *testing.T) {
	r := newRig(t)
	r.table.setFault(func([]schema.Origin) error {
		return r.cfg.ClickHouse.Explain(&ch.Exception{Code: proto.ErrAuthenticationFailed, Name: "AUTHENTICATION_FAILED", Message: "default: Authentication failed"})
	})
	r.sendEvents(1)
	r.expectStop("correct clickhouse.user and clickhouse.password")
	r.expectNothingConfirmed()
}

func TestANodeThatJoinsTakesOverWithoutLossOrDouble(t *testing.T) {
	r := newRig(t)
	r.cfg.Batch.Age = 10 * time.Millisecond
	stopFirst := r.start(Events{})
	r.sendEvents(200)
	r.awaitStored(200 * rigPartitions)

	var mu sync.Mutex
	second := map[int32]bool{}
	r.start(Events{Assigned: func(ps []int32) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range ps {
			second[p] = true
		}
	}})
	r.await("share for the second node", func() bool {
		r.sendEvents(20)
		mu.Lock()
		defer mu.Unlock()
		return len(second) >= rigPartitions/2
	})
	r.sendEvents(200)
	if err := stopFirst(); err != nil { // and one that leaves
		t.Fatal(err)
	}
	r.sendEvents(200)
	r.awaitStored(r.sent * rigPartitions)
	if stored, doubled := r.table.counts(); stored != r.sent*rigPartitions || doubled != 0 {
		t.Errorf("stored %d of %d, doubled %d; second node had %v", stored, r.sent*rigPartitions, doubled, slices.Sorted(maps.Keys(second)))
	}
}

func TestAnOffsetThatIsGoneStopsTheNode(t *testing.T) {
	r := newRig(t)
	r.sendEvents(10)
	admin := kadm.NewClient(r.client)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "telemetry", Partition: 0, At: 2, LeaderEpoch: -1})
	if err := admin.CommitAllOffsets(t.Context(), r.cfg.Kafka.Group, offsets); err != nil {
		t.Fatal(err)
	}
	var gone kadm.Offsets
	gone.Add(kadm.Offset{Topic: "telemetry", Partition: 0, At: 5})
	if _, err := admin.DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	r.expectStop("--reset-offsets")
}
