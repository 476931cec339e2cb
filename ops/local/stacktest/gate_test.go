package stacktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/failpoint"
	"penstock/loadtest/gate"
	"penstock/ops/local/child"
	"penstock/ops/local/fetch"
	"penstock/ops/local/ingest"
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

// TestGateOnACluster: `loadtest gate` plays a scenario on a cluster there is. It
// refuses to break anything, and says what it left out for that.
func TestGateOnACluster(t *testing.T) {
	s := start(t, kafka.KFake)
	ctx, a, dir := t.Context(), s.Addresses(), t.TempDir()
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, "telemetry", 4, nil); err != nil {
		t.Fatal(err)
	}
	node := nodeSpec(t, dir, "ingest")
	overwrite(t, node.Config, fmt.Appendf(nil, "kafka: {brokers: [%q], topic: telemetry}\nclickhouse: {addr: %q, user: %q, password: %q, database: %q}\nadmin: {addr: %q}\n",
		a.Kafka.Brokers[0], a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, a.ClickHouse.Database, node.Admin))
	scenario := filepath.Join(dir, "mine.yaml")
	overwrite(t, scenario, []byte(gateScenario+"  - {metric: recovery_s, after: gone, at_most: 3, why: \"It comes back.\"}\nfaults: [{name: gone, kind: nodes-away, at: 2s, for: 1s}]\n"))
	run := func(name string, args ...string) error {
		t.Helper()
		p, err := child.Start(child.Spec{Name: name, Args: args, Log: filepath.Join(dir, name+".log"), Env: []string{"PENSTOCK_LOADTEST_PASSWORD=" + a.ClickHouse.Password}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Wait(ctx)
	}
	if err := run("migrate", node.Program, "migrate", "--config", node.Config); err != nil {
		t.Fatal(err)
	}
	n, err := ingest.Start(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := n.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	args := []string{filepath.Join(products(t), "loadtest"), "gate", scenario, "--brokers", a.Kafka.Brokers[0], "--clickhouse", a.ClickHouse.Native,
		"--user", a.ClickHouse.User, "--database", a.ClickHouse.Database, "--out", filepath.Join(dir, "report")}
	var exit *exec.ExitError
	if err := run("refused", args...); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(err.Error(), "nothing here can break things: gone (nodes-away") {
		t.Errorf("asked to break a cluster: %v", err)
	}
	if err := run("gate", append(args, "--without-faults", "--node", node.Admin)...); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "report", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r gate.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if !r.Passed || len(r.Remarks) != 2 || !strings.HasPrefix(r.Remarks[0], "Not run: fault gone (nodes-away") || !strings.HasPrefix(r.Remarks[1], "Not run: objective recovery_s@gone") {
		t.Errorf("passed %v, %q, %q", r.Passed, r.Failures, r.Remarks)
	}
	if f := r.Candidate.Runs[0].Figures; f["ingest_cpu_us"] <= 0 || f["ingest_peak_mib"] <= 0 || f["visible_p99_ms"] <= 0 {
		t.Errorf("figures are %v", f)
	}
}
