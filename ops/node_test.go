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
// stopping, while ClickHouse is away: what needs no ClickHouse is done and
// counted, what does makes the node unready and shows as lag.
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
	health, reg := NewHealth(admin), prometheus.NewRegistry()
	log, written := journal(0)
	// The log is read when the node has stopped: only then does nobody write.
	node, err := pipeline.New(cfg, schema.Telemetry(), Tee(NewMetrics(reg).PipelineEvents(cfg), health.PipelineEvents(), LogPipeline(log)))
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, admin, reg, health.Problems)
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

	await("/readyz", "no partition is assigned")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	defer stop()
	await("/readyz", "ok\n")

	send("{", "[]")
	await("/metrics", "penstock_ingest_polled_records_total 2\n",
		`penstock_ingest_rejected_records_total{reason="malformed"} 1`, `penstock_ingest_rejected_records_total{reason="not_object"} 1`,
		`penstock_ingest_committed_offset{partition="0"} 2`, `penstock_ingest_lag_records{partition="0"} 0`)

	send(fmt.Sprintf(`{"device_id":"dev-1","seq":1,"ts":%d}`, time.Now().UnixMilli()))
	await("/metrics", `penstock_ingest_lag_records{partition="0"} 1`, "penstock_ingest_breaker_open 1\n", "penstock_ingest_stored_rows_total 0\n")
	await("/readyz", "insert has been failing for ")

	stop()
	if err := <-ended; err == nil {
		t.Error("the node stopped without a word of what it could not store")
	}
	for _, want := range []string{
		`msg="partitions assigned" partitions=[0]`, "msg=\"record rejected", "reason=malformed", "reason=not_object",
		`msg="insert failed`, cfg.ClickHouse.Addr, `msg="ClickHouse failed too often`,
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
