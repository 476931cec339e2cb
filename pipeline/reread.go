package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// errRecordGone is a record that Kafka no longer has.
var errRecordGone = errors.New("the record is gone; raise the topic's retention")

// rereadTimeout bounds one reading of records that Kafka is known to have.
const rereadTimeout = 30 * time.Second

// reread fetches the first record of the partition at or after the offset. Rows
// do not keep their records, because ClickHouse hardly ever refuses one: the few
// that it does are worth a fetch.
func reread(ctx context.Context, cfg Kafka, partition int32, offset int64) (record *kgo.Record, err error) {
	err = rereadFrom(ctx, cfg, partition, offset, func(r *kgo.Record) (more bool) {
		record = r
		return false
	})
	return record, err
}

// rereadSpan gives the records [first, next) of the partition to visit, in
// order, each once. Offsets between that never were records, or are none any
// more because the topic is compacted, are no error.
func rereadSpan(ctx context.Context, cfg Kafka, partition int32, first, next int64, visit func(*kgo.Record)) error {
	return rereadFrom(ctx, cfg, partition, first, func(r *kgo.Record) (more bool) {
		if r.Offset < next && !r.Attrs.IsControl() {
			visit(r)
		}
		return r.Offset < next-1
	})
}

// rereadFrom gives records to visit until it wants no more. It is an error if
// Kafka no longer has the first of them.
func rereadFrom(ctx context.Context, cfg Kafka, partition int32, first int64, visit func(*kgo.Record) (more bool)) error {
	wrap := func(err error) error {
		return fmt.Errorf("read %s p%d from %d again: %w", cfg.Topic, partition, first, err)
	}
	client, err := kgo.NewClient(cfg.Options("penstock-ingest",
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset out of range is a record that is gone
		kgo.KeepControlRecords(),                    // or a marker at the end of a span would be waited for
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{cfg.Topic: {partition: kgo.NewOffset().At(first)}}))...)
	if err != nil {
		return wrap(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, rereadTimeout, fmt.Errorf("no answer within %v", rereadTimeout))
	defer cancel()
	for {
		fetches := client.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			return wrap(context.Cause(ctx))
		}
		for _, e := range fetches.Errors() {
			f, err := fateOfPoll(e, cfg)
			switch {
			case errors.Is(e.Err, kerr.OffsetOutOfRange):
				return fmt.Errorf("%w: %w", errRecordGone, err)
			case f == park:
				return err
			}
			return wrap(e.Err)
		}
		for r := range fetches.RecordsAll() {
			if !visit(r) {
				return nil
			}
		}
	}
}
