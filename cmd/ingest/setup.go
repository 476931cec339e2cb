package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/schema"
)

// reachTimeout bounds migrate and check: whoever waits longer for a server to
// answer wants to be told that it does not.
const reachTimeout = 30 * time.Second

// setup is what migrate and check have in common: a function that reports each
// step it has taken.
type setup func(ctx context.Context, cfg pipeline.Config, s *schema.Schema, report func(string)) error

func (do setup) command(cmd *cobra.Command, from *settings.Sources, out io.Writer) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, all, err := loadStreams(*from)
		if err != nil {
			return err
		}
		schemas, err := open(all)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), reachTimeout, fmt.Errorf("not done within %v", reachTimeout))
		defer cancel()
		var errs []error
		for i, one := range all {
			errs = append(errs, one.named(do(ctx, one.Pipeline, schemas[i], func(step string) { fmt.Fprintln(out, "ok  ", step) })))
		}
		return errors.Join(errs...)
	}
	return cmd
}

func migrateCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return setup(pipeline.Migrate).command(&cobra.Command{
		Use:   "migrate",
		Short: "Create the tables and the dead-letter topic where they do not exist",
		Long: `Create the database, its tables and views, and the dead-letter topic where they do not exist, and check
them as "ingest check" does. Fields of a newer version of the schema file get their columns on every shard and
replica. Nothing else that exists is changed, so it may be run as often as one likes.`,
		Example: `  ingest migrate --config ingest.yaml`,
	}, from, out)
}

func checkCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return setup(pipeline.Check).command(&cobra.Command{
		Use:   "check",
		Short: "Check the config and reach everything it names",
		Long: `Check the config, reach Kafka and ClickHouse, and hold topics and tables against what the node needs.
Every fault is reported, with the value and the remedy.`,
		Example: `  ingest check --config ingest.yaml`,
	}, from, out)
}
