package ops

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
	"penstock/schema"
)

// TestNodeWithoutClickHouse watches a real node, over HTTP, from joining to
// stopping, while ClickHouse is away: it settles first what an earlier owner may
// have left, so it is unready, reads nothing, and has nothing to say at the end.
func TestNodeWithoutClickHouse(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "telemetry", "telemetry.dead"),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	send := func(values ...string) {
		t.Helper()
		client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, v := range values {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "telemetry", Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}

	cfg := pipeline.Default()
	cfg.Kafka.Brokers, cfg.Kafka.Topic = cluster.ListenAddrs(), "telemetry"
	cfg.ClickHouse.Addr = closedPort(t)
	cfg.Lanes = 1
	cfg.Batch.Age = 20 * time.Millisecond
	cfg.Breaker = pipeline.Breaker{Failures: 2, Window: 10 * time.Second, Cooldown: 50 * time.Millisecond}
	cfg.StopTimeout = 100 * time.Millisecond

	admin := Default()
	admin.UnreadyAfter = 300 * time.Millisecond
	reg := prometheus.NewRegistry()
	log, written := journal(0)
	stream := NewStream("fleet", admin, reg, log)
	// The log is read when the node has stopped: only then does nobody write.
	node, err := pipeline.New(cfg, schema.Telemetry(), stream.PipelineEvents(cfg))
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, admin, reg, Streams{stream}.Problems)
	await := func(path string, want ...string) {
		t.Helper()
		body := ""
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			_, body = get(t, a, path)
			missing := false
			for _, w := range want {
				missing = missing || !strings.Contains("\n"+body, "\n"+w)
			}
			if !missing {
				return
			}
		}
		t.Fatalf("%s never had %q; last:\n%s", path, want, body)
	}

	await("/readyz", "stream fleet: no partition is assigned")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	defer stop()
	// What an earlier owner left is not known: nothing is read before it is.
	await("/readyz", "stream fleet: partitions [0] are being settled")
	await("/readyz", "stream fleet: settle has been failing for ")
	send("{", fmt.Sprintf(`{"device_id":"dev-1","seq":1,"ts":%d}`, time.Now().UnixMilli()))
	await("/metrics", `penstock_ingest_assigned_partitions{stream="fleet"} 1`, `penstock_ingest_settled_partitions_total{stream="fleet"} 0`,
		`penstock_ingest_polled_records_total{stream="fleet"} 0`, `penstock_ingest_commits_total{stream="fleet"} 0`)

	stop()
	if err := <-ended; err != nil {
		t.Error("the node held nothing, and stopped with", err)
	}
	for _, want := range []string{
		`msg="partitions assigned" stream=fleet partitions=[0]`, `msg="what an earlier owner left could not be settled`, cfg.ClickHouse.Addr,
	} {
		if !strings.Contains(written.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, written)
		}
	}
}

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
