package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/tiering"
	"penstock/tiering/store"
)

func gcCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var remove bool
	var after time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Show, and with --delete delete, objects that the cold tier is not made of any more",
		Long: `Show the objects in the table's folder that no current manifest lists: what a crash left behind (orphan), files
that were merged, erased or retired (replaced), and manifest versions that are not the highest (old manifest);
and uploads in parts that a crash cut short (upload), which are paid for and are no object.
With --delete those are deleted that have not been part of the cold tier for longer than --older-than, by the time
they were stored and by that of the manifest version which replaced them. What a step left that is to be repeated
(unfinished), what the compactor did not name (foreign), the lease and everything a current manifest lists stay. If the
view was not what the manifests say, it is put right, and what is replaced stays until gc is run again.

To be rid of what was erased or retired, run it regularly, such as daily. The history of a day is its old
manifests, and goes with them. It needs the rights to delete objects (s3:DeleteObject) and to list uploads
(s3:ListBucketMultipartUploads), which no other command needs: give it credentials of its own. In a bucket that
keeps versions, deleted objects are versions still, until the bucket's lifecycle expires them.`,
		Example: `  compactor gc --config compactor.yaml
  compactor gc --config compactor.yaml --delete --older-than 168h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			objects, err := store.OpenS3(cmd.Context(), cfg.S3)
			if err != nil {
				return err
			}
			return cfg.with(cmd.Context(), tiering.Events{}, func(c *tiering.Compactor) error {
				garbage, err := c.GC(cmd.Context(), objects, after, remove)
				if err != nil && len(garbage) == 0 {
					return err
				}
				return errors.Join(showGarbage(out, garbage, after, remove), err)
			})
		},
	}
	cmd.Flags().BoolVar(&remove, "delete", false, "delete what is due; without it nothing is changed")
	cmd.Flags().DurationVar(&after, "older-than", tiering.GCAfter, "`time` for which objects are kept after they were replaced or left behind")
	return cmd
}

// showGarbage says what gc found and did, also of one that ended with an error.
func showGarbage(out io.Writer, all []tiering.Garbage, after time.Duration, remove bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "why\tsince\tbytes\twhat becomes of it\tobject\n")
	var due, deleted, kept int
	var dueBytes, deletedBytes, keptBytes int64
	for _, g := range all {
		fate := "stays"
		switch {
		case g.Deleted:
			fate, deleted, deletedBytes = "deleted", deleted+1, deletedBytes+g.Bytes
		case g.Due:
			fate, due, dueBytes = "due", due+1, dueBytes+g.Bytes
			if remove { // the view was stale, or an error came first
				fate = "due, not deleted"
			}
		case !g.Reason.Stays():
			fate, kept, keptBytes = "due at "+g.Since.Add(after).UTC().Format("2006-01-02 15:04"), kept+1, keptBytes+g.Bytes
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", g.Reason, g.Since.UTC().Format("2006-01-02 15:04"), g.Bytes, fate, g.Key)
	}
	if len(all) > 0 {
		if err := table.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "deleted %d objects (%d bytes), due %d (%d bytes), kept for now %d (%d bytes)\n",
		deleted, deletedBytes, due, dueBytes, kept, keptBytes)
	if err == nil && !remove && due > 0 {
		_, err = fmt.Fprintln(out, "nothing was changed; --delete deletes what is due")
	}
	return err
}
