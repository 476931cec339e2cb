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
	cmd := setup(pipeline.Migrate).command(&cobra.Command{
		Use:   "migrate",
		Short: "Create the tables and the dead-letter topic where they do not exist",
		Long: `Create the database, its tables and views, and the dead-letter topic where they do not exist, and check
them as "ingest check" does. Fields of a newer version of the schema file get their columns on every shard and
replica. Nothing else that exists is changed, so it may be run as often as one likes.

A rollup that the schema file has since is created, and what was stored before is counted into it, beside nodes
that run: first it waits until they have stored what was in Kafka by then. It may be killed and repeated. Days of
which rows are in the cold tier only are not counted.`,
		Example: `  ingest migrate --config ingest.yaml`,
	}, from, out)
	create := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := create(cmd, args); err != nil {
			return err
		}
		return backfill(cmd, *from)
	}
	return cmd
}

// backfill counts into rollups what was stored before them, for as long as it
// takes.
func backfill(cmd *cobra.Command, from settings.Sources) error {
	_, all, err := loadStreams(from)
	if err != nil {
		return err
	}
	schemas, err := open(all)
	if err != nil {
		return err
	}
	show := newProgress(cmd.ErrOrStderr())
	defer show.close()
	for i, one := range all {
		if err := pipeline.Backfill(cmd.Context(), one.Pipeline, schemas[i], show.show); err != nil {
			return one.named(err)
		}
	}
	return nil
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
