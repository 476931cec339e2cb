package ops

import (
	"context"
	"log/slog"
	"time"

	"penstock/pipeline"
)

// What one kind of line may take of the log: a few at once, so that the first
// minute of a fault is told in full, then one every few seconds.
const (
	sparseInterval = 5 * time.Second
	sparseBurst    = 10
)

// LogPipeline returns hooks that write what an ingest node does to the log:
// changes of its partitions at info, what fails at warn with its remedy, the
// daily round of batches at debug. Rejects and failures are many when there
// are any; of those it hides all but a few and says how many.
func LogPipeline(log *slog.Logger) pipeline.Events {
	return logPipeline(log, time.Now)
}

func logPipeline(log *slog.Logger, now func() time.Time) pipeline.Events {
	say := func(level slog.Level, what string, attrs ...slog.Attr) {
		log.LogAttrs(context.Background(), level, what, attrs...)
	}
	few := func() func(what string, attrs ...slog.Attr) {
		s := newSparse(sparseInterval, sparseBurst, now)
		return func(what string, attrs ...slog.Attr) {
			if hidden, ok := s.admit(); ok {
				say(slog.LevelWarn, what, hiding(hidden, attrs)...)
			}
		}
	}
	var (
		rejects      = newSparse(sparseInterval, sparseBurst, now)
		sayCheck     = few()
		sayPoll      = few()
		sayCommit    = few()
		sayInsert    = few()
		sayLetter    = few()
		saySettle    = few()
		sayForgotten = few()
	)
	return Tee(logDevices(log, now), pipeline.Events{
		Assigned: func(p []int32) { say(slog.LevelInfo, "partitions assigned", slog.Any("partitions", p)) },
		Settled: func(s pipeline.Settled) {
			say(slog.LevelInfo, "partition ready", slog.Int("partition", int(s.Partition)), slog.Int64("next", s.Next), slog.Int64("gap", s.Gap), slog.Int("intents", s.Intents), slog.Int("rows", s.Rows), slog.Int64("rewound", s.Rewound), slog.Duration("took", s.Took))
		},
		Revoked: func(p []int32) {
			say(slog.LevelInfo, "partitions given back", slog.Any("partitions", p))
		},
		Lost: func(p []int32) {
			say(slog.LevelWarn, "partitions lost: the group went on without this node, and what it held of them their next owner settles; if it happens often raise kafka.session_timeout",
				slog.Any("partitions", p))
		},
		Polled: func(p pipeline.Polled) {
			say(slog.LevelDebug, "polled", slog.Int("partition", int(p.Partition)), slog.Int("records", p.Records), slog.Int("bytes", p.Bytes), slog.Int64("high_watermark", p.HighWatermark))
		},
		PollFailed: func(err error) {
			sayPoll("Kafka does not give records; asking again. If it lasts check kafka.brokers and the brokers' own log", errorAttr(err))
		},
		Parked: func(p pipeline.Parked) {
			say(slog.LevelError, "a partition is parked, and nothing of it is stored until a person acts", slog.Int("partition", int(p.Partition)), errorAttr(p.Err))
		},
		Paused:  func(lane int) { say(slog.LevelDebug, "lane full, its partitions paused", slog.Int("lane", lane)) },
		Resumed: func(lane int) { say(slog.LevelDebug, "lane resumed", slog.Int("lane", lane)) },
		Sealed: func(s pipeline.Sealed) {
			say(slog.LevelDebug, "batch sealed", slog.String("batch", s.Batch), slog.Int("lane", s.Lane), slog.String("cause", string(s.Cause)), slog.Int("records", s.Records), slog.Int("rows", s.Rows),
				slog.Int("duplicates", s.Duplicates), slog.Int("rejects", s.Rejects), slog.Int("extra", s.Extra), slog.Int("bytes", s.Bytes), slog.Duration("age", s.Age), slog.Bool("behind", s.Behind))
			// The batch that follows the last reject tells of what was hidden.
			if n := rejects.settle(); n > 0 {
				say(slog.LevelWarn, "more records rejected", slog.Int("not_shown", n))
			}
		},
		Rejected: func(r pipeline.Rejected) {
			if hidden, ok := rejects.admit(); ok {
				say(slog.LevelWarn, "record rejected; it goes to the dead-letter topic", hiding(hidden, []slog.Attr{
					slog.Int("partition", int(r.Partition)), slog.Int64("offset", r.Offset),
					slog.String("reason", string(r.Rejection.Reason)), slog.String("detail", r.Rejection.Detail)})...)
			}
		},
		RejectRate: func(r pipeline.RejectRate) {
			attrs := []slog.Attr{slog.Float64("share", r.Share()), slog.Int("records", r.Records), slog.Int("rejects", r.Rejects), slog.Duration("window", r.Window)}
			if !r.High {
				say(slog.LevelInfo, "no more records are rejected than rejects.share allows", attrs...)
				return
			}
			say(slog.LevelError, "more records are rejected than rejects.share allows; look at them with \"ingest dlq ls\", mend the schema or what is sent, and replay them",
				append(attrs, slog.String("reason", string(r.Reason)), slog.Int("of_reason", r.Top), slog.Int("partition", int(r.Sample.Partition)),
					slog.Int64("offset", r.Sample.Offset), slog.String("detail", r.Sample.Rejection.Detail))...)
		},
		Inserted: func(i pipeline.Inserted) {
			say(slog.LevelDebug, "inserted", slog.String("batch", i.Batch), slog.Int("lane", i.Lane), slog.String("day", i.Day.String()), slog.Int("rows", i.Rows), slog.Int("bytes", i.Bytes), slog.Int("attempts", i.Attempts), slog.Bool("found", i.Found), slog.Duration("took", i.Took))
		},
		Taken: func(t pipeline.Taken) {
			say(slog.LevelDebug, "taken", slog.Int("lane", t.Lane), slog.Int("partition", int(t.Partition)), slog.Duration("waited", t.Waited))
		},
		Stored: func(s pipeline.Stored) {
			say(slog.LevelDebug, "batch stored", slog.String("batch", s.Batch), slog.Int("lane", s.Lane), slog.Int("rows", s.Rows), slog.Any("shares", s.Shares),
				slog.Duration("declare", s.Declared.Sub(s.Sealed)), slog.Duration("insert", s.Done.Sub(s.Declared)))
		},
		Retrying: func(r pipeline.Retrying) {
			attrs := []slog.Attr{errorAttr(r.Err), slog.Int("attempt", r.Attempt), slog.Duration("wait", r.Wait)}
			if r.Batch != "" {
				attrs = append(attrs, slog.String("batch", r.Batch))
			}
			switch work(r.What) {
			case checking:
				sayCheck("a service does not answer, and the node waits for it before it reads anything", attrs...)
			case committing:
				sayCommit("offsets not committed; trying again, and nothing more is inserted meanwhile. If it lasts check kafka.brokers", attrs...)
			case settling:
				saySettle("what an earlier owner left could not be settled; trying again, and the partition is not read meanwhile. If it lasts check clickhouse.addr and kafka.brokers", attrs...)
			case deadLettering:
				sayLetter("dead letters not written; trying again. If it lasts check kafka.brokers and that kafka.dead_letter_topic can be written to", attrs...)
			default:
				sayInsert("insert failed; trying the same batch again, nothing is lost. If it lasts check clickhouse.addr and that ClickHouse has memory, disk and not too many parts", attrs...)
			}
		},
		Breaker: func(open bool) {
			if open {
				say(slog.LevelWarn, "ClickHouse failed too often: inserts wait, and one is tried every breaker.cooldown; Kafka keeps the rest")
				return
			}
			say(slog.LevelInfo, "ClickHouse takes inserts again")
		},
		Committed: func(c pipeline.Committed) { say(slog.LevelDebug, "committed", slog.Any("next", c.Next)) },
		Doubted: func(err error) {
			say(slog.LevelWarn, "the node cannot know any longer what is its own; it leaves the group and joins it again, and what was in flight is settled", errorAttr(err))
		},
		DedupShrunk: func(lane int) {
			sayForgotten("a lane forgot half of its dedup window early, so a resend that comes late may be stored twice; raise dedup.blocks or lower dedup.window", slog.Int("lane", lane))
		},
	})
}

func hiding(hidden int, attrs []slog.Attr) []slog.Attr {
	if hidden > 0 {
		attrs = append(attrs, slog.Int("not_shown", hidden))
	}
	return attrs
}

func errorAttr(err error) slog.Attr { return slog.Any("error", err) }
