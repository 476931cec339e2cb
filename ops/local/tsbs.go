package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/local/fetch"
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
			given := cfg.Stack.State != ""
			if cfg.Ingest == "" {
				root, ok := fetch.Repository()
				if !ok {
					return errors.New("outside of the repository there is no default for the program; give it with --ingest")
				}
				cfg.Ingest = filepath.Join(root, "bin", "ingest")
			}
			cfg.Progress = cmd.ErrOrStderr()
			if err := complete(&cfg.Stack, filepath.Join("tsbs", time.Now().Format("20060102-150405")), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := empty(cfg.Stack.State); err != nil {
				return err
			}
			result, err := tsbs.Run(cmd.Context(), cfg)
			if result.Kafka == "" { // nothing was proven
				return err
			}
			line, errJSON := json.Marshal(result)
			err = errors.Join(err, errJSON)
			if err == nil && !given {
				err = os.RemoveAll(cfg.Stack.State)
			} else {
				fmt.Fprintf(cmd.ErrOrStderr(), "data and logs are in %s\n", cfg.Stack.State)
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(line))
			return err
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
