package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"penstock/ops/local/bench"
)

func benchCommand() *cobra.Command {
	cfg := bench.Config{Runs: 3, Events: 3_000_000, Devices: 10_000}
	var cases []string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how many events a node stores for a second of CPU time",
		Long: `Bench starts a stack of its own, fills a topic an encoding with events, and has the
program ingest store each of them, several times a case: as it is in production,
with everything of exactly-once on, into an empty database, as a new consumer
group. It counts what is stored; a run with wrong counts has no rate, and the
bench exits with 1.

CPU time is that of the process from its start until the last offset is
committed, user and system. "With engine" adds that of ClickHouse in the same
time. A case is {json|protobuf}-{null|clickhouse}-{none|lz4|zstd}: the encoding
of the events, what they are stored in, and clickhouse.compression.

It prints a table of medians with the least and the most, and as the last line of
standard output one JSON object. Settings of the node can be tried by its
variables, such as PENSTOCK_INGEST_BATCH__ROWS=50000.

The state folder is removed in the end if all was well and none was given.`,
		Example: `  local bench
  local bench --events 1000000 --runs 1 --case json-clickhouse-none`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Cases, err = bench.ParseCases(cases); err != nil {
				return fmt.Errorf("--case: %w", err)
			}
			return runBench(cmd, cfg)
		},
	}
	f := cmd.Flags()
	stackFlags(f, &cfg.Stack, "bench/<time>")
	f.StringVar(&cfg.Bin, "bin", "", "folder with the programs ingest and loadtest (default: bin in the repository)")
	f.StringSliceVar(&cases, "case", nil, "the cases to run, separated by commas (default: those of docs/performance.md)")
	f.IntVar(&cfg.Runs, "runs", cfg.Runs, "runs of each case")
	f.IntVar(&cfg.Events, "events", cfg.Events, "events in each topic")
	f.StringVar(&cfg.Profiles, "profile", "", "folder for a CPU profile of the node in each case, of one run more")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet they are of")
	return cmd
}

func runBench(cmd *cobra.Command, cfg bench.Config) error {
	cfg.Progress = cmd.ErrOrStderr()
	var err error
	if cfg.Bin, err = programs(cfg.Bin); err != nil {
		return err
	}
	given, err := begin(cmd, &cfg.Stack, "bench")
	if err != nil {
		return err
	}
	result, err := bench.Run(cmd.Context(), cfg)
	if len(result.Cases) == 0 { // nothing was begun
		return err
	}
	return conclude(cmd, result, cfg.Stack.State, given, errors.Join(err, result.WriteTable(cmd.OutOrStdout())))
}
