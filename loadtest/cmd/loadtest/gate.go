package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/loadtest"
	"penstock/loadtest/gate"
	"penstock/loadtest/play"
	"penstock/loadtest/scenarios"
)

func scenariosCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "scenarios",
		Short:   "List the scenarios there are",
		Long:    `List the scenarios there are: how long each lasts, what it sends at most, what it breaks, and what it is for.`,
		Example: `  loadtest scenarios`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SCENARIO\tLASTS\tRECORDS\tBREAKS\tABOUT")
			for _, name := range scenarios.Names() {
				s, err := scenarios.Load(name)
				if err != nil {
					return err
				}
				breaks := "-"
				if len(s.Faults) > 0 {
					breaks = string(s.Faults[0].Kind)
				}
				about, _, _ := strings.Cut(strings.Join(strings.Fields(s.About), " "), ". ")
				fmt.Fprintf(w, "%s\t%v\t%.0f\t%s\t%s\n", name, s.Lasts(), s.Records(), breaks, strings.TrimSuffix(about, "."))
			}
			return w.Flush()
		},
	}
}

// gating is what the command gate is asked for.
type gating struct {
	cluster       loadtest.Config
	group         string
	nodes         []string
	runs          int
	scale         float64
	withoutFaults bool
	baseline      string
	out           string
}

func gateCommand() *cobra.Command {
	g := gating{cluster: loadtest.DefaultConfig(), group: "penstock", runs: 1, scale: 1}
	c := &cobra.Command{
		Use:   "gate SCENARIO",
		Short: "Play a scenario on a cluster there is, and judge it by its objectives",
		Long: `Play a scenario on a cluster there is: a fleet sends at the rates and times the scenario has, each event is proven
in the end, and the scenario's objectives decide. With a baseline, the report of an earlier run, what has become
worse decides, too.

Nothing is broken: that needs a stack of its own, "make loadtest SCENARIO=...". A scenario with faults is refused, or
played without them and the objectives about them if --without-faults is given; the report names what was left out.
CPU and memory are those of the nodes named with --node; objectives about what is not measured are left out, too.

It writes report.html, report.md and report.json, and exits with 0 if all holds, 1 if an objective does not or a
figure is worse than is tolerated, and 2 if there is no verdict.
` + aboutEnv,
		Example: `  loadtest gate steady --brokers kafka:9092 --clickhouse clickhouse:9000 --node ingest-0:9464 --scale 5 --out report
  loadtest gate spike --brokers kafka:9092 --clickhouse clickhouse:9000 --baseline last/report.json --out report`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return gate.Unjudged{Err: fmt.Errorf("give one scenario: %s, or a file that ends in .yaml", strings.Join(scenarios.Names(), ", "))}
			}
			return nil
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return gate.Unjudged{Err: err} })
	f := c.Flags()
	targetFlags(f, &g.cluster)
	f.Uint64Var(&g.cluster.Seed, "seed", g.cluster.Seed, "decides what is sent")
	f.StringVar(&g.group, "group", g.group, "consumer group of the nodes, whose lag is looked at")
	f.StringSliceVar(&g.nodes, "node", nil, "admin address of an ingest node, host:port, for its CPU and memory; several, or separated by commas")
	f.IntVar(&g.runs, "runs", g.runs, "how often it is played; several tell a difference from noise")
	f.Float64Var(&g.scale, "scale", g.scale, "what the scenario's rates are multiplied by")
	f.BoolVar(&g.withoutFaults, "without-faults", false, "play a scenario without its faults, and name them in the report")
	f.StringVar(&g.baseline, "baseline", "", "report.json to compare with")
	f.StringVar(&g.out, "out", "", "folder of the reports (default: loadtest-<scenario>-<time>)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := fromEnv(c, os.Environ()); err != nil {
			return gate.Unjudged{Err: err}
		}
		report, err := g.judge(c, args[0])
		if err != nil {
			return gate.Unjudged{Err: err}
		}
		paths, err := play.Write(g.out, report)
		if err != nil {
			return gate.Unjudged{Err: err}
		}
		fmt.Fprint(c.OutOrStdout(), report.Table(), strings.Join(paths, "\n"), "\n")
		return report.Err()
	}
	return c
}

// judge plays the scenario as often as asked for.
func (g *gating) judge(c *cobra.Command, name string) (gate.Report, error) {
	s, err := scenarios.Load(name)
	if err != nil {
		return gate.Report{}, err
	}
	if g.scale <= 0 || g.runs < 1 {
		return gate.Report{}, fmt.Errorf("scale is %g and runs %d; use more than 0, and at least 1", g.scale, g.runs)
	}
	s, began := s.Scaled(g.scale), time.Now()
	s.Nodes = 0 // the cluster's own
	var omitted []string
	if g.withoutFaults {
		s, omitted = s.Unbroken()
	}
	s, blind := s.Watching(len(g.nodes) > 0, false)
	omitted = append(omitted, blind...)
	var baseline *gate.Side
	if g.baseline != "" {
		if baseline, err = play.ReadBaseline(g.baseline, s); err != nil {
			return gate.Report{}, err
		}
	}
	if g.out == "" {
		g.out = fmt.Sprintf("loadtest-%s-%s", s.Name, began.Format("20060102-150405"))
	}
	side := gate.Side{Version: gate.Version{Name: "what runs at " + g.cluster.ClickHouse.Addr}, Environment: play.Here()}
	for range g.runs {
		target := g.cluster
		target.Run = loadtest.DefaultConfig().Run // or its readings would be those of the run before
		run, err := play.Play(c.Context(), play.Config{
			Scenario: s, Target: target, Group: g.group, Nodes: g.nodes,
			Output: loadtest.Output{Writer: c.ErrOrStderr(), Terminal: term.IsTerminal(int(os.Stderr.Fd()))},
		})
		if err != nil {
			return gate.Report{}, err
		}
		side.Runs = append(side.Runs, run)
	}
	r := gate.NewReport(s, g.scale, side, baseline, omitted)
	r.Made, r.Command = began.UTC().Truncate(time.Second), fmt.Sprintf("loadtest gate %s --scale %g --runs %d", name, g.scale, g.runs)
	return r, nil
}
