package main

import (
	"github.com/spf13/cobra"

	"penstock/ops/local/scenario"
)

func runCommand() *cobra.Command {
	cfg := scenario.Config{
		Fleet: scenario.Fleet{Rate: 2_000, Devices: 10_000, Resend: 0.02, Late: 0.01, Malformed: 0.001},
		// A laptop's disk, and a stack that may be left running over a weekend.
		Retention: 4 << 30,
	}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The stack with the product on it and a fleet that sends, until ^C",
		Long: `Run starts Kafka, ClickHouse and S3, ingest and the compactor on them, and a fleet
that sends until ^C. It prints the addresses and a query to begin with, and then a
line a second: records a second, lag, and how soon readings are visible.

Data and logs are kept in the state folder, and the next "run" goes on with them;
of the topic, the last 4 GiB.`,
		Example: `  local run
  local run --rate 20000 --clickhouse-port 9000 --http-port 8123`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeScenario(&cfg, "run"); err != nil {
				return err
			}
			return scenario.Run(cmd.Context(), cfg)
		},
	}
	scenarioFlags(cmd.Flags(), &cfg, "run")
	return cmd
}
