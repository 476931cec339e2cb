package main

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"penstock/ops/audit"
	"penstock/pipeline"
	"penstock/schema"
)

// A script tells by the exit status what an audit came to.
func TestExitStatus(t *testing.T) {
	f := func(name string, want int, p audit.Partition) {
		t.Helper()
		err := judged(&audit.Report{Partitions: []audit.Partition{p}})
		got := 0
		if err != nil {
			got = exitStatus(err)
		}
		if got != want {
			t.Errorf("%s: exit status %d, want %d", name, got, want)
		}
	}
	f("proven", 0, audit.Partition{Stored: 1})
	f("missing", exitViolated, audit.Partition{Missing: 1})
	f("unproven", exitUndecided, audit.Partition{Unproven: 1})
	if got := exitStatus(errors.New("any other")); got != 1 {
		t.Errorf("another error ends the program with %d, want 1", got)
	}
}

// An audit that could not be done has found nothing, and does not say that
// something is wrong.
func TestAnAuditThatFailsIsUndecided(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		cmd := command(&out)
		cmd.SetArgs(append([]string{"audit", "--set", "kafka.brokers=" + nobody, "--set", "kafka.topic=telemetry", "--set", "clickhouse.addr=" + nobody}, args...))
		err := cmd.ExecuteContext(t.Context())
		if err == nil || exitStatus(err) != exitUndecided || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%v: got %v with status %d and output %q, want %q with %d", args, err, exitStatus(err), &out, want, exitUndecided)
		}
	}
	f(`--from: "yesterday" is no time; want one such as`, "--from", "yesterday", "--day", "x")
	f(`--day: day "x" is not written as`, "--from", "yesterday", "--day", "x")
	f("give a --from that is before --to", "--from", "1h", "--to", "2h")
	f("read the offsets of group penstock at [" + nobody + "]")
}

func TestAuditRequest(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	cfg := pipeline.Default()
	request, days, err := auditFlags{from: "2026-11-22", to: "2026-11-22", days: []string{"2026-11-01", "2026-11-02"}}.request(cfg, schema.Telemetry(), now)
	if err != nil {
		t.Fatal(err)
	}
	if request.To.Sub(request.From) != 24*time.Hour || request.Window != cfg.Dedup.Window ||
		request.View != "`default`.`telemetry_all`" || len(days) != 2 || days[1].String() != "2026-11-02" {
		t.Errorf("got %+v and %v", request, days)
	}
}
