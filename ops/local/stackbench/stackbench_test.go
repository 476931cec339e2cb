package stackbench

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
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
			cpu:      map[string]float64{"kafka": 5 + n/10, "clickhouse": 7 + n/2, "ingest": n / 5, "fleet": n / 20, "machine": 900 + n},
			tables:   map[string]parts{hotTable: {active: 20 + uint64(i%3), inserted: uint64(i) * 4, rows: uint64(i) * 1000, bytes: uint64(i) * 50_000}},
			forecast: math.NaN(),
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
	backlog := backlogOfAMinute()
	r := Result{Kafka: "apache-4.3.1", Cores: 2, Latency: &latency, Throughput: &throughput, Backlog: &backlog, FreshFirst: &backlog, LateBurst: burstOfAnHour(), Tiering: dayOfARow()}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", append(text, '\n'))
	golden(t, "held.txt", []byte(throughput.String()+"\n"+progress(steady(20)[3], steady(20)[8])+"\n"))
	golden(t, "burst.txt", []byte(r.LateBurst.String()+"\n"))
	golden(t, "tiering.txt", []byte(r.Tiering.String()+"\n"))
	golden(t, "backlog.txt", []byte(backlog.String()+"\n"+progress(draining()[3], draining()[8])+"\n"))
}

// burstOfAnHour came from the 20th to the 40th second of a fleet.
func burstOfAnHour() *Bursted {
	b := &Bursted{Rate: 1000, Records: 20_000, SentSeconds: 19.5, StoredSeconds: 20.5, use: used(steady(20))}
	b.report(loadtest.Result{Produced: 60_000, Good: 59_000, VisibleP50: 200, VisibleP99: 1500, Intervals: []loadtest.Interval{
		{From: 16, VisibleP50: 100, VisibleP99: 3000}, // before it
		{From: 19, VisibleP50: 250, VisibleP99: 900},  // some of it meanwhile
		{From: 39, VisibleP50: 300, VisibleP99: 1600},
		{From: 40, VisibleP50: 900, VisibleP99: 2500},
	}}, 20*time.Second, 40*time.Second)
	return b
}

// dayOfARow is moved from the 20th to the 40th second of a fleet.
func dayOfARow() *Tiered {
	d := &Tiered{Rate: 1000, DayRows: 1, DaySeconds: 20, CompactorCPUSeconds: 12.5, CompactorPeakMiB: 300, use: used(steady(20))}
	d.report(loadtest.Result{Produced: 60_000, Good: 59_000, VisibleP50: 200, VisibleP99: 1500, Intervals: []loadtest.Interval{
		{From: 39, VisibleP50: 300, VisibleP99: 1600}, {From: 40, VisibleP50: 900, VisibleP99: 2500},
	}}, 20*time.Second, 40*time.Second)
	return d
}

func TestTieringIsVoid(t *testing.T) {
	f := func(spoil func(*Tiered)) {
		t.Helper()
		d := dayOfARow()
		if err := (Result{Tiering: d}).Check(); err != nil {
			t.Error(err)
		}
		if spoil(d); (Result{Tiering: d}).Check() == nil {
			t.Errorf("%+v is taken for sound", d)
		}
	}
	f(func(d *Tiered) { d.Duplicated = 1 })
	f(func(d *Tiered) { d.DayMissing = 1 })
	f(func(d *Tiered) { d.DayDoubled = 1 })
}

func TestBurstIsVoid(t *testing.T) {
	f := func(spoil func(*Bursted)) {
		t.Helper()
		b := burstOfAnHour()
		if err := (Result{LateBurst: b}).Check(); err != nil {
			t.Error(err)
		}
		if spoil(b); (Result{LateBurst: b}).Check() == nil {
			t.Errorf("%+v is taken for sound", b)
		}
	}
	f(func(b *Bursted) { b.Missing = 1 })
	f(func(b *Bursted) { b.BurstMissing = 1 })
	f(func(b *Bursted) { b.BurstDoubled = 1 })
}

// draining is a backlog of 60,000 records that is worked off at 4,000 a second
// while 1,000 come, sampled each second. For the first two seconds nobody knows
// how long it will take.
func draining() []sample {
	all := steady(21)
	for i := range all {
		all[i].committed = all[i].produced - 60_500 + 3000*int64(i)
		hot := all[i].tables[hotTable]
		hot.rows = 4000 * uint64(i)
		all[i].tables[hotTable] = hot
		if i >= 2 {
			all[i].forecast = 22 - float64(i)
		}
	}
	return all
}

// backlogOfAMinute is what is said of draining, by a fleet of which one record in
// ten is a resend and that began 80 s before.
func backlogOfAMinute() Drained {
	d := Drained{Rate: 1000, Recovery: "fresh-first", began: start.Add(-80 * time.Second), OutageSeconds: 60, ReadySeconds: 0.5}
	d.drained(start.Add(-500*time.Millisecond), draining(), 2)
	d.report(loadtest.Result{Rate: 999.9, Produced: 200_000, Good: 180_000, Intervals: []loadtest.Interval{
		{From: 79, VisibleP50: 60_000, VisibleP99: 62_000}, // some of it was sent before the node was back
		{From: 80, VisibleP50: 500, VisibleP99: 900},
		{From: 85, VisibleP50: 400, VisibleP99: 1100},
		{From: 100, VisibleP50: 70_000, VisibleP99: 70_000}, // some of it after it had caught up
	}})
	return d
}

func TestDrained(t *testing.T) {
	d := backlogOfAMinute()
	if d.Backlog != 60_500 || d.CatchUpSeconds != 20.5 || d.DrainRate != 4000 || d.Over != 4.44 || d.EngineShare != 0.25 {
		t.Errorf("%+v", d)
	}
	if d.LiveP50 != 500 || d.LiveP99 != 1100 {
		t.Errorf("live readings were visible after %v and %v ms, want those of the worst interval that lies in the drain", d.LiveP50, d.LiveP99)
	}
	want := []Forecast{{2.5, 20, 18}, {5.5, 17, 15}, {11.5, 11, 9}}
	if !slices.Equal(d.Forecasts, want) {
		t.Errorf("forecasts %v, want %v", d.Forecasts, want)
	}
}

// TestCaughtUp: the beginning of a load is not usual.
func TestCaughtUp(t *testing.T) {
	samples := steady(10)
	samples[2].committed -= 10_000
	samples[7].committed -= 300
	for rate, want := range map[int]int64{100: 800, 1000: 2000} {
		if got := caughtUp(samples, rate); got != want {
			t.Errorf("at %d records/s a backlog is gone with %d records left, want %d", rate, got, want)
		}
	}
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

// TestRate: commits come in steps, and where the first and the last sample fall
// between them does not matter much.
func TestRate(t *testing.T) {
	committed := func(s sample) int64 { return s.committed }
	if got := rate(steady(20), committed); math.Abs(got-1000) > 1e-6 {
		t.Errorf("a steady rate of 1000 is %v", got)
	}
	steps := steady(100)
	for i := range steps {
		steps[i].committed -= steps[i].committed % 3_000
	}
	steps = steps[4:85] // from just after a step to just before one
	got, ends := rate(steps, committed), float64(used(steps).Events)/used(steps).Seconds
	if math.Abs(got-1000) > 10 || math.Abs(ends-1000) < 20 {
		t.Errorf("of steps the rate is %v, and by the ends it is %v", got, ends)
	}
}

// TestCheck: a figure with wrong counts is void, whatever is wrong.
func TestCheck(t *testing.T) {
	f := func(report loadtest.Result, want string) {
		t.Helper()
		h := held(1000, steady(20), report)
		err := Result{Latency: &h}.Check()
		d := &Drained{proven: h.proven}
		if ((Result{Backlog: d}).Check() == nil || (Result{FreshFirst: d}).Check() == nil) && err != nil {
			t.Errorf("%+v of a backlog is not found", report)
		}
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
	bad := Config{Phases: Phases(), Backlog: Backlog{Before: time.Second}, WarmUp: 5 * time.Second, Throughput: Load{Rate: 10, Hold: 6 * time.Second}}
	err := bad.Validate()
	for _, want := range []string{"--latency-rate is 0", "--latency-hold is 0s", "--hold is 6s and --warm-up 5s", "--devices is 0", "--backlog-rate is 0", "--backlog-before is 1s", "--outage is 0s", "--catch-up-timeout is 0s", "--progress-every is 0s",
		"--burst-live-rate is 0", "--burst-before is 0s", "--burst is 0", "--burst-pace is 0", "--offline is 0s"} {
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
