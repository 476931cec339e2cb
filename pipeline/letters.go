package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// LetterFilter says which dead letters are wanted: those that all of it admits.
// The zero value admits all of the topic.
type LetterFilter struct {
	Reasons []schema.Reason // any of them; all if empty
	// From and To are the ends of the time, [From, To), in which the record came;
	// zero for none.
	From, To  time.Time
	Partition *int32 // of the record; nil for any
	Offset    *int64 // of the record; nil for any
	// Device sent it, as far as the value can be read, and else its key is this.
	// Empty for any.
	Device string
}

// Faults reports what cannot be looked for.
func (f LetterFilter) Faults() error {
	var errs []error
	for _, r := range f.Reasons {
		if !slices.Contains(schema.Reasons(), r) {
			errs = append(errs, fmt.Errorf("there is no reason %q; want one of %v", r, schema.Reasons()))
		}
	}
	if !f.To.IsZero() && !f.From.Before(f.To) {
		errs = append(errs, fmt.Errorf("nothing came from %s to %s; give an earlier begin", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339)))
	}
	if f.Offset != nil && f.Partition == nil {
		errs = append(errs, fmt.Errorf("offset %d is one of every partition; give the partition too", *f.Offset))
	}
	return errors.Join(errs...)
}

// admits reports whether the letter is wanted.
func (f LetterFilter) admits(l Letter, s *schema.Schema, e schema.Encoding) bool {
	r := l.Record
	came := time.UnixMilli(l.arrival())
	return (len(f.Reasons) == 0 || slices.Contains(f.Reasons, l.Reason)) &&
		(f.From.IsZero() || !came.Before(f.From)) && (f.To.IsZero() || came.Before(f.To)) &&
		(f.Partition == nil || r.Partition == *f.Partition) && (f.Offset == nil || r.Offset == *f.Offset) &&
		(f.Device == "" || f.Device == l.Device(s, e) || f.Device == string(r.Key))
}

// LettersRead is what a reading of the dead-letter topic came across.
type LettersRead struct {
	Done, Of int64 // offsets of the dead-letter topic
	// Again are letters of records that had one already: a node that was killed
	// between a letter and its commit writes another.
	Again int64
	// Foreign are records that no node wrote, or that are of another topic.
	Foreign int64
}

// letterIdle is how long Kafka may deliver nothing of what it should have.
const letterIdle = 15 * time.Second

// ReadLetters visits the dead letters of the topic that the filter admits, of each
// record the first, up to the end that the dead-letter topic has now. Those of
// one of its partitions come in their order. It remembers the coordinates of what
// it visited, some 50 bytes each. Told, which may be nil, hears how far it is. An
// error of visit ends it.
func ReadLetters(ctx context.Context, cfg Kafka, s *schema.Schema, f LetterFilter, visit func(Letter) error, told func(LettersRead)) (LettersRead, error) {
	if err := f.Faults(); err != nil {
		return LettersRead{}, err
	}
	r := letterReader{cfg: cfg, schema: s, filter: f, visit: visit, told: told, next: map[int32]int64{}, seen: map[schema.Origin]bool{}}
	if r.told == nil {
		r.told = func(LettersRead) {}
	}
	err := r.read(ctx)
	if err != nil {
		err = fmt.Errorf("dead-letter topic %s at %v: %w", cfg.DeadLetters(), cfg.Brokers, err)
	}
	return r.count, err
}

// letterReader is one reading of the dead-letter topic.
type letterReader struct {
	cfg    Kafka
	schema *schema.Schema
	filter LetterFilter
	visit  func(Letter) error
	told   func(LettersRead)

	next, end map[int32]int64        // by partition of the dead-letter topic; next of those that are not done
	seen      map[schema.Origin]bool // records visited
	count     LettersRead
}

func (r *letterReader) read(ctx context.Context) error {
	topic := r.cfg.DeadLetters()
	client, err := kgo.NewClient(r.cfg.Options("penstock-dlq",
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset out of range is a letter that is gone
		kgo.KeepControlRecords(),                    // they have offsets too, and one may be the last
		kgo.FetchMaxBytes(8<<20), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := r.limits(ctx, kadm.NewClient(client)); err != nil {
		return err
	}
	offsets := map[int32]kgo.Offset{}
	for p, at := range r.next {
		offsets[p] = kgo.NewOffset().At(at)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
	for len(r.next) > 0 {
		polling, cancel := context.WithTimeout(ctx, letterIdle)
		fetches := client.PollFetches(polling)
		cancel()
		for record := range fetches.RecordsAll() {
			if err := r.take(record); err != nil {
				return err
			}
		}
		r.told(r.count)
		err := fetches.Err()
		switch {
		case len(r.next) == 0 || err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, kerr.OffsetOutOfRange):
			return fmt.Errorf("letters were deleted while they were read; read again: %w", err)
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("Kafka delivered nothing within %v", letterIdle)
		default:
			return err
		}
	}
	return nil
}

// limits finds out from where to where the letters are read.
func (r *letterReader) limits(ctx context.Context, admin *kadm.Client) error {
	// A letter is written after its record came, by another clock.
	starts, err := admin.ListOffsetsAfterMilli(ctx, max(0, r.filter.From.Add(-clockSkew).UnixMilli()), r.cfg.DeadLetters())
	if err == nil {
		err = starts.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("%w; correct kafka.dead_letter_topic, or create it with `ingest migrate`", err)
	}
	if err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, r.cfg.DeadLetters())
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	r.end = map[int32]int64{}
	for p, o := range ends[r.cfg.DeadLetters()] {
		if from := starts[r.cfg.DeadLetters()][p].Offset; from < o.Offset {
			r.next[p], r.end[p] = from, o.Offset
			r.count.Of += o.Offset - from
		}
	}
	return nil
}

// take takes one record of the dead-letter topic.
func (r *letterReader) take(record *kgo.Record) error {
	next, wanted := r.next[record.Partition]
	if !wanted {
		return nil // it came after the end
	}
	r.count.Done += min(record.Offset+1, r.end[record.Partition]) - next
	if r.next[record.Partition] = record.Offset + 1; record.Offset+1 >= r.end[record.Partition] {
		delete(r.next, record.Partition)
	}
	if record.Offset >= r.end[record.Partition] || record.Attrs.IsControl() {
		return nil
	}
	letter, err := ParseLetter(record)
	if err != nil || letter.Record.Topic != r.cfg.Topic {
		r.count.Foreign++
		return nil //nolint:nilerr // counted: the topic may be shared
	}
	if !r.filter.admits(letter, r.schema, r.cfg.Encoding) {
		return nil
	}
	at := letter.origin()
	if r.seen[at] {
		r.count.Again++
		return nil
	}
	r.seen[at] = true
	return r.visit(letter)
}
