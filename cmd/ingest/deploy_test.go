package main

import (
	"io"
	"slices"
	"testing"

	"penstock/ops/deploy"
)

// What the chart, the compose file and the units start is a command of this program,
// with flags, settings and variables that exist, within bounds that its settings fit
// in, and it answers where it is asked.
func TestDeployed(t *testing.T) {
	processes, err := deploy.Processes("../../ops/deploy", "ingest")
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
	var cfg config
	switch cmd.Name() {
	case "run", "migrate":
		var all []streamConfig
		if cfg, all, err = loadStreams(from); err == nil {
			_, err = open(all)
		}
	case "scale":
		cfg, err = loadScale(from)
		cfg.Admin = cfg.Admin.At(cfg.Scaling.Addr)
	case "watch":
		cfg, _, err = loadStreams(from)
		cfg.Admin = cfg.Admin.At(cfg.Watch.Addr)
	default:
		t.Fatalf("say here how the config of ingest %s is read", cmd.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Name() == "migrate" { // ends by itself, and answers nobody
		return
	}
	if cmd.Name() == "run" {
		for _, fault := range p.Fits(cfg.Pipeline.Memory, cfg.Pipeline.StopTimeout) {
			t.Error(fault)
		}
	}
	faults, err := p.Answers(t.Context(), cfg.Admin)
	for _, fault := range faults {
		t.Error(fault)
	}
	if err != nil {
		t.Error(err)
	}
	if cfg.Scaling.GRPC == "" || cmd.Name() != "scale" {
		return
	}
	if port, err := deploy.Port(cfg.Scaling.GRPC); err != nil || !slices.Contains(p.Ports, port) {
		t.Errorf("scaling.grpc is %s, %v, and others reach %v", cfg.Scaling.GRPC, err, p.Ports)
	}
}
