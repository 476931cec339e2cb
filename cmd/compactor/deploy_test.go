package main

import (
	"io"
	"testing"
	"time"

	"penstock/ops/deploy"
)

// What the chart, the compose file and the units start is a command of this program,
// with flags, settings and variables that exist, within bounds that its settings fit
// in, and it answers where it is asked.
func TestDeployed(t *testing.T) {
	processes, err := deploy.Processes("../../ops/deploy", "compactor")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		t.Run(p.From, func(t *testing.T) { testDeployed(t, p) })
	}
}

func testDeployed(t *testing.T, p deploy.Process) {
	p, err := p.Lay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd, from, err := p.Started(command(io.Discard), envPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Name() != "run" {
		t.Fatalf("compactor %s is started; only run lasts", cmd.Name())
	}
	cfg, _, err := loadTables(from)
	if err != nil {
		t.Fatal(err)
	}
	// It may be stopped at any moment: only the server's requests are waited for.
	for _, fault := range p.Fits(cfg.Budget.MaxMemory, 5*time.Second) {
		t.Error(fault)
	}
	faults, err := p.Answers(t.Context(), cfg.Admin)
	for _, fault := range faults {
		t.Error(fault)
	}
	if err != nil {
		t.Error(err)
	}
}
