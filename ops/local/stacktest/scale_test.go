package stacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/proxy"
	"penstock/ops/scaling"
)

// TestScale: KEDA's own client asks `ingest scale` about a real node. While a backlog
// is drained more nodes are wanted; when ClickHouse is slow, or away, the number stays, and
// the reason says so; when all is done it goes down again.
func TestScale(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	const topic = "scaled"
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, 8, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	slow := throughProxy(t, a)
	node := nodeSpec(t, dir, "ingest")
	grpcAt, httpAt := freeAddr(t), freeAddr(t)
	overwrite(t, node.Config, fmt.Appendf(nil, `kafka: {brokers: [%q], topic: %s}
clickhouse: {addr: %q, user: %q, password: %q, database: scaled}
admin: {addr: %q}
scaling: {nodes: [%q], every: 500ms, up_after: 1s, down_after: 4s, drain: 200ms, max: 8, partition_share: 1, slow_insert: 1s, grpc: %q, addr: %q}
`, a.Kafka.Brokers[0], topic, slow.Addr(), a.ClickHouse.User, a.ClickHouse.Password, node.Admin, node.Admin, grpcAt, httpAt))
	run := func(name string) *child.Process {
		t.Helper()
		p, err := child.Start(child.Spec{Name: "ingest " + name, Args: []string{node.Program, name, "--config", node.Config}, Log: filepath.Join(dir, name+".log")})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := run("migrate").Wait(ctx); err != nil {
		t.Fatal(err)
	}
	preload := func(run string, records int) {
		t.Helper()
		cfg := loadtest.DefaultPreload()
		cfg.Brokers, cfg.Topic, cfg.Records, cfg.Run = a.Kafka.Brokers, topic, records, run
		if _, err := loadtest.Preload(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	preload("first", 5_000_000)

	scale := run("scale")
	t.Cleanup(func() {
		if err := scale.Stop(); err != nil {
			said, _ := os.ReadFile(filepath.Join(dir, "scale.log"))
			t.Errorf("%v\n%s", err, said)
		}
	})
	conn, err := grpc.NewClient(grpcAt, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	keda := externalscaler.NewExternalScalerClient(conn)
	object := &externalscaler.ScaledObjectRef{Name: "ingest", Namespace: "telemetry"}
	replicas := func(ctx context.Context) (float64, error) {
		spec, err := keda.GetMetricSpec(ctx, object)
		if err != nil {
			return 0, err
		}
		name := spec.MetricSpecs[0].MetricName
		got, err := keda.GetMetrics(ctx, &externalscaler.GetMetricsRequest{ScaledObjectRef: object, MetricName: name})
		if err != nil {
			return 0, err
		}
		return got.MetricValues[0].MetricValueFloat / spec.MetricSpecs[0].TargetSizeFloat, nil
	}
	state := func() (s scaling.State) {
		t.Helper()
		answer, err := http.Get("http://" + httpAt + "/scale")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(json.NewDecoder(answer.Body).Decode(&s), answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	eventually(t, "that nothing is known yet is said", func() error {
		if _, err := replicas(ctx); err == nil || !strings.Contains(err.Error(), "not known yet") {
			return fmt.Errorf("KEDA is told %q", fmt.Sprint(err))
		}
		return nil
	})

	n, err := ingest.Start(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	rising := func() error {
		wanted, err := replicas(ctx)
		if err == nil && wanted < 2 {
			err = fmt.Errorf("%v nodes are wanted, %+v", wanted, state())
		}
		return err
	}
	eventually(t, "more nodes are wanted for a backlog", rising)
	t.Logf("a backlog: %+v", state())

	if err := slow.Break(proxy.Delay(proxy.Upstream, 1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	before := 0.0
	eventually(t, "the number stays while ClickHouse is slow", func() (err error) {
		if before, err = replicas(ctx); err != nil {
			return err
		}
		if s := state(); !s.Held || !strings.Contains(s.Reason, "ClickHouse is the bottleneck: an insert takes") {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	t.Logf("ClickHouse is slow: %+v", state())
	preload("second", 1_000_000) // the lag grows
	if after, err := replicas(ctx); err != nil || after != before {
		t.Errorf("%v nodes are wanted after %v: %+v", after, before, state())
	}

	// ClickHouse goes away for longer than it takes to go down: lanes fill, and their
	// partitions are no longer read.
	slow.Refuse()
	slow.Cut()
	for gone := time.Now(); time.Since(gone) < 12*time.Second; time.Sleep(500 * time.Millisecond) {
		if after, err := replicas(ctx); err != nil || after != before {
			t.Fatalf("ClickHouse is away for %v, and %v nodes are wanted after %v: %+v", time.Since(gone), after, before, state())
		}
	}
	t.Logf("ClickHouse is away: %+v", state())
	if err := errors.Join(slow.Heal(), slow.Restore()); err != nil {
		t.Fatal(err)
	}
	drains, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("the backlog was not gone within three minutes"))
	defer cancel()
	if err := n.Await(drains, func(context.Context) error {
		if s := state(); s.Nodes != 1 || s.Lag > 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("the backlog is gone: %+v", state())
}
