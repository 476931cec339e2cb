package stacktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/ops/reference"
)

// TestRunbooks rehearses the runbooks, one after the other on one stack: each
// fault is made, what the runbook has one look at shows it, what it has one type
// mends it, and its own check finds every event once. Commands are those of the
// files. In the end every command of every runbook has been typed.
func TestRunbooks(t *testing.T) {
	r := newRehearsal(t)
	r.start(t, "")
	r.send(t, 200, -1, 1, time.Now())
	r.background(t, "ingest scale --config ingest.yaml")
	// Without canaries, which would be among what was sent.
	r.background(t, "ingest watch --config ingest.yaml --set watch.canary_every=0s --set watch.every=500ms --set page.peers="+r.admin["9464"]+","+r.admin["9465"])
	for _, one := range []struct {
		name string
		test func(*testing.T, *rehearsal)
	}{
		{"nothing is wrong", nothingIsWrong},
		{"lag-grows-cpu-low", lagGrowsCPULow},
		{"freshness-worse-parts-grow", partsGrow},
		{"clickhouse-readonly", clickHouseReadOnly},
		{"hot-partition", hotPartition},
		{"dlq-fills", dlqFills},
		{"stuck-intent", stuckIntent},
		{"bad-deploy", badDeploy},
		{"s3-refuses", s3Refuses},
		{"disk-full", diskFull},
		{"offset-out-of-range", offsetOutOfRange}, // last: what it loses no audit is content with
	} {
		began := time.Now()
		if !t.Run(one.name, func(t *testing.T) { one.test(t, r) }) {
			t.FailNow() // what follows would fail of it
		}
		t.Logf("%s took %v", one.name, time.Since(began).Round(100*time.Millisecond))
	}
	steps, err := reference.AllSteps()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if !r.typed[s.Text] {
			t.Errorf("%s, %s: nobody has typed: %s", s.Runbook, s.Section, s.Text)
		}
	}
}

// ofReplicas are statements that only a table of several replicas takes; that they
// are understood is all that can be shown here.
var ofReplicas = []string{"SYSTEM RESTART REPLICA telemetry", "SYSTEM RESTORE REPLICA telemetry"}

// nothingIsWrong types what changes nothing: it says something, and none of it fails.
func nothingIsWrong(t *testing.T, r *rehearsal) {
	r.background(t, "compactor run --config compactor.yaml --every 1s")
	eventually(t, "answers of the scaler and the compactor", func() error {
		for _, page := range []string{"9467/scale", "9465/readyz", "9468/readyz"} {
			if out, status := r.run(t, "curl -sf localhost:"+page); status != 0 {
				return fmt.Errorf("%s: %s", page, out)
			}
		}
		return nil
	})
	eventually(t, "commit of all that was sent", func() error { return r.committed(t.Context()) })
	steps, err := reference.AllSteps()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(steps, func(a, b reference.Step) int { return strings.Compare(a.Text, b.Text) })
	for _, s := range slices.CompactFunc(steps, func(a, b reference.Step) bool { return a.Text == b.Text }) {
		var out string
		status := 0
		switch {
		case s.Language == "sql":
			if _, err = r.sql(t, "EXPLAIN AST "+s.Text); err == nil && strings.HasPrefix(s.Text, "SELECT") {
				_, err = r.sql(t, s.Text)
			}
			if err != nil {
				t.Errorf("%s: %v", s.Runbook, err)
			}
			r.typed[s.Text] = strings.HasPrefix(s.Text, "SELECT") || slices.Contains(ofReplicas, s.Text)
			continue
		case looks(s):
			out, status = r.run(t, s.Text)
			r.typed[s.Text] = true
		}
		if status != 0 {
			t.Errorf("%s: %s ended with %d: %s", s.Runbook, s.Text, status, out)
		}
	}
}

// looks reports whether a command only looks, and ends by itself.
func looks(s reference.Step) bool {
	for _, prefix := range []string{"curl ", "ingest check", "ingest audit", "ingest dlq ls", "ingest scale --config ingest.yaml --once", "compactor plan", "compactor calendar", "compactor verify", "kafka-get-offsets.sh"} {
		if strings.HasPrefix(s.Text, prefix) {
			return true
		}
	}
	return strings.Contains(s.Text, " --describe")
}
