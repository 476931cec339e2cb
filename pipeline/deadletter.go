package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/failpoint"
	"penstock/schema"
)

// Headers of a record in the dead-letter topic. Its key, value and its own
// headers are those of the record that was rejected.
const (
	HeaderReason    = "penstock-reason"    // a schema.Reason
	HeaderError     = "penstock-error"     // what is wrong, for a person
	HeaderTopic     = "penstock-topic"     // where the record stands
	HeaderPartition = "penstock-partition" // decimal
	HeaderOffset    = "penstock-offset"    // decimal
	HeaderIndex     = "penstock-index"     // decimal; which of its record's events the value is, empty if it is the whole record
	HeaderTimestamp = "penstock-timestamp" // the record's, RFC 3339 with milliseconds
	HeaderSchema    = "penstock-schema"    // name and version of the schema it was held against
	// HeaderTruncated is the size of the original, key and headers included, on
	// a record that the broker found too large for the dead-letter topic.
	HeaderTruncated = "penstock-truncated-from"
)

// deadLetters produces rejects.
type deadLetters struct {
	client *kgo.Client
	topic  string
	schema func() *schema.Schema // the newest
	again  persistence
	// turn has room for one lane, and all lanes share it. The client puts what
	// is produced at once into one batch: one that the broker finds too large
	// must be wholly the lane's that is going to halve it.
	turn chan struct{}
}

// send produces the rejects of a batch and returns when all are acknowledged.
func (d deadLetters) send(ctx context.Context, rejects []reject) error {
	if len(rejects) == 0 {
		return nil
	}
	failpoint.At("letters.before")
	defer failpoint.At("letters.after")
	records := make([]*kgo.Record, len(rejects))
	for i, r := range rejects {
		records[i] = d.letter(r)
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
		return d.produce(ctx, records)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// slowLetters is how long letters may go unacknowledged before the node tells.
// While their broker is away the Kafka client tries by itself, for as long as it
// takes and without a word.
const slowLetters = 5 * time.Second

var errSlowLetters = fmt.Errorf("not acknowledged within %v; the client tries on", slowLetters)

// produce persists until the records are acknowledged. The broker's bound is on
// a batch of records, and it does not say which of them are too many: they are
// halved, and only one that is too large by itself is cut.
func (d deadLetters) produce(ctx context.Context, records []*kgo.Record) error {
	_, err := d.again.do(ctx, func(ctx context.Context) error {
		slow := time.AfterFunc(slowLetters, func() {
			d.again.events.Retrying(Retrying{What: d.again.what, Err: errSlowLetters, Attempt: 1})
		})
		defer slow.Stop()
		var failed []*kgo.Record
		results := d.client.ProduceSync(ctx, records...)
		for _, res := range results {
			if res.Err != nil {
				failed = append(failed, res.Record)
			}
		}
		records = failed
		return results.FirstErr()
	})
	if err == nil {
		return nil
	}
	if f, _ := d.again.verdict(err); f != refuse || ctx.Err() != nil {
		return fmt.Errorf("dead-letter %d records: %w", len(records), err)
	}
	if half := len(records) / 2; half > 0 {
		if err := d.produce(ctx, records[:half]); err != nil {
			return err
		}
		return d.produce(ctx, records[half:])
	}
	if !truncate(records[0]) {
		return fmt.Errorf("dead-letter a record: %w; raise max.message.bytes of %s", err, d.topic)
	}
	return d.produce(ctx, records)
}

// truncated is what is kept of a value, and of a key, the dead-letter topic has
// no room for: enough to tell who sent it. The whole record stays at its
// coordinates.
const truncated = 64 << 10

// ownHeaders is how many headers a letter has of the node. They come first, so
// that a record which brings headers of these names does not hide them.
const ownHeaders = 8

// truncate cuts a letter, and reports whether there was something to cut. The
// record's own headers go whole, since half a header tells nothing.
func truncate(letter *kgo.Record) bool {
	size := len(letter.Key) + len(letter.Value)
	headers := 0
	for _, h := range letter.Headers[ownHeaders:] {
		headers += len(h.Key) + len(h.Value)
	}
	if max(len(letter.Key), len(letter.Value), headers) <= truncated {
		return false
	}
	letter.Key = letter.Key[:min(truncated, len(letter.Key))]
	letter.Value = letter.Value[:min(truncated, len(letter.Value))]
	letter.Headers = append(letter.Headers[:ownHeaders:ownHeaders], header(HeaderTruncated, strconv.Itoa(size+headers)))
	return true
}

func (d deadLetters) letter(r reject) *kgo.Record {
	s := d.schema()
	index := ""
	if r.index != wholeRecord {
		index = strconv.Itoa(r.index)
	}
	return &kgo.Record{
		Topic: d.topic,
		Key:   r.record.Key,
		Value: r.record.Value,
		Headers: append([]kgo.RecordHeader{
			header(HeaderReason, string(r.why.Reason)),
			header(HeaderError, r.why.Detail),
			header(HeaderTopic, r.record.Topic),
			header(HeaderPartition, strconv.Itoa(int(r.record.Partition))),
			header(HeaderOffset, strconv.FormatInt(r.record.Offset, 10)),
			header(HeaderIndex, index),
			header(HeaderTimestamp, r.record.Timestamp.UTC().Format(letterTime)),
			header(HeaderSchema, fmt.Sprintf("%s/%d", s.Name, s.Version)),
		}, r.record.Headers...),
	}
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
