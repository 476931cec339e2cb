package main

import (
	"errors"

	"github.com/spf13/cobra"

	"penstock/ops/local/enginebench"
)

func benchEngineCommand() *cobra.Command {
	cfg := enginebench.Config{Runs: 1, Events: 2_000_000, Devices: 10_000, Rate: 100_000}
	var names []string
	var rows []int
	cmd := &cobra.Command{
		Use:   "bench-engine",
		Short: "Measure what ClickHouse takes to store a million events",
		Long: `Bench-engine has ClickHouse store blocks as a node makes them and shows the CPU
time of its process, what it merged, its parts and its bytes on disk: of the
tables as they are, of the same without receipts, without rollup and without
both, and of inserts of several sizes.

Each case is measured on new servers twice: inserts alone and then one merge of
all they brought, which is what variants are to be compared by; and inserts at
--rate with merges as the server sees fit, which is what storing costs.

--variant and --rows measure others, each variant with each number of rows:
` + enginebench.Describe() + `
It prints a table, and as the last line of standard output one JSON object.`,
		Example: `  local bench-engine
  local bench-engine --variant product,lz4,zstd3 --rows 100000 --runs 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("variant") || cmd.Flags().Changed("rows") {
				for _, n := range rows {
					for _, name := range names {
						cfg.Cases = append(cfg.Cases, enginebench.Case{Variant: name, Rows: n})
					}
				}
			} else {
				cfg.Cases = enginebench.DefaultCases()
			}
			return runBenchEngine(cmd, cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Stack.State, "state", "", "folder of the servers' data (default: .state/bench-engine/<time> in the repository)")
	f.StringSliceVar(&names, "variant", []string{enginebench.Product}, "variants to measure, separated by commas")
	f.IntSliceVar(&rows, "rows", []int{100_000}, "rows an insert, separated by commas")
	f.IntVar(&cfg.Runs, "runs", cfg.Runs, "runs of each case")
	f.IntVar(&cfg.Events, "events", cfg.Events, "events stored in each run")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet they are of")
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "events a second, of the fleet and where inserts are paced")
	return cmd
}

func runBenchEngine(cmd *cobra.Command, cfg enginebench.Config) error {
	cfg.Progress = cmd.ErrOrStderr()
	given, err := begin(cmd, &cfg.Stack, "bench-engine")
	if err != nil {
		return err
	}
	result, err := enginebench.Run(cmd.Context(), cfg)
	if len(result.Cases) == 0 { // nothing was begun
		return err
	}
	return conclude(cmd, result, cfg.Stack.State, given, errors.Join(err, result.WriteTable(cmd.OutOrStdout())))
}
