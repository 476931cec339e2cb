package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/tiering"
)

func eraseCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var devices []string
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Erase every stored row of devices: hot, sealed and cold",
		Long: `Erase every row of devices that is stored now. In ClickHouse rows are deleted by mutations, which are waited for,
and so are those of rollups that have a row a device. Of the Parquet files those are written anew that hold any: files
whose statistics or bloom filter rule the devices out are not read. When the command returns no query shows a row of
them, and it reports what was erased and when the last copies are gone.

What is not in its power: events that come later, also from Kafka, which keeps them for its retention; dead letters;
rollups by another field than the device, whose sums the readings are in (for days that are hot, "ingest audit
--repair-rollups" counts them anew); a day that is restored, which is to be released first. "ingest audit" of a range
with erased rows finds them missing. Replaced files and old manifests, which may name a device as the first or last of
a file, are there until "compactor gc --delete" has run a week later or as --older-than says.

It may be stopped or killed at any moment; run it again, and it goes on. It needs ALTER DELETE on the hot and the sealed
table and on the rollups' tables, and holds the compactor's lease.`,
		Example: `  compactor erase --config compactor.yaml --device sensor-17 --dry-run
  compactor erase --config compactor.yaml --device sensor-17 --device sensor-18 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, d := range devices {
				if d == "" {
					return errors.New("--device is empty; name a device")
				}
			}
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			said := io.Discard // beside the one JSON document
			if !asJSON {
				said = out
			}
			p := newProgress(said)
			defer p.close()
			return cfg.with(cmd.Context(), p.events(), func(c *tiering.Compactor) error {
				var e tiering.Erasure
				var err error
				if dry {
					e, err = c.PlanErase(cmd.Context(), devices)
				} else {
					e, err = c.Erase(cmd.Context(), devices, p.untilRewritten())
				}
				switch {
				case err != nil:
					return err
				case asJSON:
					return json.NewEncoder(out).Encode(e)
				}
				return showErasure(p.out, e)
			})
		},
	}
	cmd.Flags().StringArrayVar(&devices, "device", nil, "`device` to erase; may be repeated")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show where rows are or may be; change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "report as one JSON document")
	if err := cmd.MarkFlagRequired("device"); err != nil {
		panic("BUG: " + err.Error())
	}
	return cmd
}

// askEvery is how often ClickHouse is asked how far its mutations are. Larger: a
// command that ends later than it could. Smaller: more queries.
const askEvery = time.Second

// untilRewritten waits for mutations, and says now and then how far they are.
func (p *progress) untilRewritten() func(context.Context, uint64) error {
	said := time.Now()
	return func(ctx context.Context, parts uint64) error {
		if time.Since(said) >= lineEvery {
			p.say("  ClickHouse has %d parts to rewrite", parts)
			said = time.Now()
		}
		select {
		case <-time.After(askEvery):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func showErasure(out io.Writer, e tiering.Erasure) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "day\thot rows\tsealed rows\tcold rows\tfiles\tmatching\trewritten\t\n")
	var sum tiering.ErasedDay
	var unread uint64 // sealed rows that wait for the drop
	var dropped time.Time
	for _, d := range e.Days {
		cold := fmt.Sprint(d.Cold)
		if e.DryRun && d.Matching > 0 {
			cold = "?"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%d\t%d\t%d\t\n", d.Day, d.Hot, d.Sealed, cold, d.Files, d.Matching, d.Rewritten)
		sum.Hot, sum.Cold = sum.Hot+d.Hot, sum.Cold+d.Cold
		sum.Matching, sum.Rewritten = sum.Matching+d.Matching, sum.Rewritten+d.Rewritten
		if d.DroppedAt == nil {
			sum.Sealed += d.Sealed
			continue
		}
		unread += d.Sealed
		if d.DroppedAt.After(dropped) {
			dropped = *d.DroppedAt
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	if e.DryRun {
		fmt.Fprintf(&b, "nothing was changed; to be erased: %d hot and %d sealed rows, and those in %d files that may have any\n", sum.Hot, sum.Sealed+unread, sum.Matching)
	} else {
		fmt.Fprintf(&b, "erased: %d hot, %d sealed and %d cold rows; %d files rewritten of %d that matched\n", sum.Hot, sum.Sealed, sum.Cold, sum.Rewritten, sum.Matching)
		if unread > 0 {
			fmt.Fprintf(&b, "%d sealed rows of days that are in files too are read by no query any more; \"compactor run\" drops them after %s\n", unread, dropped.Format(time.RFC3339))
		}
		fmt.Fprintf(&b, "no query shows a row; replaced objects are gone with the first \"compactor gc --delete\" after %s\n", e.GoneBy.Format(time.RFC3339))
	}
	if len(e.Rollups) > 0 {
		fmt.Fprintf(&b, "not by device, and so kept: %s\n", strings.Join(e.Rollups, ", "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
