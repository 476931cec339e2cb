package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/settings"
	"penstock/ops/tracing"
	"penstock/tiering"
)

func runCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var once bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Move every day that is due",
		Long: `Move every day that is due, oldest first, as far as it can go now: seal, export, verify, publish, cut over and,
when the grace period is over, drop. Then, without --once, do so again every 10 minutes until stopped, with a
log on standard error and metrics and readiness at admin.addr, localhost:9465 by default.

With tables in the config all of them are moved, each at its own turn. days_at_once, max_read_mbps and max_memory
bound what they take together. A day waits while ClickHouse is behind with its merges (clickhouse.busy_parts).

It may be stopped or killed at any moment: the next run goes on where this one was. Only one compactor works
at a time; a second one says who holds the lease, and waits for its next turn or, with --once, fails.
A day that is not what its manifest says stays as it is, and is named with the file: the exit status is then 2.`,
		Example: `  compactor run --config compactor.yaml
  compactor run --config compactor.yaml --once --set grace=0s
  compactor run --config compactor.yaml --set days_at_once=2 --max-read-mbps 100 --max-memory 2147483648`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if every <= 0 {
				return fmt.Errorf("--every is %v; want a positive duration such as 10m, or --once", every)
			}
			cfg, all, err := loadTables(*from)
			if err != nil {
				return err
			}
			log := cfg.Log.New(os.Stderr)
			traces, err := tracing.Open(cmd.Context(), cfg.Traces, "penstock-compactor", log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, traces.Close()) }()
			if !once {
				return daemon(cmd.Context(), cfg, all, every, log, traces)
			}
			ops.LimitMemory(cfg.Budget.MaxMemory)
			var errs []error
			for _, t := range all {
				errs = append(errs, t.named(pass(cmd.Context(), t, traces, len(all) > 1, out)))
			}
			return errors.Join(errs...)
		},
	}
	from.AddFlag(cmd.Flags(), "max-memory", "max_memory", "`bytes` that the program keeps within")
	from.AddFlag(cmd.Flags(), "max-read-mbps", "max_read_mbps", "`MB` a second that are read of ClickHouse at most")
	cmd.Flags().BoolVar(&once, "once", false, "end after one pass; the exit status says whether it went well")
	cmd.Flags().DurationVar(&every, "every", 10*time.Minute, "`time` between the beginnings of two passes")
	cmd.MarkFlagsMutuallyExclusive("once", "every")
	return cmd
}

// pass makes one pass of a table, shown to whoever started it, under its name if
// there are others.
func pass(ctx context.Context, t tableConfig, traces *tracing.Tracer, others bool, out io.Writer) error {
	p := newProgress(out)
	defer p.close()
	if others {
		p.say("table %s", t.name)
	}
	return t.with(ctx, ops.TeeTiering(p.events(), traces.TieringEvents(t.name)), func(c *tiering.Compactor) error {
		left, err := c.Pass(ctx)
		if err == nil {
			p.say("%s", summary(time.Now(), left))
		}
		return err
	})
}

// summary says what a pass leaves to do.
func summary(now time.Time, left []tiering.Step) string {
	if len(left) == 0 {
		return "nothing left to do"
	}
	next, hot, open, restored := left[0], 0, 0, 0
	for _, s := range left {
		if s.Due.Before(next.Due) {
			next = s
		}
		switch {
		case s.Action == tiering.Seal:
			hot++
		case s.State == tiering.Restored:
			restored++
		default:
			open++
		}
	}
	stays := ""
	if restored > 0 {
		stays = fmt.Sprintf(", %d restored", restored)
	}
	when := "in the next pass"
	if !next.Ready(now) {
		when = "at " + next.Due.UTC().Format("2006-01-02 15:04")
	}
	return fmt.Sprintf("%d days hot, %d on their way%s; next: %v, %s", hot, open, stays, next, when)
}
