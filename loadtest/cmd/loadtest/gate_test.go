package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"penstock/loadtest/gate"
	"penstock/loadtest/scenarios"
)

// TestGateRefuses: what is wrong with the set-up is said, and is no verdict.
func TestGateRefuses(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		root := command()
		root.SetArgs(append([]string{"gate"}, args...))
		root.SetOut(io.Discard)
		err := root.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || gate.ExitStatus(err) != 2 {
			t.Errorf("gate %v: %v, status %d; want %q and 2", args, err, gate.ExitStatus(err), want)
		}
	}
	f("give one scenario: backlog, ")
	f("unknown flag: --rats", "steady", "--rats", "5")
	f(`scenario "stedy" is none`, "stedy")
	f("scale is 0 and runs 1", "steady", "--scale", "0")
	f("scenario node-loss has faults, and nothing here can break things: loss (node-kill, ", "node-loss", "--brokers", "127.0.0.1:1", "--clickhouse", "127.0.0.1:1")
	f("clickhouse is", "node-loss", "--without-faults", "--brokers", "127.0.0.1:1")
}

func TestScenariosAreListed(t *testing.T) {
	root, out := command(), &bytes.Buffer{}
	root.SetArgs([]string{"scenarios"})
	root.SetOut(out)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, name := range scenarios.Names() {
		if !strings.Contains(out.String(), "\n"+name+" ") {
			t.Errorf("%s is not in\n%s", name, out)
		}
	}
}
