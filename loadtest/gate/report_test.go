package gate

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
)

// rewrite takes what the code says now as right. Understand the difference first.
var rewrite = flag.Bool("rewrite", false, "write the golden files in testdata anew")

const goldenScenario = `
about: ClickHouse is refused for four seconds. Readings wait, and are stored when it is back.
phases:
  - {name: calm, for: 10s, rate: 1000}
  - {name: rise, for: 10s, rate: 1000, to: 3000}
  - {name: after, for: 10s, rate: 1000}
faults:
  - {name: away, kind: clickhouse-away, at: 12s, for: 4s}
slos:
  - {metric: visible_p99_ms, at_most: 4000, why: "The goal, for 99 % of readings | whatever happens."}
  - {metric: visible_p50_ms, phase: calm, at_most: 500, why: "Batches wait for 200 ms."}
  - {metric: recovery_s, after: away, at_most: 3, why: "What waited is stored at once."}
  - {metric: ingest_peak_mib, at_most: 512, why: "The node's budget."}
compare:
  - {metric: visible_p50_ms, phase: calm, worse: 0.25, least: 20, why: "Runs of one version differ by 10 %."}
  - {metric: ingest_cpu_us, worse: 0.15, why: "The steadiest figure there is."}
`

// goldenRun is thirty seconds of a run in which all takes so much longer than
// usual.
func goldenRun(longer float64) Run {
	r := Run{
		Marks: []Mark{{Name: "away", Kind: ClickHouseAway, From: 12.02, To: 16.03}},
		Result: loadtest.Result{Run: "golden", Seed: 1, Produced: 40_000, Good: 39_100, Resent: 800, MalformedSent: 100, Verified: true, SentLateMax: 3.1,
			Proof: loadtest.Proof{Stored: 39_100}, Rejects: loadtest.Rejects{Rejected: 100, ByReason: map[string]uint64{"type": 100}}},
	}
	seen, sent := 0.0, 0.0
	for i := range 30 {
		at := float64(i)
		p50 := round(longer*(250+40*math.Sin(at)), 10)
		rate := 1000.0
		if i >= 10 && i < 20 {
			rate = 1000 + 200*(at-9.5)
		}
		if i >= 12 && i < 16 {
			p50 = round(4200*longer-1000*(at-12), 10)
		}
		sent += rate
		if i < 12 || i >= 16 {
			seen = sent - rate*p50/1000
		}
		if i < 29 {
			r.Result.Intervals = append(r.Result.Intervals, loadtest.Interval{From: at, Count: int64(rate), VisibleP50: p50, VisibleP99: round(p50*1.3, 10), VisibleMax: round(p50*1.5, 10)})
		}
		r.Result.Moments = append(r.Result.Moments, loadtest.Moment{At: at + 1, Sent: uint64(1.02 * sent), Live: uint64(sent), Seen: uint64(seen)})
		r.Samples = append(r.Samples, Sample{At: at, Lag: int64(sent - seen),
			CPU: map[string]float64{"ingest": 0.01 * longer * at, "clickhouse": 0.05 * at, "fleet": 0.03 * at, "kafka": 0.06 * at},
			MiB: map[string]float64{"ingest": 60 + 20*math.Mod(at, 4)}})
	}
	r.Result.VisibleP50, r.Result.VisibleP99, r.Result.VisibleMax = round(250*longer, 10), round(4100*longer, 10), round(6300*longer, 10)
	r.Result.Waited = 5_210
	r.Result.Phases = []loadtest.PhaseFigures{
		{Name: "calm", From: 0, To: 10, Count: 9_700, VisibleP50: round(250*longer, 10), VisibleP99: round(380*longer, 10), VisibleMax: round(435*longer, 10)},
		{Name: "rise", From: 10, To: 20, Count: 19_400, VisibleP50: round(1800*longer, 10), VisibleP99: round(5300*longer, 10), VisibleMax: round(6300*longer, 10)},
		{Name: "after", From: 20, To: 30, Count: 9_700, VisibleP50: round(251*longer, 10), VisibleP99: round(377*longer, 10), VisibleMax: round(436*longer, 10)},
	}
	return r
}

func goldenReport(t *testing.T) Report {
	s := parse(t, goldenScenario)
	s.Name = "golden"
	here := Environment{OS: "linux/amd64", Kernel: "6.1.0", CPU: "Some CPU @ 2.50GHz", Cores: 2, MemoryMiB: 24576, Kafka: "apache-4.3.1", ClickHouse: "26.7.3.1", Partitions: 8, Busy: 0.31}
	there := here
	there.Cores = 4
	candidate := Side{Version: Version{Name: "ingest", Commit: "0123456789abcdef0123456789abcdef01234567", Modified: true, Go: "go1.26.0"}, Environment: here,
		Runs: []Run{s.Measure(goldenRun(1.4)), s.Measure(goldenRun(1.3)), s.Measure(goldenRun(1.5))}}
	uneven := goldenRun(1.1)
	uneven.Samples = goldenRun(1.35).Samples
	baseline := Side{Version: Version{Name: "main", Commit: "fedcba9876543210fedcba9876543210fedcba98", Go: "go1.26.0"}, Environment: there,
		Runs: []Run{s.Measure(goldenRun(1)), s.Measure(uneven), s.Measure(goldenRun(0.9))}}
	r := NewReport(s, 1, candidate, &baseline, nil)
	r.Made, r.Command = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), `make loadtest SCENARIO=golden BASELINE=main LOADTEST_ARGS="--runs 3"`
	return r
}

// shortened is a report with one run a side, and two seconds of it: the others
// look the same as JSON.
func shortened(r Report) Report {
	side := func(s Side) Side {
		run := s.Runs[0]
		run.Result.Intervals, run.Result.Moments, run.Samples = run.Result.Intervals[:2], run.Result.Moments[:2], run.Samples[:2]
		s.Runs = []Run{run}
		return s
	}
	r.Candidate = side(r.Candidate)
	baseline := side(*r.Baseline)
	r.Baseline = &baseline
	return r
}

// TestReportGolden pins the three forms of a report.
func TestReportGolden(t *testing.T) {
	r := goldenReport(t)
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	brief, err := json.MarshalIndent(shortened(r), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"report.html": page, "report.md": r.Markdown(), "report.json": string(brief) + "\n", "report.txt": r.Table()} {
		path := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what the code makes; see the difference with: go test ./loadtest/gate -rewrite && git diff", path)
		}
	}
	// A report is a baseline for the same load and no other.
	s := parse(t, goldenScenario)
	if back, err := ParseReport(text, s); err != nil || back.Candidate.Runs[0].Figures["visible_p99_ms"] != r.Candidate.Runs[0].Figures["visible_p99_ms"] {
		t.Errorf("read again: %v", err)
	}
	if _, err := ParseReport(text, s.Scaled(2)); err == nil || !strings.Contains(err.Error(), "it is of another load (golden ") {
		t.Errorf("for twice the load: %v", err)
	}
	if _, err := ParseReport([]byte(`{"format": 99}`), s); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("of another format: %v", err)
	}
}

// TestPageStandsAlone: the page asks for nothing, its charts are well-formed, have
// names for those who do not see them, and the same as tables.
func TestPageStandsAlone(t *testing.T) {
	page, err := goldenReport(t).HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://", "https://", "<script", "@import", "url(", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	charts := regexp.MustCompile(`(?s)<svg class="chart".*?</svg>`).FindAllString(page, -1)
	if len(charts) != 6 {
		t.Errorf("there are %d charts; want latency, both versions, rates, lag, CPU and memory", len(charts))
	}
	for _, chart := range charts {
		d := xml.NewDecoder(strings.NewReader(chart))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, chart)
			}
		}
		if !strings.Contains(chart, "<title ") || !strings.Contains(chart, "<desc ") || !strings.Contains(chart, `role="img"`) {
			t.Errorf("a chart without a name or a description:\n%.300s", chart)
		}
	}
	if tables := strings.Count(page, "<summary>As a table</summary>"); tables != len(charts) {
		t.Errorf("%d tables for %d charts", tables, len(charts))
	}
}

// TestHostileText: a name from outside is text in the page, and no markup.
func TestHostileText(t *testing.T) {
	r := goldenReport(t)
	r.Candidate.Version.Name = `<script>alert(1)</script>`
	r.Remarks = append(r.Remarks, `"><img src=x onerror=alert(1)>`)
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
		t.Error("markup from outside is markup in the page")
	}
}
