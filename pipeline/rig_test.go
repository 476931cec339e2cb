package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync"
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
