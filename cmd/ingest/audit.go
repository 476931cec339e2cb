package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/spf13/cobra"

	"penstock/ops/audit"
	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// Exit statuses of an audit. Whoever runs it from a timer has to tell that
// something is wrong from that nothing could be said.
const (
	exitViolated  = 1
	exitUndecided = 2
)

// verdict is the error of an audit whose outcome is not that all is proven, or
// that came to none.
type verdict struct {
	err    error
	status int
}

func (v verdict) Error() string { return v.err.Error() }
func (v verdict) Unwrap() error { return v.err }

// exitStatus is the program's, for the error it ends with.
func exitStatus(err error) int {
	var v verdict
	if errors.As(err, &v) {
		return v.status
	}
	return 1
}

// auditFlags are the flags of the command.
type auditFlags struct {
	from, to string
	days     []string
	repair   bool
	json     bool
}

func auditCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove that every record of a time is stored exactly once, or name those that are not",
		Long: `Account for every offset that came to the topic from --from to --to: it is stored, or a duplicate (a device's
resend of an event that is stored), or a reject (in the dead-letter topic), or without a record in Kafka; or else
it is missing. Offsets stored more than once, and events stored at more than one offset within dedup.window, are
doubled and repeated. The audit ends at the offset the group has committed: above it nothing is promised yet.

--from and --to are times such as 2026-11-22T13:00:00Z, days such as 2026-11-22 (UTC; as --to the whole day), or
durations before now such as 90m. They are held against the timestamps that Kafka has of the records.

What is stored is asked of ClickHouse and costs little. The records of offsets that are neither stored nor
dead-lettered are read again from Kafka: where devices resend all the time, that is as good as all of them. Where
Kafka no longer has such a record, its offset is unproven.

Each day that the records are events of, or each --day, has its rollups compared with its rows.
--repair-rollups computes days that differ anew, from the rows. A day that rows come to meanwhile is left as it
is. It may be killed and repeated.

Each stream has a report of its own, as JSON an object of its own.

Exit status: 0 if all is proven; 1 if anything is missing, doubled or repeated, or a rollup differs; 2 if nothing
was found wrong but something could not be shown, or the audit itself failed, such as for want of an answer.`,
		Example: `  ingest audit --config ingest.yaml
  ingest audit --config ingest.yaml --from 24h --to 1h
  ingest audit --config ingest.yaml --from 2026-11-22 --to 2026-11-22 --json
  ingest audit --config ingest.yaml --repair-rollups --day 2026-11-22`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.auditAll(cmd.Context(), *from, out, cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "1h", "the `time` to begin at")
	flags.StringVar(&f.to, "to", "0s", "the `time` to end at; the default is now")
	flags.StringArrayVar(&f.days, "day", nil, "compare the rollups of this `day` instead of those of the records; may be repeated")
	flags.BoolVar(&f.repair, "repair-rollups", false, "compute the days of rollups that differ anew")
	flags.BoolVar(&f.json, "json", false, "write each report as JSON")
	return cmd
}

// judged is nil if all is proven.
func judged(r *audit.Report) error {
	switch r.Verdict() {
	case audit.Violated:
		return verdict{errors.New("the audit found violations"), exitViolated}
	case audit.Undecided:
		return verdict{errors.New("not everything could be shown"), exitUndecided}
	}
	return nil
}

// request checks the flags, before anything is asked.
func (f auditFlags) request(cfg pipeline.Config, s *schema.Schema, now time.Time) (audit.Request, []schema.Day, error) {
	from, errFrom := audit.ParseWhen(f.from, false, now)
	if errFrom != nil {
		errFrom = fmt.Errorf("--from: %w", errFrom)
	}
	to, errTo := audit.ParseWhen(f.to, true, now)
	if errTo != nil {
		errTo = fmt.Errorf("--to: %w", errTo)
	}
	faults := []error{errFrom, errTo}
	var days []schema.Day
	for _, text := range f.days {
		day, err := schema.ParseDay(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--day: %w", err))
		}
		days = append(days, day)
	}
	request := audit.Request{From: from, To: to, Window: cfg.Dedup.Window, View: s.All(cfg.ClickHouse.Tables())}
	return request, days, errors.Join(faults...)
}

// auditAll audits one stream after the other and writes a report of each. What
// it comes to is the gravest of what they come to: one that is violated, then
// one that says nothing.
func (f auditFlags) auditAll(ctx context.Context, from settings.Sources, out, stderr io.Writer) error {
	_, all, err := loadStreams(from)
	if err != nil {
		return verdict{err, exitUndecided}
	}
	schemas, err := open(all)
	if err != nil {
		return verdict{err, exitUndecided}
	}
	var errs []error
	status := exitUndecided
	for i, one := range all {
		report, err := f.audit(ctx, one, schemas[i], stderr)
		if err == nil {
			write := report.Text
			if f.json {
				write = report.JSON
			}
			if err = write(out); err == nil {
				err = judged(report)
			}
		}
		var v verdict
		if errors.As(err, &v) && v.status == exitViolated {
			status = exitViolated
		}
		errs = append(errs, one.named(err))
	}
	if err := errors.Join(errs...); err != nil {
		return verdict{err, status}
	}
	return nil
}

// audit audits a stream.
func (f auditFlags) audit(ctx context.Context, cfg streamConfig, s *schema.Schema, stderr io.Writer) (_ *audit.Report, failed error) {
	request, days, err := f.request(cfg.Pipeline, s, time.Now())
	if err != nil {
		return nil, err
	}
	if request.Decoders, err = pipeline.OpenDecoders(cfg.Pipeline, s, pipeline.Events{}); err != nil {
		return nil, err
	}
	ch, tables := cfg.Pipeline.ClickHouse, cfg.Pipeline.ClickHouse.Tables()
	readers, err := ch.Receipts(s)
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, readers.Close()) }()
	show := newProgress(stderr)
	defer show.close()
	report, err := audit.Run(ctx, cfg.Pipeline.Kafka, readers, s, request, show.audit)
	if err != nil {
		return nil, err
	}
	for i, shard := range ch.AllShards() {
		these := days
		if these == nil {
			if these, err = readers[i].Days(ctx, spans(report)); err != nil {
				return nil, err
			}
		}
		found, err := f.rollups(ctx, ch.Options(shard, ch.Database), s, tables, these, show)
		if err != nil {
			return nil, err
		}
		for _, day := range found {
			if len(readers) > 1 {
				day.Shard = shard.Name
			}
			report.Rollups = append(report.Rollups, day)
		}
	}
	return report, nil
}

func spans(r *audit.Report) (all []receipts.Span) {
	for _, p := range r.Partitions {
		if p.Count() > 0 {
			all = append(all, receipts.Span{Partition: p.Partition, First: p.First, Next: p.Next})
		}
	}
	return all
}

// rollups compares days of a shard, or repairs them.
func (f auditFlags) rollups(ctx context.Context, at *clickhouse.Options, s *schema.Schema, t schema.Tables, days []schema.Day, show *progress) (all []audit.Day, failed error) {
	rollups, err := audit.OpenRollups(at, s, t)
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, rollups.Close()) }()
	do := rollups.Compare
	if f.repair {
		do = rollups.Repair
	}
	tables := s.RollupTables(t)
	for _, day := range days {
		for _, of := range tables {
			show.show("days of rollups", int64(len(all)), int64(len(days)*len(tables)))
			outcome, err := do(ctx, of, day)
			if err != nil {
				return nil, err
			}
			all = append(all, outcome)
		}
	}
	return all, nil
}
