package stacktest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/pipeline/evolve"
)

// TestFirmwareAddsFields has half of a fleet send three new fields mid-run while
// two nodes store. The tables get columns for them, by a person who applies what
// is proposed or by a node itself: one node goes on with the new version, the
// other knows the old one to the end. Every value is there by its name within
// five seconds, nothing is rejected and nothing doubled.
func TestFirmwareAddsFields(t *testing.T) {
	for _, policy := range []evolve.Policy{evolve.Propose, evolve.Auto} {
		t.Run(string(policy), func(t *testing.T) { firmwareAddsFields(t, policy) })
	}
}

func firmwareAddsFields(t *testing.T, policy evolve.Policy) {
	s := start(t, "")
	a, ctx := s.Addresses(), t.Context()
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, "telemetry", 8, nil); err != nil {
		t.Fatal(err)
	}
	bin := products(t)
	var nodes []*ingest.Node
	var configs []string
	for i, evolution := range []string{"watch: 500ms", "watch: 1h"} {
		admin, config := freeAddr(t), filepath.Join(t.TempDir(), "ingest.yaml")
		text := fmt.Sprintf("kafka: {brokers: [%q], topic: telemetry, group: fleet}\nclickhouse: {addr: %q, user: %q, password: %q, database: fleet}\nadmin: {addr: %q}\nevolution: {%s, policy: %s}\nlanes: 1\nmemory: 469762048\n",
			a.Kafka.Brokers[0], a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, admin, evolution, policy)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		configs = append(configs, config)
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

	c := fleetTo(a, "telemetry", "fleet")
	c.Rate, c.Devices, c.Duration = 2_000, 1_000, 24*time.Second
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
	if policy == evolve.Propose {
		said, err := exec.CommandContext(ctx, filepath.Join(bin, "ingest"), "schema", "apply", "--config", configs[0]).CombinedOutput()
		t.Logf("schema apply:\n%s", said)
		if err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	eventually(t, "columns by the new names", func() error {
		var n uint64
		err := conn.QueryRow(ctx, "SELECT count() FROM system.columns WHERE database = 'fleet' AND table = 'telemetry_all' AND name IN ('noise_db', 'fan_rpm', 'door_state')").Scan(&n)
		if err == nil && n < 3 {
			err = fmt.Errorf("%d columns", n)
		}
		return err
	})
	t.Logf("the columns were there after %v", time.Since(begun).Round(100*time.Millisecond))
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
