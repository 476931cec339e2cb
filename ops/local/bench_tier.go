package main

import (
	"errors"

	"github.com/spf13/cobra"

	"penstock/ops/local/tierbench"
)

func benchTierCommand() *cobra.Command {
	cfg := tierbench.Config{Rows: []int{1_000_000, 10_000_000}, Devices: 10_000}
	cmd := &cobra.Command{
		Use:   "bench-tier",
		Short: "Measure what it takes to move a day to Parquet on S3",
		Long: `Bench-tier stores days of a fleet's readings in ClickHouse and has the program
compactor move each to S3 as it does in production: export, read back with another
library, compare, publish. Beside that it has ClickHouse and DuckDB write the same
rows in the same order by themselves, and shows for each the rows a second of its
CPU time, its memory, and the bytes a row beside those of the JSON it came from.

Settings of the compactor can be tried by its variables, such as
PENSTOCK_COMPACTOR_ROW_GROUP_ROWS=100000.

It prints a table, and as the last line of standard output one JSON object.`,
		Example: `  local bench-tier
  local bench-tier --rows 20000000 --devices 50000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchTier(cmd, cfg) },
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Stack.State, "state", "", "folder of the servers' data (default: .state/bench-tier/<time> in the repository)")
	f.StringVar(&cfg.Bin, "bin", "", "folder with the program compactor (default: bin in the repository)")
	f.IntSliceVar(&cfg.Rows, "rows", cfg.Rows, "rows of each day, separated by commas")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet they are of")
	return cmd
}

func runBenchTier(cmd *cobra.Command, cfg tierbench.Config) error {
	cfg.Progress = cmd.ErrOrStderr()
	var err error
	if cfg.Bin, err = programs(cfg.Bin); err != nil {
		return err
	}
	given, err := begin(cmd, &cfg.Stack, "bench-tier")
	if err != nil {
		return err
	}
	result, err := tierbench.Run(cmd.Context(), cfg)
	if len(result.Days) == 0 { // nothing was measured
		return err
	}
	return conclude(cmd, result, cfg.Stack.State, given, errors.Join(err, result.WriteTable(cmd.OutOrStdout())))
}
