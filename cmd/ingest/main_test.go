package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/ops/settings"
	"penstock/transport"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ingest.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const least = `kafka:
  brokers: [kafka-1:9092]
  topic: telemetry
clickhouse:
  addr: clickhouse-1:9000
`

// A file, then the environment, then flags; what none gives is the default.
func TestConfigSources(t *testing.T) {
	cfg, err := load(settings.Sources{
		File: write(t, least+"memory: 1GiB\nlanes: 1\n"), EnvPrefix: envPrefix,
		Environ: []string{"PENSTOCK_INGEST_CLICKHOUSE__PASSWORD=pw", "PENSTOCK_INGEST_LANES=3", "PENSTOCK_CACHE=/elsewhere"},
		Set:     []string{"lanes=2", "log.level=debug"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := cfg.Pipeline; p.Memory != 1<<30 || p.Lanes != 2 || !p.ClickHouse.Password.Same(transport.NewSecret("pw")) || p.Batch.Age != 200*time.Millisecond || cfg.Log.Level >= 0 {
		t.Errorf("got %+v", cfg)
	}
}

// Whoever mends a config wants to hear of all that is wrong, wherever it is.
func TestEveryFaultOfAConfigAtOnce(t *testing.T) {
	file := write(t, "kafka: {brokers: [k:9092], topc: telemetry}\nlanes: two\nbatch: {age: 5}\n")
	_, err := load(settings.Sources{File: file, EnvPrefix: envPrefix,
		Environ: []string{"PENSTOCK_INGEST_CLICKHOUSE__COMPRESSION=gzip", "PENSTOCK_INGEST_MEMRY=1GiB"},
		Set:     []string{"admin.addr=9464", "log.format=xml"},
	})
	if err == nil {
		t.Fatal("a config that is wrong throughout was loaded")
	}
	for _, want := range []string{
		file + ":1: kafka.topc is not a setting; did you mean kafka.topic?",
		file + `:2: lanes is "two"; want a whole number`,
		file + `:3: batch.age is "5"; want a duration with its unit`,
		"PENSTOCK_INGEST_MEMRY: memry is not a setting; did you mean memory?",
		`clickhouse.compression is "gzip"; want none, lz4 or zstd`,
		"clickhouse.addr is empty",
		`admin.addr is "9464"; want host:port`,
		`log.format is "xml"; want text or json`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the fault %q is not among\n%v", want, err)
		}
	}
}

// check names each dependency that does not answer, by its setting.
func TestCheckNamesEveryDependency(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := command(&out)
	cmd.SetArgs([]string{"check", "--set", "kafka.brokers=" + nobody, "--set", "kafka.topic=telemetry", "--set", "clickhouse.addr=" + nobody})
	err = cmd.ExecuteContext(t.Context())
	if err == nil {
		t.Fatalf("reached nobody:\n%s", &out)
	}
	for _, want := range []string{"kafka.brokers [" + nobody + "] do not answer", "clickhouse.addr " + nobody + " does not answer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestASchemaThatIsNotThere(t *testing.T) {
	cmd := command(&bytes.Buffer{})
	cmd.SetArgs([]string{"run", "--config", write(t, least), "--set", "schema=/does/not/exist.yaml"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") {
		t.Errorf("got %v", err)
	}
}
