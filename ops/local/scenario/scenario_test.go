package scenario

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"penstock/ops/local/stack"
	"penstock/schema"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

func TestConfigs(t *testing.T) {
	values := settings{
		Addresses: stack.Addresses{
			Kafka:      stack.KafkaAddress{Brokers: []string{"127.0.0.1:9092"}},
			ClickHouse: stack.ClickHouseAddress{Native: "127.0.0.1:9000", User: "penstock", Password: `a "quoted" one`, Database: "penstock"},
			S3:         stack.S3Address{Endpoint: "http://127.0.0.1:7070", Region: "us-east-1", Bucket: "b", AccessKey: "k", SecretKey: "s"},
		},
		Topic: topic, Encoding: schema.JSON, DeadLetters: deadLetters, Group: group, ColdPrefix: coldPrefix,
		Admin: admin{Ingest: "127.0.0.1:9100", Compactor: "127.0.0.1:9101"},
	}
	for name, tmpl := range map[string]*template.Template{"ingest.yaml": ingestConfig, "compactor.yaml": compactorConfig} {
		got, err := render(tmpl, values)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("differs from %s; if that is meant, run with -rewrite. Got:\n%s", golden, got)
		}
	}
}

func TestResultCheck(t *testing.T) {
	good := Result{
		figures:  figures{Produced: 400_000, Stored: 390_000, Rejected: 400, MalformedSent: 400, VisibleP99: 1200},
		ColdRows: 800, ColdRowsDuckDB: 800, Kafka: "apache-4.3.1",
	}
	f := func(name string, change func(*Result), want ...string) {
		t.Helper()
		r := good
		change(&r)
		err := r.Check()
		if len(want) == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		if err == nil {
			t.Errorf("%s: no error", name)
			return
		}
		if got := strings.Split(err.Error(), "\n"); len(got) != len(want) {
			t.Errorf("%s: %d faults, want %d:\n%v", name, len(got), len(want), err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error lacks %q: %v", name, w, err)
			}
		}
	}
	f("all is well", func(*Result) {})
	f("nothing at all", func(r *Result) { *r = Result{} }, "nothing was produced", "no rows in Parquet")
	f("one is missing", func(r *Result) { r.Missing = 1 }, "1 readings are missing")
	f("two are doubled", func(r *Result) { r.Duplicated = 2 }, "2 readings are duplicated")
	f("a good one is rejected", func(r *Result) { r.Rejected++ }, "401 records were rejected, 400 malformed ones were sent")
	f("a bad one is not", func(r *Result) { r.Rejected-- }, "399 records were rejected")
	f("too late", func(r *Result) { r.VisibleP99 = 5000 }, "visible after 5000 ms")
	f("lag", func(r *Result) { r.Lag = 3 }, "3 records are not committed")
	f("readers differ", func(r *Result) { r.ColdRowsDuckDB = 799 }, "ClickHouse counts 800 rows in Parquet, DuckDB 799")
	f("a day was forgotten", func(r *Result) { r.HotOlderThan30Days = 9 }, "9 rows older than 30 days")
	f("tiering loses", func(r *Result) { r.MissingAfterTiering = 4 }, "4 readings are missing after tiering")
	f("tiering doubles", func(r *Result) { r.DuplicatedAfterTiering = 5 }, "5 readings are duplicated after tiering")
	f("too much memory", func(r *Result) { r.IngestPeakMiB, r.IngestBudgetMiB = 385, 384 }, "ingest held 385 MiB, its budget is 384 MiB")
	f("loadtest found something else", func(r *Result) { r.judged(errors.New("1 rows of no reading that was sent")) }, "1 rows of no reading")
	f("loadtest found the same", func(r *Result) { r.Missing = 1; r.judged(errors.New("1 readings missing")) }, "1 readings are missing")
	f("all at once", func(r *Result) { r.Missing, r.Lag = 1, 1 }, "missing", "not committed")
	// A fault excuses what it must, and no more.
	f("killed ingest", func(r *Result) {
		r.Fault, r.VisibleP99, r.Duplicated, r.DuplicatedAfterTiering = KillIngest, 12_000, 7, 7
	})
	f("killed ingest loses", func(r *Result) { r.Fault, r.Missing = KillIngest, 1 }, "1 readings are missing")
	f("killed clickhouse doubles", func(r *Result) { r.Fault, r.Duplicated = KillClickHouse, 1 }, "1 readings are duplicated")
	f("clickhouse away", func(r *Result) { r.Fault, r.VisibleP99 = StopClickHouse, 22_000 })
	f("clickhouse away doubles", func(r *Result) { r.Fault, r.Duplicated = StopClickHouse, 1 }, "1 readings are duplicated")
}

func TestReadReport(t *testing.T) {
	f := func(content, fault string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "report.json")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := readReport(path)
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", content, err, fault)
		}
	}
	f(`{"verified": true, "produced": 1, "examples": ["more than we need"]}`, "")
	// A proof that was not made must not pass for one that found nothing.
	f(`{"verified": false, "produced": 1, "missing": 0}`, "has verified nothing")
	f(`{"produced": "many"}`, "produced")
}

func TestSmokeConfigValidate(t *testing.T) {
	f := func(change func(*SmokeConfig), want ...string) {
		t.Helper()
		c := SmokeConfig{Config: Config{Fleet: Fleet{Rate: 1, Devices: 1, Duration: 20 * time.Second}}}
		change(&c)
		err := c.Validate()
		if len(want) == 0 && err != nil {
			t.Error(err)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error lacks %q: %v", w, err)
			}
		}
	}
	f(func(*SmokeConfig) {})
	f(func(c *SmokeConfig) { c.KillIngestAfter = 8 * time.Second })
	f(func(c *SmokeConfig) { c.KillClickHouseAfter = 8 * time.Second })
	f(func(c *SmokeConfig) { c.ClickHouseDownAfter, c.ClickHouseDownFor = 5*time.Second, 20*time.Second })
	f(func(c *SmokeConfig) { c.Fleet = Fleet{} }, "--rate is 0", "--devices is 0", "--duration is 0s")
	f(func(c *SmokeConfig) { c.KillIngestAfter = time.Minute }, "--kill-ingest-after is 1m0s")
	f(func(c *SmokeConfig) { c.KillClickHouseAfter = time.Minute }, "--kill-clickhouse-after is 1m0s")
	f(func(c *SmokeConfig) { c.ClickHouseDownAfter = time.Second }, "give both or none")
	f(func(c *SmokeConfig) { c.KillIngestAfter, c.KillClickHouseAfter = time.Second, time.Second }, "one fault at a time")
	f(func(c *SmokeConfig) {
		c.KillIngestAfter, c.ClickHouseDownAfter, c.ClickHouseDownFor = time.Second, time.Second, time.Second
	}, "one fault at a time")
}

func TestMissingPrograms(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "loadtest"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	err := checkPrograms(bin)
	if err == nil || strings.Count(err.Error(), "make build") != 2 || strings.Contains(err.Error(), "program loadtest") {
		t.Errorf("got %v", err)
	}
}
