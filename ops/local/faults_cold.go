package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/spf13/cobra"

	"penstock/ops/local/coldfaults"
)

func faultsColdCommand() *cobra.Command {
	// The defaults shown are those of the short run; --mode changes them.
	cfg, err := coldfaults.Default(coldfaults.Short)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var mode, bin string
	var only []string
	counts := map[coldfaults.Scenario]*int{}
	cmd := &cobra.Command{
		Use:   "faults-cold",
		Short: "Break the cold tier while days move, and prove that the view shows each row once",
		Long: `Faults-cold starts a stack of its own and, in rounds of one kind of fault each, two
compactors on it that move cold days to S3 while late rows arrive. It breaks the
first, or what it works on, and asks the analysts' view all the time: what was
acknowledged before a question has to be in the answer, each row once and every
column as it was; what was not yet sent must not. At the end of a round every cold
day has to be on S3 alone, without resends, and compactor verify to find it right.

It prints a table, and as the last line of standard output one JSON object. It
exits with 1 if anything is missing, duplicated or stuck, if a pass found
something that does not match, or if a fault that was asked for did not happen.
Rounds that found something keep their tables, objects and logs.

All choices follow from --seed, which is printed first and last; the moments are
as repeatable as processes are. --only repeats a scenario with the same choices.`,
		Example: `  local faults-cold
  local faults-cold --mode long
  local faults-cold --only zombie --zombies 5 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defaults, err := coldfaults.Mode(mode).Counts()
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
			if cfg.Only, err = coldfaults.ParseScenarios(only); err != nil {
				return err
			}
			return runColdFaults(cmd, cfg, bin)
		},
	}
	f := cmd.Flags()
	stackFlags(f, &cfg.Stack, "faults-cold/<time>")
	f.StringVar(&bin, "bin", "", "folder with the program compactor-faults (default: bin in the repository)")
	f.StringVar(&mode, "mode", string(coldfaults.Short), "short, about a minute, or long: the proof")
	f.Uint64Var(&cfg.Seed, "seed", 0, "decides all that is chosen; 0 draws one")
	f.StringSliceVar(&only, "only", nil, "the scenarios to run, separated by commas (default: all)")
	f.BoolVar(&cfg.Keep, "keep", false, "keep tables, objects and logs also of rounds that found nothing")
	f.IntVar(&cfg.Parallel, "parallel", cfg.Parallel, "rounds at a time")
	f.IntVar(&cfg.Days, "days", cfg.Days, "cold days of a round")
	f.IntVar(&cfg.Rows, "rows", cfg.Rows, "rows of a day in the beginning")
	f.IntVar(&cfg.FileRows, "file-rows", cfg.FileRows, "how many rows a file has")
	f.DurationVar(&cfg.Late, "late", cfg.Late, "time between two inserts of late rows")
	f.DurationVar(&cfg.Settle, "settle", cfg.Settle, "the compactors' settle")
	f.DurationVar(&cfg.Grace, "grace", cfg.Grace, "the compactors' grace")
	f.DurationVar(&cfg.LeaseTTL, "lease-ttl", cfg.LeaseTTL, "the compactors' lease_ttl")
	f.DurationVar(&cfg.DrainTimeout, "drain-timeout", cfg.DrainTimeout, "how long days may take to become cold once the faults are over")
	for _, s := range coldfaults.Scenarios() {
		name, help := s.Flag()
		counts[s] = f.Int(name, cfg.Counts[s], help)
	}
	return cmd
}

func runColdFaults(cmd *cobra.Command, cfg coldfaults.Config, bin string) error {
	bin, err := programs(bin)
	if err != nil {
		return err
	}
	cfg.Program, cfg.Progress = filepath.Join(bin, "compactor-faults"), cmd.ErrOrStderr()
	for cfg.Seed == 0 {
		cfg.Seed = uint64(rand.Uint32()) // short enough to be typed again
	}
	if _, err := begin(cmd, &cfg.Stack, "faults-cold"); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "seed %d\n", cfg.Seed)
	result, err := coldfaults.Run(cmd.Context(), cfg)
	if result.Rounds == 0 { // nothing was begun
		return err
	}
	return conclude(cmd, result, cfg.Stack.State, cfg.Keep, errors.Join(err, result.WriteTable(cmd.ErrOrStderr())))
}
