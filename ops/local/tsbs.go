package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"penstock/ops/local/tsbs"
)

func tsbsCommand() *cobra.Command {
	cfg := tsbs.Config{Fleet: tsbs.DefaultFleet()}
	cmd := &cobra.Command{
		Use:   "tsbs",
		Short: "Telemetry that nobody made for the product, all proven",
		Long: `Tsbs simulates the trucks of the Time Series Benchmark Suite's iot use case, as TSBS does: with values, tags,
entries and batches that are missing, or out of order. Their readings and diagnostics are two topics, and one node
moves both, each by its own schema file (ops/local/tsbs). Trucks number their events, and --resend sends some twice.

In the end each row is compared with what was simulated, value by value, and "ingest audit" accounts for
each record. If anything is missing, doubled or altered the exit status is 1.

The last line of standard output is one JSON object. The state folder is removed if all was well and none was given.`,
		Example: `  local tsbs
  local tsbs --trucks 1000 --length 1h --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Ingest == "" {
				bin, err := programs("")
				if err != nil {
					return err
				}
				cfg.Ingest = filepath.Join(bin, "ingest")
			}
			cfg.Progress = cmd.ErrOrStderr()
			given, err := begin(cmd, &cfg.Stack, "tsbs")
			if err != nil {
				return err
			}
			result, err := tsbs.Run(cmd.Context(), cfg)
			if result.Kafka == "" { // nothing was proven
				return err
			}
			return conclude(cmd, result, cfg.Stack.State, given, err)
		},
	}
	f := cmd.Flags()
	stackFlags(f, &cfg.Stack, "tsbs/<time>")
	f.StringVar(&cfg.Ingest, "ingest", "", "the program ingest (default: bin/ingest in the repository)")
	f.Int64Var(&cfg.Fleet.Seed, "seed", cfg.Fleet.Seed, "decides everything about the fleet")
	f.IntVar(&cfg.Fleet.Trucks, "trucks", cfg.Fleet.Trucks, "size of the fleet")
	f.DurationVar(&cfg.Fleet.Length, "length", cfg.Fleet.Length, "how long they drive, of their own time")
	f.DurationVar(&cfg.Fleet.Every, "every", cfg.Fleet.Every, "time between two events of a measurement")
	f.Float64Var(&cfg.Fleet.Resend, "resend", cfg.Fleet.Resend, "share of events sent a second time")
	return cmd
}
