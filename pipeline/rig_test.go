package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"penstock/pipeline/dedup"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is a ClickHouse table as far as inserts and receipts can tell: it keeps
// rows by their origin and skips a token it has seen for the day.
type table struct {
	mu     sync.Mutex
	rows   map[origin][]identified
	tokens map[string]bool
	// fault, if set, answers instead of the table.
	fault func(rows []origin) error
	// lose is how many answers are lost after the rows are stored.
	lose int
}

// identified is one row.
type identified struct {
	id   schema.Identity
	time int64
}

func newTable() *table { return &table{rows: map[origin][]identified{}, tokens: map[string]bool{}} }

func (t *table) Insert(ctx context.Context, _ int, token string, b *schema.Block) error {
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
	ids := identities(b)
	for i, r := range rows {
		t.rows[r] = append(t.rows[r], ids[i])
	}
	if t.lose > 0 {
		t.lose--
		return errors.New("read: connection reset by peer")
	}
	return ctx.Err()
}

// identities reads the identities of a block's rows off what is sent of it.
func identities(b *schema.Block) []identified {
	out := make([]identified, b.Rows())
	for _, c := range b.Input() {
		var buf proto.Buffer
		c.Data.EncodeColumn(&buf)
		for i := range out {
			switch c.Name {
			case "device_id":
				size, n := binary.Uvarint(buf.Buf)
				out[i].id.Device = xxhash.Sum64(buf.Buf[n : n+int(size)])
				buf.Buf = buf.Buf[n+int(size):]
			case "seq":
				out[i].id.Seq = binary.LittleEndian.Uint64(buf.Buf[8*i:])
			case "ts":
				out[i].time = int64(binary.LittleEndian.Uint64(buf.Buf[8*i:]))
			}
		}
	}
	return out
}

func (t *table) Stored(_ context.Context, spans []receipts.Span) (receipts.Offsets, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := map[int32][]int64{}
	for o := range t.rows {
		for _, s := range spans {
			if o.partition == s.Partition && s.First <= o.offset && o.offset < s.Next {
				found[o.partition] = append(found[o.partition], o.offset)
			}
		}
	}
	return receipts.NewOffsets(found), nil
}

func (t *table) Last(_ context.Context, from map[int32]int64) (map[int32]receipts.Last, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[int32]receipts.Last{}
	for o := range t.rows {
		if first, ok := from[o.partition]; ok && o.offset >= max(first, out[o.partition].Offset) {
			out[o.partition] = receipts.Last{Offset: o.offset}
		}
	}
	return out, nil
}

func (t *table) Windows(_ context.Context, from map[int32]receipts.Since, visit func(int32, dedup.Block) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, rows := range t.rows {
		since, ok := from[o.partition]
		if !ok || o.offset < since.Offset {
			continue
		}
		for _, r := range rows {
			b := dedup.Block{Device: r.id.Device, Number: r.id.Seq / dedup.BlockNumbers, First: r.time, Last: r.time, At: r.time}
			b.Bits[r.id.Seq/64%8] = 1 << (r.id.Seq % 64)
			if err := visit(o.partition, b); err != nil {
				return err
			}
		}
	}
	return nil
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
	for _, rows := range t.rows {
		if len(rows) > 1 {
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

// event is a good record of the device, taken now. A resend is the same string.
func event(device string, seq int) string { return eventAt(device, seq, time.Now()) }

func eventAt(device string, seq int, taken time.Time) string {
	return fmt.Sprintf(`{"device_id":%q,"seq":%d,"ts":%d,"temperature":21.5}`, device, seq, taken.UnixMilli())
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
	node.sink = func() sink { return r.table }
	node.stored = func(Shard) (stored, error) { return r.table, nil }
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
	node.sink = func() sink { return r.table }
	node.stored = func(Shard) (stored, error) { return r.table, nil }
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

// expectNothingConfirmed checks that nothing is said to be done: the offset of
// an intent is that of the first record that is not.
func (r *rig) expectNothingConfirmed() {
	r.t.Helper()
	for p, next := range r.committed() {
		if next > 0 {
			r.t.Errorf("p%d is committed at %d; nothing of it is done", p, next)
		}
	}
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
