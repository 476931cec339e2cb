package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/ops/deploy"
	"penstock/ops/settings"
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
	cmd, flags, err := command(io.Discard).Find(p.Args[1:])
	if err == nil {
		err = cmd.ParseFlags(flags)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Fatalf("%v: %v", p.Args, err)
	}
	if cmd.Name() != "run" {
		t.Fatalf("compactor %s is started; only run lasts", cmd.Name())
	}
	cfg, _, err := loadTables(settings.Sources{File: cmd.Flag("config").Value.String(), EnvPrefix: envPrefix, Environ: p.Env})
	if err != nil {
		t.Fatal(err)
	}
	// It may be stopped at any moment: only the server's requests are waited for.
	for _, fault := range p.Fits(cfg.Budget.MaxMemory, 5*time.Second) {
		t.Error(fault)
	}
	addr, err := net.ResolveTCPAddr("tcp", cfg.Admin.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, addr.Port) {
		t.Errorf("it answers at port %d, and others reach %v", addr.Port, p.Ports)
	}
	admin, err := ops.NewAdmin(cfg.Admin.At("localhost:0"), prometheus.NewRegistry(), nil, nil)
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
			if answer.StatusCode != http.StatusOK || probe.Port != addr.Port {
				t.Errorf("%s is asked for at port %d, and answers %s at %d", probe.Path, probe.Port, answer.Status, addr.Port)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
