package stackbench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/stack"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; if that is meant, run with -rewrite. Got:\n%s", path, got)
	}
}

func TestNodeConfig(t *testing.T) {
	s := settings{
		Kafka:      stack.KafkaAddress{Brokers: []string{"127.0.0.1:9092"}},
		ClickHouse: stack.ClickHouseAddress{Native: "127.0.0.1:9000", User: "penstock", Password: `a "quoted" one`, Database: "penstock"},
		Topic:      topic, DeadLetters: deadLetters, Group: group, Admin: "127.0.0.1:9100", Recovery: "fresh-first",
	}
	text, err := nodeConfig(s)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "ingest.yaml", []byte(text))
	s.Recovery = ""
	if text, err := nodeConfig(s); err != nil || strings.Contains(text, "recovery") {
		t.Errorf("%v: without a recovery it says\n%s", err, text)
	}
}

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// steady is a load of 1,000 records/s of which each second is like the others,
// sampled each second; 500 records are never committed.
func steady(seconds int) []sample {
	var all []sample
	for i := range seconds {
		n := float64(i)
		all = append(all, sample{
			at: start.Add(time.Duration(i) * time.Second), produced: int64(i) * 1000, committed: int64(i)*1000 - 500,
			cpu:    map[string]float64{"kafka": 5 + n/10, "clickhouse": 7 + n/2, "ingest": n / 5, "fleet": n / 20, "machine": 900 + n},
			tables: map[string]parts{hotTable: {active: 20 + uint64(i%3), inserted: uint64(i) * 4, rows: uint64(i) * 1000, bytes: uint64(i) * 50_000}},
		})
	}
	return all
}

// TestResultJSON pins what scripts read.
func TestResultJSON(t *testing.T) {
	report := loadtest.Result{Rate: 999.96, Produced: 20_000, Good: 19_500, VisibleP50: 300.5, VisibleP99: 650, VisibleMax: 700}
	latency := held(1000, warm(steady(20), start.Add(5*time.Second)), report)
	report.VisibleP99 = 1900
	throughput := held(1000, steady(20), report)
	r := Result{Kafka: "apache-4.3.1", Cores: 2, Latency: &latency, Throughput: &throughput}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", append(text, '\n'))
	golden(t, "held.txt", []byte(throughput.String()+"\n"+progress(steady(20)[3], steady(20)[8])+"\n"))
}

func TestHeld(t *testing.T) {
	f := func(name string, change func(samples []sample, report *loadtest.Result), want bool) {
		t.Helper()
		samples, report := steady(20), loadtest.Result{Rate: 1000}
		change(samples, &report)
		if h := held(1000, samples, report); h.Held != want {
			t.Errorf("%s: held is %v: %+v", name, h.Held, h)
		}
	}
	last := func(s []sample) *sample { return &s[len(s)-1] }
	f("all of it", func([]sample, *loadtest.Result) {}, true)
	f("the fleet fell behind", func(_ []sample, r *loadtest.Result) { r.Rate = 980 }, false)
	f("a lag as promised", func(s []sample, _ *loadtest.Result) { last(s).committed = last(s).produced - 5000 }, true)
	f("the node fell behind", func(s []sample, _ *loadtest.Result) { last(s).committed = last(s).produced - 5100 }, false)
}

// TestCheck: a figure with wrong counts is void, whatever is wrong.
func TestCheck(t *testing.T) {
	f := func(report loadtest.Result, want string) {
		t.Helper()
		h := held(1000, steady(20), report)
		err := Result{Latency: &h}.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "latency is void")) {
			t.Errorf("%+v: %v, want %q", report, err, want)
		}
	}
	f(loadtest.Result{}, "")
	f(loadtest.Result{Proof: loadtest.Proof{Missing: 3}}, "3 readings missing")
	f(loadtest.Result{Proof: loadtest.Proof{Duplicated: 4}}, "4 duplicated")
	f(loadtest.Result{Proof: loadtest.Proof{Unexpected: 1}, Rejects: loadtest.Rejects{Unrejected: 1, Wrongly: 1, OtherReason: 1}, Unacked: 1}, "5 otherwise wrong")
}

func TestWarm(t *testing.T) {
	f := func(from time.Duration, want int) {
		t.Helper()
		if got := warm(steady(10), start.Add(from)); len(got) != want {
			t.Errorf("from %v on there are %d samples, want %d", from, len(got), want)
		}
	}
	f(-time.Second, 10)
	f(0, 10)
	f(3500*time.Millisecond, 6)
	f(time.Hour, 2)
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	bad := Config{Phases: Phases(), WarmUp: 5 * time.Second, Throughput: Load{Rate: 10, Hold: 6 * time.Second}}
	err := bad.Validate()
	for _, want := range []string{"--latency-rate is 0", "--latency-hold is 0s", "--hold is 6s and --warm-up 5s", "--devices is 0", "--progress-every is 0s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in\n%v", want, err)
		}
	}
	if err := (Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "--phases is empty") {
		t.Errorf("no phases: %v", err)
	}
	if _, err := ParsePhases([]string{"latency", "speed"}); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("an unknown phase: %v", err)
	}
}
