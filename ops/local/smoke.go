package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"penstock/ops/local/scenario"
	"penstock/schema"
)

// scenarioFlags are the flags of every command that runs the product.
func scenarioFlags(flags *pflag.FlagSet, cfg *scenario.Config, name string) {
	stackFlags(flags, &cfg.Stack, name)
	flags.StringVar(&cfg.Bin, "bin", "", "folder with the programs ingest, compactor and loadtest (default: bin in the repository)")
	flags.StringVar((*string)(&cfg.Fleet.Encoding), "encoding", string(schema.JSON), "how events are written: json or protobuf")
	flags.IntVar(&cfg.Fleet.Rate, "rate", cfg.Fleet.Rate, "records a second")
	flags.IntVar(&cfg.Fleet.Devices, "devices", cfg.Fleet.Devices, "size of the fleet")
	flags.Float64Var(&cfg.Fleet.Resend, "resend", cfg.Fleet.Resend, "share of records sent a second time")
	flags.Float64Var(&cfg.Fleet.Late, "late", cfg.Fleet.Late, "share of readings up to 40 days old")
	flags.Float64Var(&cfg.Fleet.Malformed, "malformed", cfg.Fleet.Malformed, "share of records that have to be rejected")
}

// completeScenario fills in what the flags left open.
func completeScenario(cfg *scenario.Config, name string) error {
	cfg.Progress = os.Stderr
	var err error
	if cfg.Bin, err = programs(cfg.Bin); err != nil {
		return err
	}
	return complete(&cfg.Stack, name, os.Stderr)
}

func smokeCommand() *cobra.Command {
	cfg := scenario.SmokeConfig{Config: scenario.Config{Fleet: scenario.Fleet{
		Rate: 20_000, Duration: 20 * time.Second, Devices: 10_000, Resend: 0.02, Late: 0.01, Malformed: 0.001,
	}}}
	var keep bool
	cmd := &cobra.Command{
		Use:   "smoke",
		Short: "Send for 20 s, move old days to Parquet, and prove that nothing is lost",
		Long: `Smoke starts a stack of its own and the product on it, sends a fleet's telemetry,
shows a query while it runs, moves every day older than 30 days to Parquet, and
has ClickHouse and DuckDB read the Parquet back.

Its last line of standard output is one JSON object. It exits with 1 unless
nothing is missing or duplicated, exactly the malformed records are rejected,
99 % of the readings are visible within 5 s, and both readers count the same
rows in Parquet.

With a fault the latency is only reported; and with --kill-ingest-after, so are
duplicates.

The state folder is removed in the end if all was well and none was given.`,
		Example: `  local smoke
  local smoke --kill-ingest-after 8s
  local smoke --kill-clickhouse-after 8s
  local smoke --duration 40s --clickhouse-down-after 5s --clickhouse-down-for 20s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := cfg.Stack.State != ""
			// A smoke counts: it must not find the data of an earlier one.
			if err := completeScenario(&cfg.Config, filepath.Join("smoke", time.Now().Format(stamp))); err != nil {
				return err
			}
			if err := empty(cfg.Stack.State); err != nil {
				return err
			}
			result, err := scenario.Smoke(cmd.Context(), cfg)
			return conclude(cmd, result, cfg.Stack.State, given || keep, err)
		},
	}
	scenarioFlags(cmd.Flags(), &cfg.Config, "smoke/<time>")
	cmd.Flags().DurationVar(&cfg.Fleet.Duration, "duration", cfg.Fleet.Duration, "how long to send")
	cmd.Flags().DurationVar(&cfg.KillIngestAfter, "kill-ingest-after", 0, "kill -9 ingest so long after the load began, and start it again")
	cmd.Flags().DurationVar(&cfg.KillClickHouseAfter, "kill-clickhouse-after", 0, "kill -9 ClickHouse so long after the load began, and start it again")
	cmd.Flags().DurationVar(&cfg.ClickHouseDownAfter, "clickhouse-down-after", 0, "stop ClickHouse so long after the load began")
	cmd.Flags().DurationVar(&cfg.ClickHouseDownFor, "clickhouse-down-for", 0, "start it again so long after that")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the state folder though all was well")
	return cmd
}
