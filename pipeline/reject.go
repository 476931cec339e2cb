package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// reject is a record, or one of the events of a record, on its way to the
// dead-letter topic.
type reject struct {
	// record has as its value what is rejected.
	record *kgo.Record
	// index is that of the event, or wholeRecord.
	index int
	why   *schema.Rejection
}

// wholeRecord is the index of a reject that is all there is of its record.
const wholeRecord = -1

// whole is the reject of a record.
func whole(r *kgo.Record, why *schema.Rejection) reject { return reject{r, wholeRecord, why} }

// splitter finds the events of Kafka's records.
type splitter struct {
	*schema.Splitter
	headerBytes int // see Bounds
}

// of returns the events of a record, or why nothing of it is stored.
func (s splitter) of(r *kgo.Record) ([][]byte, *schema.Rejection) {
	beside := len(r.Key)
	for _, h := range r.Headers {
		beside += len(h.Key) + len(h.Value)
	}
	if beside > s.headerBytes {
		return nil, &schema.Rejection{Reason: schema.ReasonTooLarge,
			Detail: fmt.Sprintf("the record's key and headers have %d bytes; at most %d are allowed beside a value", beside, s.headerBytes)}
	}
	return s.Split(r.Value)
}

// rejectOf is the reject of an event that s found in the record, for the
// decoder's error.
func rejectOf(s splitter, r *kgo.Record, index int, event []byte, err error) reject {
	var why *schema.Rejection
	if !errors.As(err, &why) {
		panic(fmt.Sprintf("BUG: decoder returned %v", err))
	}
	if !s.Several() {
		return whole(r, why)
	}
	one := *r
	one.Value = event
	return reject{&one, index, why}
}

// rereadEvent fetches the record of a row and returns the row's event, as a reject
// without a reason.
func rereadEvent(ctx context.Context, cfg Config, of schema.Origin) (reject, error) {
	r, err := reread(ctx, cfg.Kafka, of.Partition, of.Offset)
	if err != nil {
		return reject{}, err
	}
	s := cfg.splitter()
	if events, _ := s.Split(r.Value); s.Several() && int(of.Index) < len(events) {
		r.Value = events[of.Index]
		return reject{record: r, index: int(of.Index)}, nil
	}
	return reject{record: r, index: wholeRecord}, nil
}
