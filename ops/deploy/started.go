package deploy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/settings"
)

// Started returns the command below root that the process starts, with its flags
// parsed, and where its settings are. It is an error if it is none, or has not those
// flags or arguments.
func (p Process) Started(root *cobra.Command, envPrefix string) (*cobra.Command, settings.Sources, error) {
	cmd, flags, err := root.Find(p.Args[1:])
	if err == nil {
		err = cmd.ParseFlags(flags)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		return nil, settings.Sources{}, fmt.Errorf("%v: %w", p.Args, err)
	}
	set, err := cmd.Flags().GetStringArray("set")
	if err != nil {
		return nil, settings.Sources{}, fmt.Errorf("%v: %w", p.Args, err)
	}
	return cmd, settings.Sources{File: cmd.Flag("config").Value.String(), EnvPrefix: envPrefix, Environ: p.Env, Set: set}, nil
}

// Answers starts the admin server as it is configured, but for its port, and asks it
// for what the probes ask for. It returns what is wrong with them, and with the port.
func (p Process) Answers(ctx context.Context, cfg ops.Config) (faults []string, err error) {
	at, err := Port(cfg.Addr)
	if err != nil {
		return nil, err
	}
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, at) {
		faults = append(faults, fmt.Sprintf("it answers at port %d, and others reach %v", at, p.Ports))
	}
	admin, err := ops.NewAdmin(cfg.At("localhost:0"), prometheus.NewRegistry(), nil, nil)
	if err != nil {
		return faults, err
	}
	err = admin.During(ctx, func() error {
		for _, probe := range p.Probes {
			answer, err := http.Get(fmt.Sprintf("http://%s%s", admin.Addr(), probe.Path))
			if err != nil {
				return err
			}
			if err := answer.Body.Close(); err != nil {
				return err
			}
			if answer.StatusCode != http.StatusOK || probe.Port != at {
				faults = append(faults, fmt.Sprintf("%s is asked for at port %d, and answers %s at %d", probe.Path, probe.Port, answer.Status, at))
			}
		}
		return nil
	})
	return faults, err
}

// Port is that of host:port, which may have a name.
func Port(addr string) (int, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return 0, err
	}
	return a.Port, nil
}
