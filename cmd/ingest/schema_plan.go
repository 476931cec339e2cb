package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/pipeline/evolve"
	"penstock/schema"
)

// applyTimeout bounds an apply: a replica that is away is waited for no longer.
const applyTimeout = 5 * time.Minute

func planCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var since time.Duration
	var write string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Propose columns for what devices send that the schema does not know",
		Long: `Look at what the rows of the last --since hold in extra, and propose a column for every field that has one
type: its name, type and evidence, the change of the schema file, and the statements that add it. What is left
in extra is listed with its reason. Nothing is changed; --write writes the proposed schema file, to be edited and
then applied by "ingest migrate", or as it is by "ingest schema apply".`,
		Example: `  ingest schema plan --config ingest.yaml
  ingest schema plan --config ingest.yaml --since 24h --write telemetry.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withVersions(cmd.Context(), *from, func(ctx context.Context, one streamConfig, r *evolve.Registry) error {
				base, p, err := r.Plan(ctx, since, one.Pipeline.Evolution.By, schema.Limits{Columns: one.Pipeline.Evolution.MaxColumns})
				if err != nil {
					return err
				}
				if _, err := io.WriteString(out, planText(base, p, one.Pipeline.ClickHouse.Tables())); err != nil || write == "" || p.Next == nil {
					return err
				}
				return os.WriteFile(write, []byte(p.Next.Text()), 0o644) //nolint:gosec // a schema file is no secret
			})
		},
	}
	cmd.Flags().DurationVar(&since, "since", time.Hour, "look at rows that came within this `time`")
	cmd.Flags().StringVar(&write, "write", "", "write the proposed schema file to this `path`")
	return cmd
}

func applyCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var since time.Duration
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Add the columns that plan proposes, on every shard and replica",
		Long: `Propose columns as "ingest schema plan" does, write the new version of the schema down beside the tables, add
its columns on every shard and replica, and wait until all have them. Running nodes go on with it within a
second or so, and values that are in extra already are read by the column's name at once.
It may be killed at any point and repeated, which finishes it. Of several that apply at once one wins, and the
others say so.`,
		Example: `  ingest schema apply --config ingest.yaml
  ingest schema apply --config ingest.yaml --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withVersions(cmd.Context(), *from, func(ctx context.Context, one streamConfig, r *evolve.Registry) error {
				c := one.Pipeline.Evolution
				if c.Policy == evolve.Frozen && !dry {
					return errors.New("evolution.policy is frozen; set it to propose to add columns")
				}
				base, p, err := r.Plan(ctx, since, c.By, schema.Limits{Columns: c.MaxColumns})
				if err != nil {
					return err
				}
				if _, err := io.WriteString(out, planText(base, p, one.Pipeline.ClickHouse.Tables())); err != nil || dry {
					return err
				}
				report := func(step string) { fmt.Fprintln(out, "ok  ", step) }
				if p.Next == nil {
					return r.Begin(ctx, report) // finishes what another began
				}
				return r.Apply(ctx, p.Next, report)
			})
		},
	}
	cmd.Flags().DurationVar(&since, "since", time.Hour, "look at rows that came within this `time`")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func showCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the schema file of the version that is in use",
		Long: `Print the schema file of the newest version that is ready on every shard and replica, as it is written down
beside the tables.`,
		Example: `  ingest schema show --config ingest.yaml > telemetry.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withVersions(cmd.Context(), *from, func(ctx context.Context, _ streamConfig, r *evolve.Registry) error {
				s, err := r.Newest(ctx, schema.Ready)
				if err != nil {
					return err
				}
				if s == nil {
					return errors.New("no version is written down; \"ingest migrate\" writes the schema file's")
				}
				_, err = io.WriteString(out, s.Text())
				return err
			})
		},
	}
}

// withVersions calls do with the versions of the one stream that the settings
// name.
func withVersions(ctx context.Context, from settings.Sources, do func(context.Context, streamConfig, *evolve.Registry) error) (err error) {
	cfg, err := load(from)
	if err != nil {
		return err
	}
	all, err := cfg.streams()
	if err != nil {
		return err
	}
	one, err := single(all)
	if err != nil {
		return err
	}
	file, err := schema.Open(one.Schema)
	if err != nil {
		return err
	}
	r, err := one.Pipeline.ClickHouse.Schemas(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, applyTimeout, fmt.Errorf("not done within %v", applyTimeout))
	defer cancel()
	return do(ctx, one, r)
}

// planText is a plan as a person reads it.
func planText(base *schema.Schema, p schema.Proposal, t schema.Tables) string {
	var b strings.Builder
	evidence := func(f schema.Finding) {
		fmt.Fprintf(&b, ", %d rows (", f.Rows)
		for i, kind := range slices.Sorted(maps.Keys(f.Kinds)) {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s %d", kind, f.Kinds[kind])
		}
		b.WriteString(")")
		if f.Min != 0 || f.Max != 0 {
			fmt.Fprintf(&b, " of %v to %v", f.Min, f.Max)
		}
		if len(f.By) > 0 {
			fmt.Fprintf(&b, ", from %s", printable(strings.Join(f.By, " ")))
		}
	}
	if p.Next == nil {
		fmt.Fprintf(&b, "schema %s, version %d: nothing to add\n", base.Name, base.Version)
	} else {
		fmt.Fprintf(&b, "schema %s, version %d to %d\n", base.Name, base.Version, p.Next.Version)
	}
	for _, f := range p.Added {
		fmt.Fprintf(&b, "  add   %s %s", f.Name, f.Column.Type)
		evidence(f)
		if f.Why != "" {
			b.WriteString("; " + f.Why)
		}
		b.WriteString("\n")
	}
	for _, f := range p.Left {
		fmt.Fprintf(&b, "  leave %q", f.Name)
		evidence(f)
		fmt.Fprintf(&b, ": %s\n", f.Why)
	}
	if p.Next == nil {
		return b.String()
	}
	b.WriteString("\nschema file\n")
	old, now := strings.Split(base.Text(), "\n"), strings.Split(p.Next.Text(), "\n")
	for _, side := range []struct {
		sign      string
		these, of []string
	}{{"-", old, now}, {"+", now, old}} {
		for _, line := range side.these {
			if !slices.Contains(side.of, line) {
				fmt.Fprintf(&b, "  %s %s\n", side.sign, line)
			}
		}
	}
	b.WriteString("\nSQL\n")
	for _, statement := range p.Next.AddColumns(t, base.Version) {
		fmt.Fprintf(&b, "  %s;\n", statement)
	}
	return b.String()
}
