package enrich

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// topic is a list of devices in a compacted topic: the last record of a key is what
// is known of that device. Every node reads all partitions, in no group.
type topic struct {
	name   string
	schema *schema.Schema
	opts   []kgo.Opt
}

// A snapshot is a copy of the whole table. It is made so long after the one before,
// and so many times as long after as that took: under changes without end a tenth
// of a core makes snapshots, however many devices there are. Why not a table of
// changes over one that is copied seldom? Every lookup would be two.
const (
	swapEvery = 500 * time.Millisecond
	swapShare = 10
)

// quietEnd: a topic from which nothing comes for so long is read to its end. Its
// last offsets may be none of a record: compaction and transactions leave such.
const quietEnd = 3 * time.Second

func (s *topic) follow(ctx context.Context, put func(*told, time.Duration), fail func(error)) {
	r := reader{topic: s, began: time.Now()}
	for ctx.Err() == nil {
		if err := r.follow(ctx, put, fail); err != nil && ctx.Err() == nil {
			fail(err)
			select {
			case <-time.After(firstRetry):
			case <-ctx.Done():
			}
		}
	}
}

func (s *topic) check(ctx context.Context) (*told, error) {
	var out *told
	var failed error
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	r := reader{topic: s, began: time.Now()}
	err := r.follow(ctx, func(t *told, _ time.Duration) {
		if out == nil {
			out = t
		}
		done(nil)
	}, func(err error) { failed = err; done(err) })
	if out == nil {
		return nil, errors.Join(err, failed)
	}
	return out, nil
}

// reader is one reading of the topic, from its beginning on.
type reader struct {
	*topic
	began time.Time
	told  *told
	ends  map[int32]int64 // of partitions that are not read to their end yet
}

// follow reads until ctx ends, or the topic cannot be read at all.
func (r *reader) follow(ctx context.Context, put func(*told, time.Duration), fail func(error)) error {
	client, err := kgo.NewClient(append(r.opts[:len(r.opts):len(r.opts)],
		kgo.ConsumeTopics(r.name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // what compaction removed was said again later
		kgo.KeepControlRecords(),                          // the end of a topic may be one
		kgo.MetadataMaxAge(30*time.Second),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, r.name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	r.told, r.ends = newTold(r.schema), map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			r.ends[o.Partition] = o.Offset
		}
	})
	return r.swap(ctx, client, put, fail)
}

// swap reads on, and puts a table once all is read, and then whenever it changed.
func (r *reader) swap(ctx context.Context, client *kgo.Client, put func(*told, time.Duration), fail func(error)) error {
	changed, first := true, true
	next, last := time.Now(), time.Now()
	for {
		polling, cancel := context.WithTimeout(ctx, swapEvery)
		fetches := client.PollFetches(polling)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		healthy := true
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				healthy = false
				fail(e.Err)
			}
		}
		if n := fetches.NumRecords(); n > 0 || !healthy {
			last = time.Now()
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if end, ok := r.ends[record.Partition]; ok && record.Offset+1 >= end {
				delete(r.ends, record.Partition)
			}
			if !record.Attrs.IsControl() {
				if !changed { // of what was told before somebody knows
					r.told.misfits, r.told.misfit = 0, nil
				}
				changed = true
				r.take(record)
			}
		})
		if time.Since(last) > quietEnd {
			clear(r.ends)
		}
		if len(r.ends) > 0 || time.Now().Before(next) || !healthy {
			continue
		}
		began := time.Now()
		took := time.Duration(0)
		if first {
			took = began.Sub(r.began)
		}
		if changed {
			put(r.told, took)
		} else {
			put(nil, 0)
		}
		changed, first = false, false
		next = time.Now().Add(max(swapEvery, swapShare*time.Since(began)))
	}
}

// take puts what a record says of a device.
func (r *reader) take(record *kgo.Record) {
	where := fmt.Sprintf("p%d offset %d", record.Partition, record.Offset)
	switch {
	case len(record.Key) == 0:
		r.told.miss(where, fmt.Errorf("%w: the record has no key", errNoDevice))
	case record.Value == nil:
		r.told.table.remove(record.Key)
	default:
		r.told.object(where, record.Key, record.Value)
	}
}
