package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/pipeline"
)

func dlqReplayCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var letters letterFlags
	req := pipeline.ReplayRequest{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Store the records of dead letters that the schema has room for now",
		Long: `Hold the records of dead letters against the config and the schema file as they are now, and store those that
can be stored, once the cause is mended. Rows have the topic, the partition, the offset and the time of the record
that was rejected, as if a node had stored it then; nothing is sent to the topic again. So a replay may be repeated at any
time, and be killed at any point: ClickHouse is asked which records are stored, and only the others are.

An event that is stored from another record, because the device sent it again, is a duplicate and is left out. What
is rejected still stays the letter it is, and is counted by reason. A letter that was cut for want of room is read again
from the topic, while Kafka has it. Records above the group's committed offset are left to the nodes: replay again later.

Give it the config and the schema of the nodes. One replay of a group works at a time, as a member of the group that is
named after it with ".replay".`,
		Example: `  ingest dlq replay --config ingest.yaml --dry-run
  ingest dlq replay --config ingest.yaml --reason time --from 24h
  ingest dlq replay --config ingest.yaml --device press-17 --rate 500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, s, err := openLetters(*from)
			if err != nil {
				return err
			}
			if req.Filter, err = letters.filter(time.Now()); err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr())
			defer show.close()
			done, err := pipeline.Replay(cmd.Context(), cfg, s, req, pipeline.Events{Retrying: func(r pipeline.Retrying) {
				// There is nobody to tell that a line cannot be written.
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s failed and is tried again in %v: %v\n", r.What, r.Wait.Round(time.Millisecond), r.Err)
			}}, func(read pipeline.LettersRead, _ pipeline.Replayed) { show.show("dead letters", read.Done, read.Of) })
			if err != nil {
				return fmt.Errorf("replayed %d of %d letters, which may be repeated: %w", done.Stored, done.Letters, err)
			}
			if asJSON {
				return writeJSON(out, done)
			}
			return replayText(out, done, req.DryRun)
		},
	}
	letters.add(cmd.Flags())
	flags := cmd.Flags()
	flags.BoolVar(&req.DryRun, "dry-run", false, "store nothing, and say what would be")
	flags.Float64Var(&req.Rate, "rate", pipeline.DefaultReplayRate, "replay at most this many `letters` a second")
	flags.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func replayText(out io.Writer, r pipeline.Replayed, dry bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // Flush has the error
	stored := "stored"
	if dry {
		stored = "would be stored"
	}
	line("%d\tletters", r.Letters)
	line("%d\t%s", r.Stored, stored)
	line("%d\tstored already", r.Already)
	line("%d\tduplicates of events stored from another record", r.Duplicates)
	for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
		line("%d\trejected still: %s", r.Rejected[reason], reason)
	}
	if r.Gone > 0 {
		line("%d\tcut when they were dead-lettered, and Kafka no longer has the record", r.Gone)
	}
	if r.Open > 0 {
		line("%d\tabove the group's commit; replay again when the nodes are past them", r.Open)
	}
	if len(r.Samples) > 0 {
		line("")
		line("record\treason\tdetail")
		for _, l := range r.Samples {
			line("%d@%d\t%s\t%s", l.Partition, l.Offset, l.Reason, printable(l.Detail))
		}
	}
	return w.Flush()
}
