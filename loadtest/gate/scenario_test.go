package gate

import (
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
)

const whole = `
about: All there is. Twice.
fleet: {devices: 50, encoding: protobuf, resend: 0.1, upgrade: {share: 0.5, after: 2s, fields: 2}}
nodes: 2
waited: 2s
recovered: 3s
arrive: 1m
phases:
  - {name: calm, for: 10s, rate: 100}
  - {name: rise, for: 10s, rate: 100, to: 300, malformed: 0.5, resend: 0}
  - {name: after, for: 5s, rate: 100, whale: 0.6, kept: 0.2}
faults:
  - {name: gone, kind: node-kill, at: 12s, for: 5s}
slos:
  - {metric: visible_p99_ms, phase: calm, at_most: 2000, why: Because.}
  - {metric: recovery_s, after: gone, at_most: 3, why: Because.}
  - {metric: visible_max_ms, at_least: 1000, why: It has to show.}
  - {metric: ingest_cpu_us, at_most: 20, why: It costs.}
compare:
  - {metric: recovery_s, after: gone, worse: 0.5, least: 1, why: Because.}
  - {metric: ingest_cpu_us, worse: 0.2, why: Because.}
`

func parse(t *testing.T, text string) Scenario {
	t.Helper()
	s, err := Parse("whole", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, whole)
	if s.Lasts() != 25*time.Second || s.Records() != 1000+2000+500 || s.Broken() != "gone (node-kill, after 12s for 5s)" {
		t.Errorf("it lasts %v, has %v records and breaks %s", s.Lasts(), s.Records(), s.Broken())
	}
	c := s.Load(loadtest.DefaultConfig())
	if c.Devices != 50 || c.Encoding != "protobuf" || c.Waited != 2*time.Second || c.VerifyTimeout != time.Minute || c.Upgrade != (loadtest.Upgrade{Share: 0.5, After: 2 * time.Second, Fields: 2}) {
		t.Errorf("the fleet is %+v", c)
	}
	want := []loadtest.Phase{
		{Name: "calm", For: 10 * time.Second, From: 100, To: 100, Shares: loadtest.Shares{Resend: 0.1, Malformed: 0.001}},
		{Name: "rise", For: 10 * time.Second, From: 100, To: 300, Shares: loadtest.Shares{Malformed: 0.5}},
		{Name: "after", For: 5 * time.Second, From: 100, To: 100, Shares: loadtest.Shares{Resend: 0.1, Malformed: 0.001, Kept: 0.2}, Whale: 0.6},
	}
	for i, p := range c.Phases {
		if p != want[i] {
			t.Errorf("phase %+v, want %+v", p, want[i])
		}
	}
	twice := s.Scaled(2)
	if twice.Records() != 7000 || s.Records() != 3500 {
		t.Errorf("twice the rate are %v records, and %v still", twice.Records(), s.Records())
	}
	if twice.Fingerprint() == s.Fingerprint() {
		t.Error("another load has the same fingerprint")
	}
	other := s
	other.SLOs, other.Compare = nil, nil
	if other.Fingerprint() != s.Fingerprint() {
		t.Error("what is judged is taken for a part of the load")
	}
}

// TestUnbroken: on a cluster that nobody may break, all that is about the faults
// goes, and is named.
func TestUnbroken(t *testing.T) {
	s, omitted := parse(t, whole).Unbroken()
	s, blind := s.Watching(false, false)
	want := []string{"fault gone (node-kill, after 12s for 5s)", "objective recovery_s@gone at most 3 s", "objective visible_max_ms at least 1,000 ms", "objective ingest_cpu_us at most 20 µs"}
	if got := append(omitted, blind...); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("left out are %q, want %q", got, want)
	}
	if len(s.Faults) != 0 || len(s.SLOs) != 1 || len(s.Compare) != 1 || s.Validate() != nil {
		t.Errorf("left is %+v (%v)", s, s.Validate())
	}
}

// TestFaultsOfScenarios: each is reported with its place, and all at once.
func TestFaultsOfScenarios(t *testing.T) {
	f := func(text string, wants ...string) {
		t.Helper()
		_, err := Parse("bad", []byte(text))
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\nerror %v, want %q in it", text, err, want)
			}
		}
	}
	f("abuot: x", "line 1: field abuot not found")
	f("", "about is empty", "phases is empty")
	f("about: x\nphases: [{name: a, for: 10, rate: 1}]", "10")
	f("about: x\nphases: [{name: a, for: 1s, rate: 1}]\n---\nabout: y", "more than one document")
	f(`
about: x
nodes: 9
fleet: {devices: 0, encoding: csv}
waited: 0s
arrive: 0s
recovered: 0s
phases: [{name: A, for: 1s, rate: 1}, {name: b, for: 0s, rate: -1}, {name: b, for: 2h, rate: 1, whale: 2}]
faults:
  - {name: k, kind: clickhouse-burn, at: 1s, for: 1s}
  - {name: l, kind: clickhouse-slow, at: -1s, for: 0s}
  - {name: m, kind: node-kill, at: 1s, for: 3h, delay: 1s}
slos:
  - {metric: speed, at_most: 1, why: x}
  - {metric: visible_p99_ms, phase: none, why: x}
  - {metric: recovery_s, at_most: 1}
  - {metric: lag_max, phase: b, at_most: 1, why: x}
  - {metric: visible_p99_ms, phase: b, after: k, at_most: 1, why: x}
compare: [{metric: lag_max, least: -1}]
`, "nodes is 9", "fleet.devices is 0", `fleet.encoding is "csv"`, "waited is 0s", "arrive is 0s", "recovered is 0s", `a phase is named "A"`, `two parts are named "b"`,
		"for is 0s", "rate is -1", "whale is 2", "the phases last 2h0m1s", `kind is "clickhouse-burn"`, "at is -1s", "delay is 0s", "delay is 1s", "it ends 3h0m1s after",
		`metric "speed" is none; there are clickhouse_cpu_us`, `phase "none" is none`, "give at_most, at_least or both", "slos[2] recovery_s: why is empty", `after is ""`,
		"lag_max is not measured by phase", "give phase or after", "worse is 0", "least is -1", "compare[0] lag_max: why is empty")
	f("about: x\nphases: [{name: a, for: 9s, rate: 1}]\nfaults: [{name: k, kind: node-kill, at: 1s, for: 1s}]", "node-kill with nodes: 1 leaves none")
}
