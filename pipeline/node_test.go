package pipeline

import (
	"context"
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
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"penstock/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is where a record stands in Kafka.
type origin struct {
	partition int32
	offset    int64
}

// table is a ClickHouse table as far as inserts can tell: it keeps rows by
// their origin and skips a token it has seen for the day.
type table struct {
	mu     sync.Mutex
	rows   map[origin]int
	tokens map[string]bool
	// fault, if set, answers instead of the table.
	fault func(rows []origin) error
	// lose is how many answers are lost after the rows are stored.
	lose int
}

func newTable() *table { return &table{rows: map[origin]int{}, tokens: map[string]bool{}} }

func (t *table) Insert(ctx context.Context, token string, b *schema.Block) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]origin, b.Rows())
	for i := range rows {
		rows[i].partition, rows[i].offset = b.Origin(i)
	}
	if t.fault != nil {
		if err := t.fault(rows); err != nil {
			return err
		}
	}
	key := token + "/" + b.Day().String()
	if t.tokens[key] {
		return nil
	}
	t.tokens[key] = true
	for _, r := range rows {
		t.rows[r]++
	}
	if t.lose > 0 {
		t.lose--
		return errors.New("read: connection reset by peer")
	}
	return ctx.Err()
}

func (t *table) Close() error { return nil }

func (t *table) setFault(f func([]origin) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

// counts returns how many distinct records are stored, and how many of them
// more than once.
func (t *table) counts() (stored, doubled int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.rows {
		if n > 1 {
			doubled++
		}
	}
	return len(t.rows), doubled
}

// rig is a Kafka of one process, a table, and a fleet's end of the topic.
type rig struct {
	t       *testing.T
	cfg     Config
	cluster *kfake.Cluster
	client  *kgo.Client
	table   *table
	sent    int
	node    *Node // started last
}

const rigPartitions = 4

// newRig makes the test a parallel one: it mostly waits.
func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second),
		kfake.SeedTopics(rigPartitions, "telemetry", "telemetry.dead"),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "33554432", "group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := Default()
	cfg.Kafka.Brokers, cfg.Kafka.Topic = cluster.ListenAddrs(), "telemetry"
	cfg.ClickHouse.Addr = "unused:9000"
	cfg.Lanes = 2
	cfg.Batch.Age = 50 * time.Millisecond
	cfg.Breaker = Breaker{Failures: 3, Window: time.Second, Cooldown: 20 * time.Millisecond}
	cfg.StopTimeout = 5 * time.Second
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &rig{t: t, cfg: cfg, cluster: cluster, client: client, table: newTable()}
}

// event is a good record of the device.
func event(device string, seq int) string {
	return fmt.Sprintf(`{"device_id":%q,"seq":%d,"ts":%d,"temperature":21.5}`, device, seq, time.Now().UnixMilli())
}

// send produces values to the partition.
func (r *rig) send(partition int32, values ...string) {
	r.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: "telemetry", Partition: partition, Key: []byte("key"), Value: []byte(v)}
	}
	if err := r.client.ProduceSync(r.t.Context(), records...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// sendEvents produces n good events of one device to every partition.
func (r *rig) sendEvents(n int) {
	r.t.Helper()
	for p := range int32(rigPartitions) {
		values := make([]string, n)
		for i := range values {
			values[i] = event(fmt.Sprintf("dev-%d", p), r.sent+i)
		}
		r.send(p, values...)
	}
	r.sent += n
}

// start runs a node and returns what stops it and waits.
func (r *rig) start(events Events) (stop func() error) {
	r.t.Helper()
	node, err := New(r.cfg, schema.Telemetry(), events)
	if err != nil {
		r.t.Fatal(err)
	}
	node.open = func() sink { return r.table }
	r.node = node
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	r.t.Cleanup(func() {
		if err := stop(); err != nil {
			r.t.Error("node:", err)
		}
	})
	return stop
}

// expectStop runs a node until it stops by itself and says remedy.
func (r *rig) expectStop(remedy string) {
	r.t.Helper()
	node, err := New(r.cfg, schema.Telemetry(), Events{})
	if err != nil {
		r.t.Fatal(err)
	}
	node.open = func() sink { return r.table }
	ctx, cancel := context.WithTimeout(r.t.Context(), 15*time.Second)
	defer cancel()
	if err = node.Run(ctx); err == nil || !strings.Contains(err.Error(), remedy) {
		r.t.Errorf("got %v; want it to say %q", err, remedy)
	}
	if ctx.Err() != nil {
		r.t.Error("it did not stop by itself")
	}
}

// await polls until ok is true.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			stored, doubled := r.table.counts()
			r.t.Fatalf("no %s within 20s; stored %d, doubled %d", what, stored, doubled)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *rig) awaitStored(want int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d rows", want), func() bool { got, _ := r.table.counts(); return got >= want })
}

// committed returns the group's offset of each partition.
func (r *rig) committed() map[int32]int64 {
	r.t.Helper()
	offsets, err := kadm.NewClient(r.client).FetchOffsets(r.t.Context(), r.cfg.Kafka.Group)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[int32]int64{}
	for p, o := range offsets["telemetry"] {
		out[p] = o.At
	}
	return out
}

// deadLetters reads n records of the dead-letter topic.
func (r *rig) deadLetters(n int) []*kgo.Record {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cfg.Kafka.Brokers...), kgo.ConsumeTopics("telemetry.dead"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			r.t.Fatalf("%d of %d dead letters: %v", len(out), n, err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

func headerOf(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

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
	if _, ok := r.table.rows[origin{0, 0}]; !ok || len(r.table.rows) != 3 {
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
	r.cfg.Memory = minBatchBytes * budgetShares * int64(r.cfg.Lanes*r.cfg.Batch.PerLane) // the least allowed
	r.cfg.MaxRecordBytes = 1 << 20
	r.table.setFault(func([]origin) error { return errors.New("connection refused") })
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
	bad := map[origin]bool{{0, 3}: true, {2, 50}: true}
	r.table.setFault(func(rows []origin) error {
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
		if r.table.rows[o] != 0 {
			t.Errorf("the refused row %v is stored", o)
		}
	}
}

func TestAWrongPasswordStopsTheNodeAndSaysSo(t *testing.T) {
	r := newRig(t)
	r.table.setFault(func([]origin) error {
		return &ch.Exception{Code: proto.ErrAuthenticationFailed, Name: "AUTHENTICATION_FAILED", Message: "default: Authentication failed"}
	})
	r.sendEvents(1)
	r.expectStop("correct clickhouse.user and clickhouse.password")
	if c := r.committed(); len(c) != 0 {
		t.Errorf("committed %v without storing", c)
	}
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
