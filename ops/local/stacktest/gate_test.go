package stacktest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/failpoint"
	"penstock/loadtest/gate"
	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
	"penstock/ops/local/trial"
)

// A load so short that only what is plainly broken shows.
const gateScenario = `
about: A short load, to see that a gate lets pass what is well and holds what is not. It is of no other use.
fleet: {devices: 500}
arrive: 40s
phases:
  - {name: before, for: 2s, rate: 500}
  - {name: load, for: 6s, rate: 500, to: 1500, malformed: 0.01}
slos:
  - {metric: visible_p99_ms, at_most: 4000, why: "What takes longer than this on a machine that does little else is broken."}
  - {metric: ingest_cpu_us, at_most: 5000, why: "It has to be measured."}
  - {metric: ingest_peak_mib, at_most: 4096, why: "It has to be measured."}
`

// TestGate: the programs as they are pass. A build in which an insert takes five
// seconds now and then fails, by the objective that is about it and by no other;
// and so it does in comparison. The switch that makes it slow is not in the
// program as it is.
func TestGate(t *testing.T) {
	s, err := gate.Parse("gate", []byte(gateScenario))
	if err != nil {
		t.Fatal(err)
	}
	root, ok := fetch.Repository()
	if !ok {
		t.Fatal("this test does not run in the repository, where the product is")
	}
	normal, stalling := filepath.Join(products(t), "ingest"), filepath.Join(t.TempDir(), "ingest-faults")
	if err := goBuild(root, stalling, "-tags", "failpoints", "./cmd/ingest"); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(normal)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(program, []byte(failpoint.FailpointVariable)) {
		t.Errorf("the program as it is knows of %s", failpoint.FailpointVariable)
	}
	// Both are asked to be slow.
	t.Setenv(failpoint.FailpointVariable, "insert.before:*6=5s")
	run := func(program string, baseline *trial.Baseline) gate.Report {
		t.Helper()
		var progress bytes.Buffer
		r, err := trial.Run(t.Context(), trial.Config{Scenario: s, Scale: 1, Stack: config(t, kafka.KFake), Program: program, Baseline: baseline, Runs: 1, Progress: &progress})
		if err != nil {
			t.Fatalf("%v\n%s", err, progress.String())
		}
		t.Logf("%s\n%s", progress.String(), r.Table())
		return r
	}
	r := run(normal, nil)
	if !r.Passed || gate.ExitStatus(r.Err()) != 0 {
		t.Errorf("the program as it is fails: %v", r.Failures)
	}
	if of := r.Candidate.Runs[0].Result; of.Good == 0 || of.Stored != of.Good || of.Rejected == 0 || len(r.Candidate.Runs[0].Samples) < 8 {
		t.Errorf("proven is %+v", of)
	}
	if v := r.Candidate.Version; v.Go == "" || v.Tags != "" {
		t.Errorf("the version is %+v", v)
	}

	s.Compare = []gate.Tolerance{{Of: gate.Of{Metric: "visible_max_ms"}, Worse: 0.5, Least: 1000, Why: "It is the stall."}}
	slow := run(stalling, &trial.Baseline{Report: &r.Candidate})
	broken := slices.IndexFunc(slow.Failures, func(f string) bool { return strings.Contains(f, "(visible_p99_ms)") })
	worse := slices.IndexFunc(slow.Failures, func(f string) bool { return strings.Contains(f, "(visible_max_ms): was ") })
	if slow.Passed || len(slow.Failures) != 2 || broken < 0 || worse < 0 || gate.ExitStatus(slow.Err()) != 1 {
		t.Errorf("a build that stalls for five seconds: passed %v, %q", slow.Passed, slow.Failures)
	}
	if of := slow.Candidate.Runs[0].Result; of.Missing+of.Duplicated > 0 || of.VisibleMax < 5000 {
		t.Errorf("it is slow and nothing else: %+v", of)
	}
	if v := slow.Candidate.Version; v.Tags != "failpoints" {
		t.Errorf("the report does not say how it was built: %+v", v)
	}
	for _, report := range []gate.Report{r, slow} {
		page, err := report.HTML()
		if err != nil || !strings.Contains(page, report.Verdict()) {
			t.Errorf("its page: %v", err)
		}
	}
}
