// Command compactor moves days that have gone cold from ClickHouse to Parquet
// on S3.
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
		fmt.Fprintln(os.Stderr, "compactor:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		os.Exit(status(err))
	}
}

// status is the exit status of a command that ended with an error: 2 if it found
// that the cold tier is not what the manifests say.
func status(err error) int {
	if faulty(err) {
		return 2
	}
	return 1
}

func command(out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "compactor",
		Short: "Move cold days from ClickHouse to Parquet on S3",
		Long: `Move days older than hot_days from ClickHouse to Parquet on S3, and never lose or double a row on the way.

Every setting is a key of the --config file and, with two underscores between the levels, a variable such
as PENSTOCK_COMPACTOR_S3__SECRET_KEY. A --set overrides a variable, and a variable the file.`,
		Version:       ops.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	from := settings.Sources{EnvPrefix: envPrefix}
	from.AddFlags(root.PersistentFlags())
	from.AddFlag(root.PersistentFlags(), "table", "table", "only the `table` of this name, of those in the config")
	root.AddCommand(planCommand(&from, out), calendarCommand(&from, out), runCommand(&from, out), verifyCommand(&from, out), filesCommand(&from, out),
		ddlCommand(&from, out), restoreCommand(&from, out), releaseCommand(&from, out), eraseCommand(&from, out), gcCommand(&from, out))
	return root
}
