package gate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
)

// latencies are intervals of a second each, with the 99th percentile given.
func latencies(p99s ...float64) []loadtest.Interval {
	var all []loadtest.Interval
	for i, p99 := range p99s {
		all = append(all, loadtest.Interval{From: float64(i), Count: 100, VisibleP50: p99 / 2, VisibleP99: p99, VisibleMax: p99})
	}
	return all
}

func TestRecovery(t *testing.T) {
	r := Run{Result: loadtest.Result{Intervals: latencies(100, 100, 7000, 6000, 5200, 900, 5100, 300, 9000, 100)},
		Marks: []Mark{{Name: "one", From: 2, To: 2.5}, {Name: "two", From: 8, To: 8.5}}}
	f := func(end float64, limit time.Duration, want float64) {
		t.Helper()
		if got := recovery(r, end, limit); got != want {
			t.Errorf("after %v within %v: %v s, want %v", end, limit, got, want)
		}
	}
	f(2.5, 5*time.Second, 4.5) // fine for a moment in between does not count
	f(2.5, 6*time.Second, 0.5)
	f(2.5, 10*time.Second, 0)
	f(8.5, 5*time.Second, 0.5)
	f(7, 5*time.Second, 0) // the next fault is not this one's
	f(8.6, 50*time.Millisecond, 1.4)
}

func figures(metric string, values ...float64) (runs []Run) {
	for _, v := range values {
		runs = append(runs, Run{Figures: map[string]float64{metric: v}})
	}
	return runs
}

func TestJudge(t *testing.T) {
	bound := func(v float64) *float64 { return &v }
	f := func(o SLO, runs []Run, want bool, text string) {
		t.Helper()
		if got := o.judge(runs); got.Holds != want || got.Text != text {
			t.Errorf("%s of %v: holds %v, %q; want %v, %q", o, runs, got.Holds, got.Text, want, text)
		}
	}
	p99 := SLO{Of: Of{Metric: "visible_p99_ms"}, AtMost: bound(2000)}
	f(p99, figures("visible_p99_ms", 2000), true, "2,000 ms")
	f(p99, figures("visible_p99_ms", 2000.1), false, "2,000 ms")
	f(p99, figures("visible_p99_ms", 9000, 100, 1500), true, "1,500 ms")
	f(p99, figures("visible_p50_ms", 1), false, "not measured")
	f(p99, nil, false, "not measured")
	f(p99, append(figures("visible_p99_ms", 1), Run{}), false, "not measured")
	// What is proven is judged by the worst run, and not the median.
	f(always()[0], figures("missing", 0, 0, 1), false, "1")
	f(always()[0], figures("missing", 0, 0, 0), true, "0")
	seen := SLO{Of: Of{Metric: "visible_max_ms"}, AtLeast: bound(1950), AtMost: bound(5000)}
	f(seen, figures("visible_max_ms", 130), false, "130 ms")
	f(seen, figures("visible_max_ms", 2100), true, "2,100 ms")
	f(seen, figures("visible_max_ms", 5100), false, "5,100 ms")
}

// TestCompare: what differs has to differ by more than is tolerated, and in every
// run.
func TestCompare(t *testing.T) {
	f := func(was, is []float64, want Judgement) {
		t.Helper()
		s := Scenario{Compare: []Tolerance{{Of: Of{Metric: "visible_p99_ms"}, Worse: 0.25, Least: 100}}}
		got := s.compare(figures("visible_p99_ms", was...), figures("visible_p99_ms", is...))
		if len(got) != 1 || got[0].Judgement != want {
			t.Errorf("%v to %v is %+v, want %s", was, is, got, want)
		}
	}
	one := func(v float64) []float64 { return []float64{v} }
	f(one(1000), one(1000), Same)
	f(one(1000), one(1250), Same)
	f(one(1000), one(1251), Worse)
	f(one(200), one(300), Same) // half as much more, and next to nothing
	f(one(200), one(301), Worse)
	f(one(1000), one(700), Better)
	f(one(1000), one(900), Same)
	f(one(0), one(101), Worse)
	f([]float64{900, 1000, 1100}, []float64{1200, 1300, 1400}, Worse)
	f([]float64{900, 1000, 1350}, []float64{1200, 1300, 1400}, Unclear)
	f([]float64{900, 1000, 1350}, []float64{950, 1100, 1400}, Same)
	f([]float64{1200, 1300, 1400}, []float64{900, 1000, 1100}, Better)
}

// TestReportFails names what is broken, and a worse figure alone is enough.
func TestReportFails(t *testing.T) {
	s := parse(t, whole)
	good := s.Measure(Run{Result: loadtest.Result{Produced: 1000, VisibleP50: 100, VisibleP99: 900, VisibleMax: 1500,
		Phases: []loadtest.PhaseFigures{{Name: "calm", Count: 10, VisibleP99: 900}}},
		Marks: []Mark{{Name: "gone", From: 12, To: 17}}, Samples: []Sample{{CPU: map[string]float64{"ingest": 0.01}, MiB: map[string]float64{"ingest": 10}}}})
	if r := NewReport(s, 1, Side{Runs: []Run{good}}, nil, nil); !r.Passed || r.Err() != nil {
		t.Errorf("it fails: %v", r.Failures)
	}
	lost := good
	lost.Result.Missing = 2
	r := NewReport(s, 1, Side{Runs: []Run{good, s.Measure(lost)}}, nil, nil)
	if r.Passed || len(r.Failures) != 1 || !strings.HasPrefix(r.Failures[0], "readings missing (missing): 2, want at most 0.") || ExitStatus(r.Err()) != 1 {
		t.Errorf("what is missing in one of two runs: %v", r.Failures)
	}
	slow := good
	slow.Samples = []Sample{{CPU: map[string]float64{"ingest": 0.015}}}
	r = NewReport(s, 1, Side{Runs: []Run{s.Measure(slow)}}, &Side{Runs: []Run{good}}, []string{"fault x"})
	if r.Passed || len(r.Failures) != 1 || !strings.Contains(r.Failures[0], "CPU of ingest an event (ingest_cpu_us): was 10 µs and is 15 µs, 20 % more is tolerated") ||
		!slices.Contains(r.Remarks, "Not run: fault x.") {
		t.Errorf("half as much CPU more: %v, %v", r.Failures, r.Remarks)
	}
	crashed := good
	crashed.Crashed = []string{"ingest-1 ended by itself"}
	if r = NewReport(s, 1, Side{Runs: []Run{s.Measure(crashed)}}, nil, nil); r.Passed || !slices.Contains(r.Remarks, "ingest-1 ended by itself") {
		t.Errorf("a node that crashed: %v, %v", r.Failures, r.Remarks)
	}
}
