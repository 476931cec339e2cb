// Command ingest moves telemetry from Kafka to ClickHouse.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/settings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	if err := command(os.Stdout).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		os.Exit(exitStatus(err))
	}
}

func command(out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "ingest",
		Short:         "Move telemetry from Kafka to ClickHouse",
		Version:       ops.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	from := settings.Sources{EnvPrefix: envPrefix}
	from.AddFlags(root.PersistentFlags())
	from.AddFlag(root.PersistentFlags(), "stream", "stream", "only the `stream` of this name, of those in the config")
	root.AddCommand(runCommand(&from), migrateCommand(&from, out), checkCommand(&from, out), auditCommand(&from, out), dlqCommand(&from, out), schemaCommand(&from, out),
		scaleCommand(&from, out), watchCommand(&from), drainCommand(&from, out), topCommand(&from, out))
	return root
}

func runCommand(from *settings.Sources) *cobra.Command {
	var recovery string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Ingest until stopped",
		Long: `Join the consumer group and ingest until stopped.

SIGTERM or an interrupt stops it in order: what is decoded is stored and committed within stop_timeout.
A second one kills: nothing is lost or stored twice by it, but whoever is given the partitions first settles
what was on its way.

With --recovery fresh-first a partition that is behind by kafka.fresh_after is read at its head at once, and
the backlog beside it: what devices send now is visible in seconds. The group's offset stays below the
backlog until that is stored. A node that reads in order goes on with what another has begun so.

With streams in the config a node reads several topics, each into tables of its own. They divide lanes, memory
and dedup.blocks by their share. --stream runs one of them alone, with all of it.

A service that does not answer when it starts is waited for; any other fault ends it, as "ingest check" says. One
of a stream ends the others too, in order, and the error names it.

Every setting is a key of the --config file and, with two underscores between the levels, a variable such
as PENSTOCK_INGEST_CLICKHOUSE__PASSWORD. A --set overrides a variable, and a variable the file.`,
		Example: `  ingest run --config ingest.yaml
  ingest run --set kafka.brokers=localhost:9092 --set kafka.topic=telemetry --set clickhouse.addr=localhost:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if recovery != "" {
				from.Set = append(from.Set, "kafka.recovery="+recovery)
			}
			cfg, all, err := loadStreams(*from)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, all, os.Stderr)
		},
	}
	cmd.Flags().StringVar(&recovery, "recovery", "", "in-order or fresh-first; the same as --set kafka.recovery=...")
	return cmd
}
