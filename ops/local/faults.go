package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/local/faults"
)

func faultsCommand() *cobra.Command {
	// The defaults shown are those of the short run; --mode changes them.
	cfg, err := faults.Default(faults.Short)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var mode, bin string
	var only []string
	counts := map[faults.Scenario]*int{}
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Break everything under load, and prove that each record is stored exactly once",
		Long: `Faults starts a stack of its own and three ingest nodes on it, behind proxies, and
breaks them while a fleet sends, in rounds of one kind of fault each. After each
round it proves each device's exact set of readings, that count() is
uniqExact(_partition, _offset), that nothing was produced which is not stored, a
duplicate or a dead letter, and that the rollups count what the rows do.

It prints a table, and as the last line of standard output one JSON object. It
exits with 1 if anything is missing, duplicated or stuck, or if a fault that was
asked for did not happen. Rounds that found something keep their tables, topics
and logs in the state folder.

All choices follow from --seed, which is printed first and last; the moments are
as repeatable as processes are. --only repeats a scenario with the same choices.`,
		Example: `  local faults
  local faults --mode long --report docs/faults.md
  local faults --only kill,zombie --kills 50 --zombies 10 --seed 7
  local faults --only lost-answer --without token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defaults, err := faults.Mode(mode).Counts()
			if err != nil {
				return fmt.Errorf("--mode: %w", err)
			}
			for s, n := range counts {
				name, _ := s.Flag()
				cfg.Counts[s] = defaults[s]
				if cmd.Flags().Changed(name) {
					cfg.Counts[s] = *n
				}
			}
			if cfg.Only, err = faults.ParseScenarios(only); err != nil {
				return err
			}
			if err := completeFaults(&cfg, bin); err != nil {
				return err
			}
			return runFaults(cmd, cfg)
		},
	}
	f := cmd.Flags()
	stackFlags(f, &cfg.Stack, "faults/<time>")
	f.StringVar(&bin, "bin", "", "folder with the programs ingest-faults and loadtest (default: bin in the repository)")
	f.StringVar(&mode, "mode", string(faults.Short), "short, some seven minutes, or long: the proof")
	f.Uint64Var(&cfg.Seed, "seed", 0, "decides all that is chosen; 0 draws one")
	f.StringSliceVar(&only, "only", nil, "the scenarios to run, separated by commas (default: all)")
	f.StringSliceVar(&cfg.Without, "without", nil, "mechanisms to switch off, to see that their absence is found: intent, token, receipts, epoch, fence, claim")
	f.StringVar(&cfg.Recovery, "recovery", cfg.Recovery, "how nodes come back from being behind: in-order or fresh-first")
	f.BoolVar(&cfg.Keep, "keep", false, "keep tables, topics and logs also of rounds that found nothing")
	f.StringVar(&cfg.Report, "report", "", "file to write the tables to as Markdown")
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "records a second")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet")
	f.DurationVar(&cfg.SessionTimeout, "session-timeout", cfg.SessionTimeout, "the nodes' Kafka session timeout")
	f.DurationVar(&cfg.DrainTimeout, "drain-timeout", cfg.DrainTimeout, "how long what was sent may take to arrive once the faults are over")
	for _, s := range faults.Scenarios() {
		name, help := s.Flag()
		counts[s] = f.Int(name, cfg.Counts[s], help)
	}
	return cmd
}

// completeFaults fills in what the flags left open.
func completeFaults(cfg *faults.Config, bin string) error {
	cfg.Progress = os.Stderr
	bin, err := programs(bin)
	if err != nil {
		return err
	}
	cfg.Program, cfg.LoadTest = filepath.Join(bin, "ingest-faults"), filepath.Join(bin, "loadtest")
	for cfg.Seed == 0 {
		cfg.Seed = uint64(rand.Uint32()) // short enough to be typed again
	}
	return complete(&cfg.Stack, filepath.Join("faults", time.Now().Format(stamp)), os.Stderr)
}

func runFaults(cmd *cobra.Command, cfg faults.Config) error {
	if err := empty(cfg.Stack.State); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "seed %d\n", cfg.Seed)
	result, err := faults.Run(cmd.Context(), cfg)
	if result.Runs == 0 { // nothing was begun
		return err
	}
	errs := []error{err, result.WriteTable(cmd.ErrOrStderr())}
	if cfg.Report != "" {
		errs = append(errs, result.WriteReport(cfg.Report))
	}
	return conclude(cmd, result, cfg.Stack.State, cfg.Keep, errors.Join(errs...))
}
