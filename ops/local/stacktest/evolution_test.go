package stacktest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/pipeline/evolve"
	"penstock/schema"
)

// upgradeColumns are the fields that the upgraded firmware of the load test
// sends, as a later version of the schema has them.
const upgradeColumns = `
  - {id: 30, name: noise_db, type: float64, nullable: true, since: 2, doc: "Noise."}
  - {id: 31, name: fan_rpm, type: int32, nullable: true, since: 2, doc: "Fan."}
  - {id: 32, name: door_state, type: string, nullable: true, since: 2, doc: "Door."}
`

// TestFirmwareAddsFields has half of a fleet send three new fields mid-run and
// gives the tables columns for them while two nodes store: one goes on with the
// new version, the other knows the old one to the end. Every value is there by
// its name within five seconds, nothing is rejected and nothing doubled.
func TestFirmwareAddsFields(t *testing.T) {
	s := start(t, "")
	a, ctx := s.Addresses(), t.Context()
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, "telemetry", 8, nil); err != nil {
		t.Fatal(err)
	}
	bin := products(t)
	var nodes []*ingest.Node
	for i, watch := range []string{"500ms", "1h"} {
		port, err := child.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		admin, config := child.Loopback(port), filepath.Join(t.TempDir(), "ingest.yaml")
		text := fmt.Sprintf("kafka: {brokers: [%q], topic: telemetry, group: fleet}\nclickhouse: {addr: %q, user: %q, password: %q, database: fleet}\nadmin: {addr: %q}\nevolution: {watch: %s}\nlanes: 1\nmemory: 469762048\n",
			a.Kafka.Brokers[0], a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, admin, watch)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(bin, "ingest")
		if i == 0 {
			if said, err := exec.CommandContext(ctx, program, "migrate", "--config", config).CombinedOutput(); err != nil {
				t.Fatalf("migrate: %v\n%s", err, said)
			}
		}
		log := filepath.Join(t.TempDir(), "ingest.log")
		n, err := ingest.Start(ingest.Spec{Name: "ingest", Program: program, Config: config, Admin: admin, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
			if said, err := os.ReadFile(log); t.Failed() && err == nil {
				t.Logf("node %d:\n%s", i, said)
			}
		})
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if err := n.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}

	c := loadtest.DefaultConfig()
	c.Brokers, c.Rate, c.Devices, c.Duration = a.Kafka.Brokers, 2_000, 1_000, 24*time.Second
	c.ClickHouse = loadtest.ClickHouse{Addr: a.ClickHouse.Native, User: a.ClickHouse.User, Password: a.ClickHouse.Password,
		Database: "fleet", Table: "telemetry_all", Hot: "telemetry"}
	c.Shares.Malformed = 0
	c.Upgrade = loadtest.Upgrade{Share: 0.5, After: 6 * time.Second, Fields: 3}
	c.VerifyTimeout = 30 * time.Second
	type outcome struct {
		loadtest.Result
		err error
	}
	done := make(chan outcome)
	go func() {
		r, err := loadtest.Run(ctx, c, loadtest.Output{Writer: io.Discard})
		done <- outcome{r, err}
	}()

	conn := clickHouseClient(t, a)
	count := func(where string) (n uint64) {
		t.Helper()
		if err := conn.QueryRow(ctx, "SELECT count() FROM fleet.telemetry_all WHERE firmware = '3.3.0' AND "+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "rows of the new firmware", func() error {
		if n := count("extra LIKE '%noise_db%'"); n < 1_000 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
	begun := time.Now()
	applyText(t, evolve.Shard{Name: "1", At: &clickhouse.Options{Addr: []string{a.ClickHouse.Native},
		Auth: clickhouse.Auth{Username: a.ClickHouse.User, Password: a.ClickHouse.Password, Database: "fleet"}}},
		strings.Replace(schema.Telemetry().Text(), "\nversion: 1\n", "\nversion: 2\n", 1)+upgradeColumns)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("to apply took %v", took)
	}
	applied := time.Now()
	// From here on no query sees a row that has the value and not the name.
	var r outcome
	for looks, over := 0, false; !over; looks++ {
		if n := count("(noise_db IS NULL OR fan_rpm IS NULL OR door_state IS NULL)"); n > 0 {
			t.Fatalf("look %d: %d rows lack a value by its name", looks, n)
		}
		select {
		case r = <-done:
			over = true
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.Logf("%v", r.Result)
	if r.err != nil || !r.Verified || r.Rejected != 0 || r.Duplicated != 0 || r.VisibleMax > 5_000 {
		t.Errorf("%v: %+v", r.err, r.Result)
	}
	if u := r.Upgrade; u == nil || u.Sent < 5_000 {
		t.Errorf("of the new firmware was proven %+v", u)
	} else {
		for _, f := range u.Fields {
			if !f.Column || f.Right != u.Sent {
				t.Errorf("%d readings sent, and %+v", u.Sent, f)
			}
		}
	}
	since := fmt.Sprintf("ts > fromUnixTimestamp64Milli(%d, 'UTC')", applied.Add(3*time.Second).UnixMilli())
	if old, new := count(since+" AND extra LIKE '%noise_db%'"), count(since+" AND extra NOT LIKE '%noise_db%'"); old == 0 || new == 0 {
		t.Errorf("three seconds after the change %d rows were stored by a node of the old version and %d by one of the new; want both", old, new)
	}
}

// applyText brings the tables to the version of the text.
func applyText(t *testing.T, shard evolve.Shard, text string) *schema.Schema {
	t.Helper()
	next, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := evolve.Open([]evolve.Shard{shard}, schema.Tables{Database: shard.At.Auth.Database}, schema.Telemetry())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	}()
	report := func(step string) { t.Log(step) }
	if err := registry.Begin(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if err := registry.Apply(t.Context(), next, report); err != nil {
		t.Fatal(err)
	}
	return next
}
