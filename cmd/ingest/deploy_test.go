package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/deploy"
	"penstock/ops/settings"
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
	cmd, from := parsed(t, command(io.Discard), p)
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
	answers(t, p, cfg.Admin)
	if cfg.Scaling.GRPC != "" && cmd.Name() == "scale" && !slices.Contains(p.Ports, port(t, cfg.Scaling.GRPC)) {
		t.Errorf("scaling.grpc is %s, and others reach %v", cfg.Scaling.GRPC, p.Ports)
	}
}

// parsed returns the command that the arguments name, and where its settings are.
func parsed(t *testing.T, root *cobra.Command, p deploy.Process) (*cobra.Command, settings.Sources) {
	t.Helper()
	cmd, flags, err := root.Find(p.Args[1:])
	if err == nil {
		err = cmd.ParseFlags(flags)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Fatalf("%v: %v", p.Args, err)
	}
	set, err := cmd.Flags().GetStringArray("set")
	if err != nil {
		t.Fatal(err)
	}
	return cmd, settings.Sources{File: cmd.Flag("config").Value.String(), EnvPrefix: envPrefix, Environ: p.Env, Set: set}
}

// answers starts the admin server as it is configured, but for its port, and asks it
// for what the probes ask for.
func answers(t *testing.T, p deploy.Process, cfg ops.Config) {
	t.Helper()
	at := port(t, cfg.Addr)
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, at) {
		t.Errorf("it answers at port %d, and others reach %v", at, p.Ports)
	}
	admin, err := ops.NewAdmin(cfg.At("localhost:0"), prometheus.NewRegistry(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = admin.During(t.Context(), func() error {
		for _, probe := range p.Probes {
			answer, err := http.Get(fmt.Sprintf("http://%s%s", admin.Addr(), probe.Path))
			if err != nil {
				return err
			}
			if err := answer.Body.Close(); err != nil {
				return err
			}
			if answer.StatusCode != http.StatusOK || probe.Port != at {
				t.Errorf("%s is asked for at port %d, and answers %s at %d", probe.Path, probe.Port, answer.Status, at)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func port(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}
