package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/schema"
)

func dlqLsCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var letters letterFlags
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Count dead letters by reason and partition, and list some",
		Long: `Count the dead letters of the topic by reason and by the partition of the record, with the first and the last
time such a record came. A record counts once, also if a node that was killed dead-lettered it twice.

--limit lists the first of them too, by partition and offset.`,
		Example: `  ingest dlq ls --config ingest.yaml
  ingest dlq ls --config ingest.yaml --from 24h --reason type,time --limit 20
  ingest dlq ls --config ingest.yaml --device press-17 --json --limit 1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, s, err := openLetters(*from)
			if err != nil {
				return err
			}
			filter, err := letters.filter(time.Now())
			if err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr())
			defer show.close()
			l, err := listLetters(cmd.Context(), cfg, s, filter, limit, show)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(out, l)
			}
			return l.text(out)
		},
	}
	letters.add(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 0, "list this many `letters` beside the counts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// letterGroup is the letters of one reason and partition.
type letterGroup struct {
	Reason    schema.Reason `json:"reason"`
	Partition int32         `json:"partition"`
	Records   int64         `json:"records"`
	First     time.Time     `json:"first"` // when the record came
	Last      time.Time     `json:"last"`
}

// listedLetter is one letter of a list.
type listedLetter struct {
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"`
	Time      time.Time     `json:"time"` // when the record came
	Reason    schema.Reason `json:"reason"`
	Device    string        `json:"device"`
	Bytes     int           `json:"bytes"` // of the value
	Detail    string        `json:"detail"`
}

// letterList is what ls tells.
type letterList struct {
	Topic   string `json:"topic"`
	Records int64  `json:"records"`
	// Again are letters beyond one a record, Foreign the records of the
	// dead-letter topic that are none of this topic's.
	Again   int64          `json:"again"`
	Foreign int64          `json:"foreign"`
	Groups  []letterGroup  `json:"groups"`
	Letters []listedLetter `json:"letters"`
}

func listLetters(ctx context.Context, cfg pipeline.Config, s *schema.Schema, f pipeline.LetterFilter, limit int, show *progress) (*letterList, error) {
	type key struct {
		reason    schema.Reason
		partition int32
	}
	groups := map[key]letterGroup{}
	list := &letterList{Topic: cfg.Kafka.Topic, Groups: []letterGroup{}, Letters: []listedLetter{}}
	read, err := pipeline.ReadLetters(ctx, cfg.Kafka, s, f, func(l pipeline.Letter) error {
		r, at := l.Record, l.Record.Timestamp.UTC()
		list.Records++
		k := key{l.Reason, r.Partition}
		g, known := groups[k]
		if !known {
			g = letterGroup{Reason: k.reason, Partition: k.partition, First: at, Last: at}
		}
		g.Records++
		if at.Before(g.First) {
			g.First = at
		}
		if at.After(g.Last) {
			g.Last = at
		}
		groups[k] = g
		list.Letters = append(list.Letters, listedLetter{Partition: r.Partition, Offset: r.Offset, Time: at, Reason: l.Reason,
			Device: l.Device(s, cfg.Kafka.Encoding), Bytes: len(r.Value), Detail: l.Detail})
		if len(list.Letters) > 2*limit+listSlack {
			list.first(limit)
		}
		return nil
	}, func(now pipeline.LettersRead) { show.show("dead letters", now.Done, now.Of) })
	list.first(limit)
	list.Again, list.Foreign = read.Again, read.Foreign
	list.Groups = slices.AppendSeq(list.Groups, maps.Values(groups))
	slices.SortFunc(list.Groups, func(a, b letterGroup) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Partition, b.Partition))
	})
	return list, err
}

// listSlack is how many letters beyond those wanted are kept before they are sorted.
const listSlack = 1000

// first keeps the first letters, in order.
func (l *letterList) first(limit int) {
	slices.SortFunc(l.Letters, func(a, b listedLetter) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	l.Letters = l.Letters[:min(max(0, limit), len(l.Letters))]
}

// when is a time as the tables have it.
func when(at time.Time) string { return at.Format("2006-01-02T15:04:05.000Z") }

func (l *letterList) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // Flush has the error
	line("reason\tpartition\trecords\tfirst\tlast")
	for _, g := range l.Groups {
		line("%s\t%d\t%d\t%s\t%s", g.Reason, g.Partition, g.Records, when(g.First), when(g.Last))
	}
	line("")
	line("%d records of %s are dead letters", l.Records, l.Topic)
	if l.Again > 0 {
		line("letters beyond one a record, as a node that is killed leaves them: %d", l.Again)
	}
	if l.Foreign > 0 {
		line("records of the dead-letter topic that are not of %s: %d", l.Topic, l.Foreign)
	}
	if len(l.Letters) > 0 {
		line("")
		line("record\ttime\treason\tdevice\tbytes\tdetail")
		for _, one := range l.Letters {
			line("%d@%d\t%s\t%s\t%s\t%d\t%s", one.Partition, one.Offset, when(one.Time), one.Reason, printable(one.Device), one.Bytes, printable(one.Detail))
		}
	}
	return w.Flush()
}

// cellMost is how much of a text a cell of a table shows.
const cellMost = 160

// printable is a text that a device chose, such that it does nothing to a terminal
// nor to a table.
func printable(text string) string {
	if len(text) > cellMost {
		text = text[:cellMost] + "..."
	}
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
