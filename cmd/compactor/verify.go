package main

import (
	"context"
	"encoding/json"
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

func verifyCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var only string
	var sample, turn uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read the Parquet files back and compare them with their manifest",
		Long: `Read every published file, or those of one day, back from S3 with a Parquet library other than the one that
wrote it, and compare size, SHA-256, rows and a content checksum per column with the manifest; and the row
count with the sealed rows where they still exist. Files of every version of the schema are read by the newest.
Every fault is reported with its file. Nothing is changed.

With --sample 30 one file in 30 is read, and of the others only looked at whether the object is there, its size and the
checksum that S3 keeps. Which ones is their --turn, which is the day by default: run daily, every file is read
once in 30 days.

The exit status is 2 if a fault was found, and 1 if something kept it from looking.`,
		Example: `  compactor verify --config compactor.yaml
  compactor verify --config compactor.yaml --day 2026-10-01
  compactor verify --config compactor.yaml --sample 30 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample < 1 {
				return errors.New("--sample is 0; want 1 for every file, 30 for one in 30")
			}
			if !cmd.Flags().Changed("turn") {
				turn = uint64(schema.DayOf(time.Now().UnixMilli()))
			}
			scope := &tiering.Scope{OneIn: sample, Turn: turn}
			if only != "" {
				d, err := schema.ParseDay(only)
				if err != nil {
					return fmt.Errorf("--day: %w", err)
				}
				scope.Day = &d
			}
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			v := verification{scope: scope, json: asJSON, out: out, progress: newProgress(cmd.ErrOrStderr())}
			defer v.progress.close()
			return cfg.with(cmd.Context(), v.events(), func(c *tiering.Compactor) error { return v.run(cmd.Context(), c) })
		},
	}
	cmd.Flags().StringVar(&only, "day", "", "only this `day`, as 2026-10-01")
	cmd.Flags().Uint64Var(&sample, "sample", 1, "read one file in `so many`")
	cmd.Flags().Uint64Var(&turn, "turn", 0, "which of them, as a `number` (default the days since 1970)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the result as JSON")
	return cmd
}

// verification is one run of verify.
type verification struct {
	scope    *tiering.Scope
	json     bool
	out      io.Writer
	progress *progress

	result verified
}

// verified is what a run of verify found, as JSON.
type verified struct {
	Days  int            `json:"days"`
	Files tiering.Extent `json:"all"`
	// Chosen is what the sample is, and Read what of it had the bytes that the
	// manifest says.
	Chosen  tiering.Extent   `json:"chosen"`
	Read    tiering.Extent   `json:"read"`
	OneIn   uint64           `json:"one_in"`
	Turn    uint64           `json:"turn"`
	Seconds float64          `json:"seconds"`
	Faults  []*tiering.Fault `json:"faults"` // [] if there are none
	// Error is what kept it from looking at all there is.
	Error string `json:"error,omitempty"`
}

func (v *verification) events() tiering.Events {
	return tiering.Events{FileRead: func(_ schema.Day, f tiering.File) {
		v.result.Read.Add(f)
		v.progress.whole("verify", v.result.Read.Rows, v.result.Chosen.Rows, v.result.Read.Bytes)
	}}
}

func (v *verification) run(ctx context.Context, c *tiering.Compactor) (err error) {
	r := &v.result
	r.OneIn, r.Turn = v.scope.OneIn, v.scope.Turn
	if r.Files, r.Chosen, err = c.Extent(ctx, v.scope); err != nil {
		return err
	}
	begun := time.Now()
	manifests, err := c.Verify(ctx, v.scope)
	r.Days, r.Seconds = len(manifests), time.Since(begun).Seconds()
	var rest error
	if r.Faults, rest = tiering.Faults(err); rest != nil {
		r.Error = rest.Error()
	}
	if v.json {
		if r.Faults == nil {
			r.Faults = []*tiering.Fault{}
		}
		e := json.NewEncoder(v.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return errors.Join(e.Encode(r), err)
	}
	return errors.Join(showVerified(v.out, manifests), r.show(v.out), err)
}

// show says how much was read, and what of it was well.
func (r *verified) show(out io.Writer) error {
	text := fmt.Sprintf("read %d of %d files, %s, %d rows", r.Read.Files, r.Files.Files, size(uint64(r.Read.Bytes)), r.Read.Rows)
	if r.Seconds >= 1 {
		text += fmt.Sprintf(" in %.0f s, %.0f rows/s", r.Seconds, float64(r.Read.Rows)/r.Seconds)
	}
	if r.OneIn > 1 {
		text += fmt.Sprintf("; looked at the others; turn %d of %d", r.Turn%r.OneIn+1, r.OneIn)
	}
	if len(r.Faults) == 0 && r.Error == "" {
		text += "; no fault"
	} else {
		text += fmt.Sprintf("; %d faults", len(r.Faults))
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

func showVerified(out io.Writer, manifests []*tiering.Manifest) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "day\tversion\tgenerations\tfiles\tbytes\trows\tduplicates\t\n")
	for _, m := range manifests {
		var files int
		var bytes int64
		var duplicates uint64
		for _, g := range m.Generations {
			files += len(g.Files)
			duplicates += g.Duplicates
			for _, f := range g.Files {
				bytes += f.Bytes
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", m.Day, m.Version, len(m.Generations), files, bytes, m.Rows(), duplicates)
	}
	return table.Flush()
}
