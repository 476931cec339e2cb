// Command iceberg-register makes a table of Apache Iceberg follow the cold tier.
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
		fmt.Fprintln(os.Stderr, "iceberg-register:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		os.Exit(1)
	}
}

func command(out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "iceberg-register",
		Short: "Keep a table of Apache Iceberg that has the files of the cold tier",
		Long: `Keep a table of Apache Iceberg that has exactly the Parquet files which the compactor's manifests list: the
same objects, none copied. Only manifests and the ends of files are read, and only the table's metadata is written.

Every setting is a key of the --config file and, with two underscores between the levels, a variable such
as PENSTOCK_ICEBERG_CATALOG__TOKEN. A --set overrides a variable, and a variable the file.`,
		Example: `  # iceberg.yaml: s3 and schema as in compactor.yaml, and
  #   catalog: {type: rest, uri: "https://catalog:8181", warehouse: fleet}
  #   catalog: {type: glue}
  #   catalog: {type: sql, uri: /var/lib/penstock/catalog.db}
  iceberg-register plan --config iceberg.yaml
  iceberg-register run  --config iceberg.yaml`,
		Version:       ops.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	from := settings.Sources{EnvPrefix: envPrefix}
	from.AddFlags(root.PersistentFlags())
	root.AddCommand(planCommand(&from, out), runCommand(&from, out))
	return root
}
