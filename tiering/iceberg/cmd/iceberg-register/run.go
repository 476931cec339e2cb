package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/tiering/iceberg"
)

func runCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var once bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Make the table have what the manifests list",
		Long: `Make the table have exactly the files that the manifests list, and the table itself if there is none: files of
new days and late generations are added, those that a merge or an erasure replaced are replaced in one snapshot,
those of retired days removed. Then, without --once, do so again every minute until stopped, with a log on
standard error.

It may be stopped or killed at any moment, and several may run: a snapshot is made only on the one it was planned
on, so nothing is added twice. Run again it does nothing until a manifest changes.`,
		Example: `  iceberg-register run --config iceberg.yaml
  iceberg-register run --config iceberg.yaml --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every <= 0 {
				return fmt.Errorf("--every is %v; want a positive duration such as 1m, or --once", every)
			}
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			if once {
				return pass(cmd.Context(), cfg, out)
			}
			log := cfg.Log.New(os.Stderr)
			return cfg.with(cmd.Context(), logged(log), func(r *iceberg.Registrar) error {
				loop(cmd.Context(), r, log, every)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after one pass; the exit status says whether it went well")
	cmd.Flags().DurationVar(&every, "every", time.Minute, "`time` between the beginnings of two passes")
	cmd.MarkFlagsMutuallyExclusive("once", "every")
	return cmd
}

// pass makes one pass, told of to whoever started it.
func pass(ctx context.Context, cfg config, out io.Writer) error {
	say := func(c iceberg.Commit, how string) {
		fmt.Fprintf(out, "%s: %d files more, %d less, of %s\n", how, len(c.Add), len(c.Remove), days(c))
	}
	events := iceberg.Events{
		Committed: func(c iceberg.Commit) { say(c, "committed") },
		Settled:   func(c iceberg.Commit, err error) { say(c, fmt.Sprintf("committed, though the answer was %v", err)) },
	}
	return cfg.with(ctx, events, func(r *iceberg.Registrar) error {
		snapshots, err := r.Pass(ctx)
		if err == nil {
			fmt.Fprintf(out, "the table has what the manifests list; %d snapshots were made\n", snapshots)
		}
		return err
	})
}

// passer is a registrar as the loop needs it.
type passer interface {
	Pass(context.Context) (int, error)
}

// loop makes passes until ctx ends. One that fails is reported and tried again
// at its next turn.
func loop(ctx context.Context, r passer, log *slog.Logger, every time.Duration) {
	turn := time.NewTicker(every)
	defer turn.Stop()
	for {
		if _, err := r.Pass(ctx); err != nil && ctx.Err() == nil {
			log.Error("pass failed", "next_in", every, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
	}
}

func logged(log *slog.Logger) iceberg.Events {
	return iceberg.Events{
		Committed: func(c iceberg.Commit) {
			log.Info("snapshot made", "days", days(c), "added", len(c.Add), "rows", c.Rows(), "removed", len(c.Remove))
		},
		Settled: func(c iceberg.Commit, err error) {
			log.Warn("snapshot made, its answer was lost", "days", days(c), "error", err)
		},
		Moved: func(err error) { log.Info("planned anew", "why", err) },
	}
}

// days says which a commit is about.
func days(c iceberg.Commit) string {
	if len(c.Versions) == 1 {
		return c.Versions[0].String()
	}
	return fmt.Sprintf("%d days, %v to %v", len(c.Versions), c.Versions[0].Day, c.Versions[len(c.Versions)-1].Day)
}

func planCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "List the snapshots a run would make",
		Long: `Compare the files that the manifests list with those of the table, and list the snapshots a run would make now:
the days each is about, with the versions of their manifests. Nothing is changed.`,
		Example: `  iceberg-register plan --config iceberg.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			return cfg.with(cmd.Context(), iceberg.Events{}, func(r *iceberg.Registrar) error {
				commits, err := r.Plan(cmd.Context())
				if err != nil {
					return err
				}
				return showPlan(out, commits)
			})
		},
	}
}

func showPlan(out io.Writer, commits []iceberg.Commit) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "days\tfiles more\trows\tfiles less\t\n")
	for _, c := range commits {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t\n", days(c), len(c.Add), c.Rows(), len(c.Remove))
	}
	return table.Flush()
}
