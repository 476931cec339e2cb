package main

import (
	"cmp"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/ddl"
)

func ddlCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var engine, name, firstDay, lastDay string
	cmd := &cobra.Command{
		Use:   "ddl --engine ENGINE",
		Short: "Write the statements by which another engine reads the Parquet files",
		Long: `Write the statements that make a view of the cold tier in DuckDB, Athena, Trino, or a ClickHouse that is not
the one the days come from. It reads exactly the files the manifests list: what no manifest lists, such as what a
crash left behind, does not exist. Run them again when the compactor has published others, before gc deletes
files they name.

Each view has a column _day, the day in a file's path: with WHERE _day = DATE '2026-10-01' beside what is asked of
the time of the event, only files of that day are opened.

A column that came with a later version of the schema is NULL in older files, or empty, 0 or false if it cannot be
NULL; ClickHouse alone has what extra has of it. Athena and Trino have no unsigned types: 8 and 16 bits are an integer, 32 a bigint, 64 a decimal(20, 0).
They read a folder and not files, so there they are two: a table of the folder, and the view that keeps the listed
files' rows. Credentials stand in none of them.`,
		Example: `  compactor ddl --config compactor.yaml --engine duckdb | duckdb cold.db
  compactor ddl --config compactor.yaml --engine athena --from 2026-10-01 --to 2026-10-31
  compactor ddl --config compactor.yaml --engine trino --table-name fleet.telemetry`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			first, err := dayOr(firstDay, "--from", math.MinInt32)
			if err != nil {
				return err
			}
			last, err := dayOr(lastDay, "--to", math.MaxInt32)
			if err != nil {
				return err
			}
			if last < first {
				return fmt.Errorf("--from %s is after --to %s", firstDay, lastDay)
			}
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			return cfg.with(cmd.Context(), tiering.Events{}, func(c *tiering.Compactor) error {
				listed, err := c.Listed(cmd.Context(), first, last)
				if err != nil {
					return err
				}
				statements, err := ddl.Statements(ddl.Engine(engine), ddl.Table{
					Name: cmp.Or(name, listed.Schema.Name), Bucket: cfg.S3, Listed: listed})
				if err != nil {
					return err
				}
				_, err = io.WriteString(out, statements)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&engine, "engine", "", fmt.Sprintf("one of %v", ddl.Engines()))
	cmd.Flags().StringVar(&name, "table-name", "", "`name` of the view, with a schema or database before a dot or without (default: the schema's name)")
	cmd.Flags().StringVar(&firstDay, "from", "", "first `day`, as 2026-10-01 (default: the oldest)")
	cmd.Flags().StringVar(&lastDay, "to", "", "last `day` (default: the newest)")
	if err := cmd.MarkFlagRequired("engine"); err != nil {
		panic("BUG: " + err.Error())
	}
	return cmd
}

// dayOr parses the day that a flag names, if it names one.
func dayOr(text, flag string, otherwise schema.Day) (schema.Day, error) {
	if text == "" {
		return otherwise, nil
	}
	day, err := schema.ParseDay(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", flag, err)
	}
	return day, nil
}
