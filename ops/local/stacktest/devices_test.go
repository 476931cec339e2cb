package stacktest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
)

const enriched = `name: enriched
version: 1
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: coolant, type: float64, nullable: true, unit: "°C", scale: 0.1, calibrate: coolant}
  - {id: 5, name: model, type: string, low_cardinality: true, from: device}
  - {id: 6, name: installed, type: timestamp_ms, nullable: true, from: device}
`

// TestDevicesChangeWhileEventsRun: rows have what is known of their device, from
// a table of ClickHouse and from a file, and a change is known while events run.
func TestDevicesChangeWhileEventsRun(t *testing.T) {
	s := start(t, kafka.KFake)
	at := s.Addresses()
	client, conn := kafkaClient(t, at), clickHouseClient(t, at)
	dir := t.TempDir()
	schemaFile, list := filepath.Join(dir, "enriched.yaml"), filepath.Join(dir, "devices.csv")
	if err := os.WriteFile(schemaFile, []byte(enriched), 0o600); err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE devices (device_id String, model LowCardinality(Nullable(String)), installed Date, coolant_offset Nullable(Float32)) ENGINE = MergeTree ORDER BY device_id")
	write := func(rows ...string) {
		t.Helper()
		text := "device_id,model,installed,coolant_offset\n" + strings.Join(rows, "\n") + "\n"
		if err := errors.Join(os.WriteFile(list+".new", []byte(text), 0o600), os.Rename(list+".new", list)); err != nil {
			t.Fatal(err)
		}
	}
	f := func(topic, source string, before, after func()) {
		t.Helper()
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
		before()
		a := &audited{at: at, ingest: filepath.Join(products(t), "ingest"), topic: topic}
		a.at.ClickHouse.Database = topic
		args := []string{"--set", "schema=" + schemaFile, "--set", source, "--set", "enrich.refresh=200ms", "--set", "kafka.group=" + topic}
		for _, name := range []string{"migrate", "check"} {
			out, err := a.command(t.Context(), name, args...).CombinedOutput()
			if err != nil || name == "check" && !strings.Contains(string(out), "devices: 1 known") {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
		node := a.command(t.Context(), "run", args...)
		var log bytes.Buffer
		node.Stdout, node.Stderr = &log, &log
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		sent, changed := uint64(0), false
		count := func(where string) (n uint64) {
			t.Helper()
			if err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT count() FROM %s.enriched WHERE %s", topic, where)).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		const first = "device_id = 'a' AND model = 'pump' AND installed = toDateTime64('2024-05-01 00:00:00', 3, 'UTC') AND round(coolant, 6) = 21.75"
		const second = "device_id = 'b' AND model = 'fan' AND round(coolant, 6) = 21.5"
		eventually(t, "rows of what became known meanwhile", func() error {
			for _, device := range []string{"a", "b"} {
				value := fmt.Sprintf(`{"device_id":%q,"seq":%d,"ts":%d,"coolant":215}`, device, sent, time.Now().UnixMilli())
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(device), Value: []byte(value)}).FirstErr(); err != nil {
					return err
				}
				sent++
			}
			if !changed && count(first) > 0 {
				changed = true
				after()
			}
			if count(second) == 0 {
				return fmt.Errorf("of %d rows %d are of a known pump", sent, count(first))
			}
			return nil
		})
		eventually(t, "all rows", func() error {
			if n := count("1"); n != sent {
				return fmt.Errorf("%d of %d", n, sent)
			}
			return nil
		})
		if err := errors.Join(node.Process.Signal(syscall.SIGTERM), node.Wait()); err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		if n := count(first + " OR " + second + " OR device_id = 'b' AND model = '' AND installed IS NULL AND round(coolant, 6) = 21.5"); n != sent {
			t.Errorf("%s: %d rows of %d are what they have to be", source, n, sent)
		}
		var distinct uint64
		if err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT uniqExact(device_id, seq) FROM %s.enriched", topic)).Scan(&distinct); err != nil || distinct != sent {
			t.Errorf("%s: %d rows of %d are distinct (%v)", source, distinct, sent, err)
		}
	}
	f("byquery", "enrich.query=SELECT * FROM "+at.ClickHouse.Database+".devices",
		func() { exec("INSERT INTO devices VALUES ('a', 'pump', '2024-05-01', 0.25)") },
		func() { exec("INSERT INTO devices VALUES ('b', 'fan', '2025-01-01', NULL)") })
	f("byfile", "enrich.file="+list,
		func() { write("a,pump,2024-05-01,0.25") },
		func() { write("a,pump,2024-05-01,0.25", "b,fan,,") })
}
