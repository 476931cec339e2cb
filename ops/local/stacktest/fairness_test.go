package stacktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

const (
	// flooded is how many records a topic is behind by, and meanwhile how long
	// the other one's fleet sends: less than the flood takes where Kafka,
	// ClickHouse, the node and the fleet share two cores.
	flooded   = 3_000_000
	meanwhile = 12 * time.Second
)

// TestAFloodOnOneTopic: a node works off three million records of one topic while
// a fleet sends to another, whose events are visible within the five seconds
// that are promised all the same. Neither topic loses or doubles any.
func TestAFloodOnOneTopic(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	node := fairNode(t, a)
	preload := loadtest.DefaultPreload()
	preload.Brokers, preload.Topic, preload.Records, preload.Run = a.Kafka.Brokers, "flood", flooded, "flood"
	loaded, err := loadtest.Preload(ctx, preload)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ingest.Start(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := n.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}

	fleet := fleetTo(a, "live", "live")
	fleet.Run, fleet.Rate, fleet.Duration, fleet.Devices = "live", 2000, meanwhile, 1000
	fleet.Shares = loadtest.Shares{Resend: 0.02, Malformed: 0.001}
	began := time.Now()
	a.ClickHouse.Database = "flood"
	conn := clickHouseClient(t, a)
	left := func() int64 {
		t.Helper()
		var rows uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM telemetry").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return flooded - int64(rows)
	}
	before := left()
	result, err := loadtest.Run(ctx, fleet, loadtest.Output{Writer: io.Discard})
	t.Logf("%d of %d records of the flood were left when the fleet began, %d when it was proven after %v\n%v", before, flooded, left(), time.Since(began).Round(time.Second), result)
	if err != nil {
		t.Error(err)
	}
	if before < flooded/2 {
		t.Errorf("there was no flood: only %d records were left when the fleet began", before)
	}
	if result.VisibleP99 >= 5000 {
		t.Errorf("of the other topic's events the slowest hundredth was visible after %.0f ms; within 5 s is promised", result.VisibleP99)
	}
	drains, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("the flood was not over within three minutes"))
	defer cancel()
	if err := n.Await(drains, func(context.Context) error {
		if n := left(); n > 0 {
			return fmt.Errorf("%d records of the flood are left", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("the flood was over after %v", time.Since(began).Round(time.Second))
	var rows, distinct uint64
	if err := conn.QueryRow(ctx, "SELECT count(), uniqExact(_partition, _offset) FROM telemetry_all").Scan(&rows, &distinct); err != nil {
		t.Fatal(err)
	}
	if rows != flooded || distinct != flooded {
		t.Errorf("of the flood %d rows of %d records are stored, want %d; it was %+v", rows, distinct, flooded, loaded)
	}
}

// fairNode makes topics and tables of two streams, and returns a node of both
// with the product's defaults.
func fairNode(t *testing.T, a stack.Addresses) ingest.Spec {
	t.Helper()
	for _, topic := range []string{"flood", "live"} {
		if err := kafka.CreateTopic(t.Context(), a.Kafka.Brokers, topic, 4, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	spec := nodeSpec(t, dir, "ingest")
	config := fmt.Sprintf(`kafka: {brokers: [%q]}
clickhouse: {addr: %q, user: %q, password: %q}
admin: {addr: %q}
streams:
  flood: {clickhouse: {database: flood}}
  live: {clickhouse: {database: live}}
`, a.Kafka.Brokers[0], a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, spec.Admin)
	if err := os.WriteFile(spec.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	migrate, err := child.Start(child.Spec{Name: "ingest migrate", Args: []string{spec.Program, "migrate", "--config", spec.Config}, Log: filepath.Join(dir, "migrate.log")})
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return spec
}
