package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"penstock/pipeline"
)

// letters are the records of the audited ranges that have a dead letter.
type letters struct {
	offsets map[int32][]int64 // by the record's partition, ascending, each once
	// trimmed: the dead-letter topic has lost its beginning, so that a letter of
	// the range may have been there.
	trimmed bool
}

// sendersClock is how far the clock of who sent a record may be ahead of the
// broker's, and so a letter's time before its record's.
const sendersClock = time.Minute

// letters reads the dead letters that were written since a time, and keeps
// those whose record is in the ranges.
func (s *source) letters(ctx context.Context, from time.Time, ranges map[int32]Range) (letters, error) {
	topic := s.cfg.DeadLetters()
	starts, err := s.starts(ctx, topic)
	if err != nil {
		return letters{}, err
	}
	first, err := s.at(ctx, topic, from.Add(-sendersClock))
	if err != nil {
		return letters{}, err
	}
	ends, err := s.ends(ctx, topic)
	if err != nil {
		return letters{}, err
	}
	found := letters{offsets: map[int32][]int64{}}
	var mu sync.Mutex // guards found
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partitionsAtOnce)
	for p, end := range ends {
		found.trimmed = found.trimmed || starts[p] > 0 && first[p] == starts[p]
		g.Go(func() error {
			return s.read(ctx, topic, p, Range{first[p], end}, func(r *kgo.Record) {
				partition, offset, ok := addressee(r, s.cfg.Topic)
				if ok && ranges[partition].Has(offset) {
					mu.Lock()
					defer mu.Unlock()
					found.offsets[partition] = append(found.offsets[partition], offset)
				}
			})
		})
	}
	if err := g.Wait(); err != nil {
		return letters{}, fmt.Errorf("dead letters: %w", err)
	}
	for p, all := range found.offsets {
		slices.Sort(all)
		found.offsets[p] = slices.Compact(all) // a node that was killed between a letter and its commit wrote another
	}
	return found, nil
}

// addressee returns the coordinates of the record that a letter is about, and
// whether it is a letter of the topic. The node's own headers come first: what
// the record itself brought of these names follows and does not count.
func addressee(r *kgo.Record, topic string) (partition int32, offset int64, ok bool) {
	header := map[string]string{}
	for _, h := range r.Headers {
		if _, known := header[h.Key]; !known {
			header[h.Key] = string(h.Value)
		}
	}
	p, errPartition := strconv.ParseInt(header[pipeline.HeaderPartition], 10, 32)
	o, errOffset := strconv.ParseInt(header[pipeline.HeaderOffset], 10, 64)
	return int32(p), o, errPartition == nil && errOffset == nil && header[pipeline.HeaderTopic] == topic
}
