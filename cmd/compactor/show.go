package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
)

func planCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show each day, where its rows are, and what run would do next",
		Long: `Show each day that has rows anywhere: its age, its state, its rows in the hot table, in the sealed table and
in Parquet, and the step that "compactor run" would take next. Nothing is changed.

A day goes from hot to sealed (moved aside), published (Parquet is written, verified and listed), cut over
(the view reads Parquet) and, after the grace period, cold. A cold day that is restored goes from loading to restored
(the view reads ClickHouse) to released and is cold again.`,
		Example: `  compactor plan --config compactor.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, all, err := loadTables(*from)
			if err != nil {
				return err
			}
			var errs []error
			for _, t := range all {
				if len(all) > 1 {
					fmt.Fprintf(out, "table %s\n", t.name)
				}
				errs = append(errs, t.named(t.with(cmd.Context(), tiering.Events{}, func(c *tiering.Compactor) error {
					steps, err := c.Plan(cmd.Context())
					if err != nil {
						return err
					}
					return showPlan(out, time.Now(), steps)
				})))
			}
			return errors.Join(errs...)
		},
	}
}

func showPlan(out io.Writer, now time.Time, steps []tiering.Step) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "day\tage\tstate\thot rows\tsealed rows\tcold rows\tnext\t\n")
	today := schema.DayOf(now.UnixMilli())
	for _, s := range steps {
		fmt.Fprintf(table, "%s\t%d d\t%s\t%d\t%d\t%d\t%s\t\n", s.Day, today-s.Day, s.State, s.HotRows, s.SealedRows, s.ColdRows, nextOf(now, s))
	}
	return table.Flush()
}

// nextOf says what the next step of a day is, and when.
func nextOf(now time.Time, s tiering.Step) string {
	next := string(s.Action)
	switch {
	case s.Action == tiering.Nothing:
		return "-"
	case !s.Ready(now):
		next += " at " + s.Due.UTC().Format("2006-01-02 15:04")
	default:
		next += " now"
	}
	if s.State == tiering.Restored && s.HotRows > 0 {
		next += "; late rows stay hot until then"
	}
	return next
}

func filesCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "files",
		Short: "List the Parquet files that make up the cold tier",
		Long: `List the files the manifests name, one URL a line, oldest day first. A reader of the cold tier reads exactly
these: what no manifest lists, such as what a crash left behind, does not exist.`,
		Example: `  compactor files --config compactor.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			return cfg.with(cmd.Context(), tiering.Events{}, func(c *tiering.Compactor) error {
				files, err := c.Files(cmd.Context())
				if err != nil {
					return err
				}
				for _, f := range files {
					if _, err := fmt.Fprintf(out, "s3://%s/%s/%s\n", cfg.S3.Bucket, cfg.S3.Prefix, f); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
