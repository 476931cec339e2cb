package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// rig is a Kafka of one process, a table, and a fleet's end of the topic.
type rig struct {
	t       *testing.T
	cfg     Config
	cluster *kfake.Cluster
	client  *kgo.Client
	table   *table
	schema  *schema.Schema
	tables  map[string]*table // of shards that have one of their own
	sent    int
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
	return &rig{t: t, cfg: cfg, cluster: cluster, client: client, table: newTable(), schema: schema.Telemetry()}
}

// event is a good record of the device, taken now. A resend is the same string.
func event(device string, seq int) string { return eventAt(device, seq, time.Now()) }

func eventAt(device string, seq int, taken time.Time) string {
	return fmt.Sprintf(`{"device_id":%q,"seq":%d,"ts":%d,"temperature":21.5}`, device, seq, taken.UnixMilli())
}

// send produces values to the partition.
func (r *rig) send(partition int32, values ...string) {
	r.t.Helper()
	r.sendAt(time.Now(), partition, values...)
}

// sendAt is send, some time ago.
func (r *rig) sendAt(at time.Time, partition int32, values ...string) {
	r.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: "telemetry", Partition: partition, Key: []byte("key"), Value: []byte(v), Timestamp: at}
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

// newestTelemetry is the shipped schema, which stays the newest.
func newestTelemetry() *atomic.Pointer[schema.Schema] {
	newest := new(atomic.Pointer[schema.Schema])
	newest.Store(schema.Telemetry())
	return newest
}

// running is a node at work, on a connection of its own to the tables.
type running struct {
	*link
	node   *Node
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended of err
	err    error
}

// stop asks the node to end, and waits for it.
func (n *running) stop() error {
	n.cancel()
	<-n.done
	return n.err
}

// awaitStuck returns the token of the next insert that hangs.
func (n *running) awaitStuck(t *testing.T) string {
	t.Helper()
	select {
	case token := <-n.stuck:
		return token
	case <-time.After(20 * time.Second):
		t.Fatal("no insert hangs within 20s: there was nothing left to insert")
		return ""
	}
}

// run runs a node. Whoever asked for it looks at how it ends.
func (r *rig) run(events Events) *running {
	r.t.Helper()
	node, err := New(r.cfg, r.schema, events)
	if err != nil {
		r.t.Fatal(err)
	}
	shards := r.cfg.ClickHouse.AllShards()
	tables := make([]*table, len(shards))
	for i, s := range shards {
		if tables[i] = r.tables[s.Name]; tables[i] == nil {
			tables[i] = r.table
		}
	}
	n := &running{node: node, link: &link{tables: tables, stuck: make(chan string, 100)}, done: make(chan struct{})}
	node.sink = func() sink { return n.link }
	node.stored = func(s Shard) (stored, error) { return tables[slices.Index(shards, s)], nil }
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { defer close(n.done); n.err = node.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-n.done })
	return n
}

// start runs a node that has to end well, and returns what stops it and waits.
func (r *rig) start(events Events) (stop func() error) {
	r.t.Helper()
	n := r.run(events)
	asked := false
	r.t.Cleanup(func() {
		if err := n.stop(); err != nil && !asked {
			r.t.Error("node:", err)
		}
	})
	return func() error { asked = true; return n.stop() }
}

// expectEnd waits until the node ends by itself, and holds what it says.
func (r *rig) expectEnd(n *running, remedies ...string) {
	r.t.Helper()
	select {
	case <-n.done:
	case <-time.After(15 * time.Second):
		r.t.Fatal("it did not stop by itself")
	}
	for _, remedy := range remedies {
		if n.err == nil || !strings.Contains(n.err.Error(), remedy) {
			r.t.Errorf("got %v; want it to say %q", n.err, remedy)
		}
	}
}

// expectStop runs a node until it stops by itself and says remedy.
func (r *rig) expectStop(remedies ...string) {
	r.t.Helper()
	r.expectEnd(r.run(Events{}), remedies...)
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
