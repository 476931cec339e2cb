package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
)

func restoreCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var of []string
	var stay time.Duration
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring cold days back into ClickHouse for a while",
		Long: `Bring cold days back into ClickHouse, each row once: their rows are inserted into the sealed table, compared with
the files, row by row count and a checksum per column, and then read from there instead of from S3. Queries through
the view see every row once all the time. The files stay.

When the time of --for is over, "compactor run" releases the days: the view reads the files again, and after the
grace period the rows are dropped from ClickHouse. "compactor release" does so before. A day that is restored already
stays for the new time. Late rows of a restored day stay hot, where the view shows them, until it is released.

It may be stopped or killed at any moment: the next run, or the same command, goes on where this one was.`,
		Example: `  compactor restore --config compactor.yaml --day 2026-08-01
  compactor restore --config compactor.yaml --day 2026-08-01..2026-08-07 --for 48h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stay <= 0 {
				return fmt.Errorf("--for is %v; want a positive duration such as 168h", stay)
			}
			return withDays(cmd.Context(), *from, out, of, func(c *tiering.Compactor, days []schema.Day) ([]tiering.Step, error) {
				return c.Restore(cmd.Context(), days, time.Now().Add(stay))
			})
		},
	}
	daysFlag(cmd, &of)
	cmd.Flags().DurationVar(&stay, "for", 7*24*time.Hour, "`time` from now that the days stay")
	return cmd
}

func releaseCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var of []string
	cmd := &cobra.Command{
		Use:   "release",
		Short: "End the stay of days that were restored",
		Long: `Have the view read the files of restored days again, once these are verified, and drop their rows from ClickHouse
after the grace period, in which queries that began before end. The drop is left to "compactor run" if there is a grace
period. A day whose restoring was interrupted is released too.`,
		Example: `  compactor release --config compactor.yaml --day 2026-08-01`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDays(cmd.Context(), *from, out, of, func(c *tiering.Compactor, days []schema.Day) ([]tiering.Step, error) {
				return c.Release(cmd.Context(), days)
			})
		},
	}
	daysFlag(cmd, &of)
	return cmd
}

func daysFlag(cmd *cobra.Command, of *[]string) {
	cmd.Flags().StringSliceVar(of, "day", nil, "`day`, as 2026-08-01, or days, as 2026-08-01..2026-08-07; may be repeated")
	if err := cmd.MarkFlagRequired("day"); err != nil {
		panic("BUG: " + err.Error())
	}
}

// withDays calls do with the days that the command line names, shows its work,
// and says what is left to do for each.
func withDays(ctx context.Context, from settings.Sources, out io.Writer, of []string, do func(*tiering.Compactor, []schema.Day) ([]tiering.Step, error)) error {
	days, err := parseDays(of)
	if err != nil {
		return err
	}
	cfg, err := load(from)
	if err != nil {
		return err
	}
	p := newProgress(out)
	defer p.close()
	return cfg.with(ctx, p.events(), func(c *tiering.Compactor) error {
		left, err := do(c, days)
		if errors.Is(err, tiering.ErrHeld) {
			return fmt.Errorf("%w; try again when its pass is over", err)
		}
		if err != nil {
			return err
		}
		for _, s := range left {
			p.say("%s is %s: %s", s.Day, s.State, nextOf(time.Now(), s))
		}
		return nil
	})
}

// parseDays reads days and ranges of days, and returns each day once, oldest
// first.
func parseDays(of []string) ([]schema.Day, error) {
	var days []schema.Day
	for _, text := range of {
		first, last, isRange := strings.Cut(text, "..")
		from, err := schema.ParseDay(first)
		to := from
		if err == nil && isRange {
			to, err = schema.ParseDay(last)
		}
		if err != nil {
			return nil, fmt.Errorf("--day: %w", err)
		}
		if to < from {
			return nil, fmt.Errorf("--day %s ends before it begins", text)
		}
		for ; from <= to; from++ {
			days = append(days, from)
		}
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}
