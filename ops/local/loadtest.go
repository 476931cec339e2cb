package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/loadtest/gate"
	"penstock/loadtest/play"
	"penstock/loadtest/scenarios"
	"penstock/ops/local/fetch"
	"penstock/ops/local/trial"
)

func loadtestCommand() *cobra.Command {
	cfg := trial.Config{Runs: 1, Scale: 1}
	var bin, out, baseline string
	var rate float64
	cmd := &cobra.Command{
		Use:   "loadtest SCENARIO",
		Short: "Play a scenario, prove every event, and judge the version by its objectives",
		Long: `Loadtest plays a scenario on a stack of its own: a fleet sends at the rates and
times the scenario has, the stack is broken as it says, and each event is proven
in the end. The scenario's objectives decide. With a baseline, which is a report
of an earlier run or a git revision to build and run in turns with the candidate,
what has become worse decides, too.

It writes report.html, report.md and report.json, prints the verdict, and exits
with 0 if all holds, 1 if an objective does not or a figure is worse than is
tolerated, and 2 if there is no verdict, because the stack or a program could
not be set up. "bin/loadtest scenarios" lists what there is; docs/loadtest.md
says how to write more.`,
		Example: `  local loadtest steady
  local loadtest spike --rate 8000 --runs 3 --baseline main~1
  local loadtest clickhouse-stop --baseline .state/loadtest/main/report.json
  local loadtest mine.yaml --out /tmp/report --keep`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return gate.Unjudged{Err: fmt.Errorf("give one scenario: %s, or a file that ends in .yaml", strings.Join(scenarios.Names(), ", "))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := scenarios.Load(args[0])
			if err != nil {
				return gate.Unjudged{Err: err}
			}
			if cmd.Flags().Changed("rate") {
				cfg.Scale = rate / s.Phases[0].Rate
			}
			if cfg.Scenario = s.Scaled(cfg.Scale); cfg.Scale <= 0 {
				return gate.Unjudged{Err: fmt.Errorf("scale is %g; use --scale or --rate with a positive number", cfg.Scale)}
			}
			cfg.Command = reproduce(args[0], baseline, cmd)
			cfg.Progress, cfg.Terminal = cmd.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd()))
			dir, err := prepareLoadtest(cmd, &cfg, bin, out, baseline)
			if err != nil {
				return gate.Unjudged{Err: err}
			}
			report, err := trial.Run(cmd.Context(), cfg)
			if err != nil {
				return gate.Unjudged{Err: fmt.Errorf("%w\ndata and logs are in %s", err, cfg.Stack.State)}
			}
			paths, err := play.Write(dir, report)
			if err == nil && !cfg.Keep {
				err = os.RemoveAll(cfg.Stack.State)
			}
			if err != nil {
				return gate.Unjudged{Err: err}
			}
			fmt.Fprint(cmd.OutOrStdout(), report.Table(), strings.Join(paths, "\n"), "\n")
			return report.Err()
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return gate.Unjudged{Err: err} })
	f := cmd.Flags()
	f.StringVar((*string)(&cfg.Stack.Kafka), "kafka", "", "apache or kfake (default: apache if there is Java 17 or newer)")
	f.StringVar(&bin, "bin", "", "folder with the program ingest (default: bin in the repository)")
	f.StringVar(&cfg.Program, "program", "", "the ingest to try (default: that of --bin)")
	f.StringVar(&baseline, "baseline", "", "what to compare with: a report.json, or a git revision to build and run")
	f.IntVar(&cfg.Runs, "runs", cfg.Runs, "how often each version is run; several tell a difference from noise")
	f.Float64Var(&cfg.Scale, "scale", cfg.Scale, "what the scenario's rates are multiplied by")
	f.Float64Var(&rate, "rate", 0, "the rate of the scenario's first phase; the others keep their proportion to it")
	f.StringVar(&out, "out", "", "folder of the reports (default: .state/loadtest/<scenario>-<time> in the repository)")
	f.BoolVar(&cfg.Keep, "keep", false, "keep the data and logs of the runs")
	cmd.MarkFlagsMutuallyExclusive("scale", "rate")
	return cmd
}

// prepareLoadtest settles where things are and builds the baseline. It returns the
// folder of the reports.
func prepareLoadtest(cmd *cobra.Command, cfg *trial.Config, bin, out, baseline string) (dir string, err error) {
	if cfg.Program == "" {
		if bin, err = programs(bin); err != nil {
			return "", err
		}
		cfg.Program = filepath.Join(bin, "ingest")
	}
	root, ok := fetch.Repository()
	cfg.Root = root
	if dir = out; dir == "" {
		if !ok {
			return "", errors.New("outside of the repository there is no default for the reports; give a folder with --out")
		}
		dir = filepath.Join(root, ".state", "loadtest", cfg.Scenario.Name+"-"+time.Now().Format(stamp))
	}
	cfg.Stack.State = filepath.Join(dir, "runs")
	if err := errors.Join(empty(cfg.Stack.State), complete(&cfg.Stack, "", cmd.ErrOrStderr())); err != nil {
		return "", err
	}
	switch {
	case strings.HasSuffix(baseline, ".json"):
		side, err := play.ReadBaseline(baseline, cfg.Scenario)
		if err != nil {
			return "", err
		}
		cfg.Baseline = &trial.Baseline{Report: side}
	case baseline != "":
		if !ok {
			return "", errors.New("outside of the repository no revision can be built; give a report.json with --baseline")
		}
		if cfg.Baseline, err = trial.Build(cmd.Context(), root, baseline, filepath.Join(cfg.Stack.State, "baseline")); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// reproduce is the command that makes a report again.
func reproduce(scenario, baseline string, cmd *cobra.Command) string {
	command := "make loadtest SCENARIO=" + scenario
	if baseline != "" {
		command += " BASELINE=" + baseline
	}
	var given []string
	for _, name := range []string{"runs", "scale", "rate", "kafka", "program"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			given = append(given, "--"+name+" "+f.Value.String())
		}
	}
	if len(given) > 0 {
		command += fmt.Sprintf(" LOADTEST_ARGS=%q", strings.Join(given, " "))
	}
	return command
}
