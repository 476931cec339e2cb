package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/pipeline/dedup"
	"penstock/pipeline/failpoint"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// history is what the receipts of all shards know of the past.
type history struct {
	cfg      Config
	schema   *schema.Schema
	admin    *kadm.Client
	receipts []stored // by shard
	events   Events
	most     int // blocks of a generation of a window
}

func (h history) again() persistence {
	return persistence{what: "settle", verdict: fateOf, events: h.events}
}

// first returns the offset of the first record that Kafka has.
func (h history) first(ctx context.Context, partition int32) (offset int64, err error) {
	_, err = h.again().do(ctx, func(ctx context.Context) error {
		offset, err = h.listed(partition)(h.admin.ListStartOffsets(ctx, h.cfg.Kafka.Topic))
		return err
	})
	return offset, err
}

// listed returns a partition's offset of those that were listed. Another's
// broker may be away.
func (h history) listed(partition int32) func(kadm.ListedOffsets, error) (int64, error) {
	return func(all kadm.ListedOffsets, err error) (int64, error) {
		o, ok := all.Lookup(h.cfg.Kafka.Topic, partition)
		switch {
		case ok && o.Err == nil:
			return o.Offset, nil
		case ok:
			err = o.Err
		case err == nil:
			err = errors.New("Kafka told nothing of it")
		}
		return 0, fmt.Errorf("list offsets of %s p%d: %w", h.cfg.Kafka.Topic, partition, err)
	}
}

// last returns the offset after the last record of the partition that is
// stored, or from if nothing is stored from there on.
func (h history) last(ctx context.Context, partition int32, from int64) (next int64, err error) {
	next = from
	if failpoint.Off("receipts") {
		return next, nil
	}
	for _, r := range h.receipts {
		if _, err := h.again().do(ctx, func(ctx context.Context) error {
			last, err := r.Last(ctx, map[int32]int64{partition: from})
			if at, ok := last[partition]; ok {
				next = max(next, at.Offset+1)
			}
			return err
		}); err != nil {
			return 0, fmt.Errorf("last stored record of p%d: %w", partition, err)
		}
	}
	return next, nil
}

// window returns the partition's identities as they would be in the window of a
// node that has read it up to the offset. What is stored beyond is left out: to
// those who read it again a number that is used again further on looks like a
// resend.
func (h history) window(ctx context.Context, partition int32, offset int64) (*dedup.Window, error) {
	var (
		w      *dedup.Window
		shrunk bool
	)
	_, err := h.again().do(ctx, func(ctx context.Context) error {
		w = dedup.NewWindow(h.cfg.Dedup.Window, dedup.KindOf(h.schema))
		if failpoint.Off("receipts") {
			return nil
		}
		since, err := h.since(ctx, partition, offset)
		if err != nil {
			return err
		}
		for _, r := range h.receipts {
			if err := r.Windows(ctx, map[int32]receipts.Since{partition: {Offset: since, Before: offset}},
				func(_ int32, b dedup.Block) error { shrunk = w.Restore(b, h.most) || shrunk; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("identities of p%d: %w", partition, err)
	}
	if shrunk {
		h.events.DedupShrunk(int(partition) % h.cfg.Lanes)
	}
	return w, nil
}

// errOtherRecords: rows are stored under offsets that are now other records'.
var errOtherRecords = errors.New("rows of other records are stored under its offsets, as of a topic that was deleted and created again: " +
	"give the topic a name and tables of its own, or empty the tables")

// holds makes sure that what is stored under the partition's offset is the record
// that Kafka has there.
func (h history) holds(ctx context.Context, partition int32, offset int64) error {
	_, err := h.again().do(ctx, func(ctx context.Context) error {
		end, err := h.listed(partition)(h.admin.ListEndOffsets(ctx, h.cfg.Kafka.Topic))
		if err != nil {
			return err
		}
		if offset >= end {
			return fmt.Errorf("%s p%d@%d is stored, and Kafka's log ends at %d: %w", h.cfg.Kafka.Topic, partition, offset, end, errOtherRecords)
		}
		r, err := reread(ctx, h.cfg.Kafka, partition, offset)
		if err != nil {
			return err
		}
		key, err := schema.NewDecoder(h.schema, h.cfg.MaxRecordBytes).Decode(
			schema.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: arrival(r, time.Now()), Value: r.Value}, schema.NewBlock(h.schema))
		for _, shard := range h.receipts {
			if err != nil {
				break // no row was ever made of such a record
			}
			found, err := shard.Copies(ctx, receipts.Span{Partition: partition, First: offset, Next: offset + 1}, []schema.Identity{key.Identity})
			if err != nil {
				return err
			}
			if len(found) > 0 {
				return nil
			}
		}
		return fmt.Errorf("%s p%d@%d is stored, and is not the record that Kafka has: %w", h.cfg.Kafka.Topic, partition, offset, errOtherRecords)
	})
	return err
}

// since returns the offset of the first record that came to Kafka within the
// window before the one at the given offset.
func (h history) since(ctx context.Context, partition int32, offset int64) (int64, error) {
	end, err := h.listed(partition)(h.admin.ListEndOffsets(ctx, h.cfg.Kafka.Topic))
	if err != nil {
		return 0, err
	}
	at := time.Now()
	if offset < end {
		r, err := reread(ctx, h.cfg.Kafka, partition, offset)
		if err != nil {
			return 0, err
		}
		at = time.UnixMilli(arrival(r, at))
	}
	first, err := h.listed(partition)(h.admin.ListOffsetsAfterMilli(ctx, at.Add(-h.cfg.Dedup.Window).UnixMilli(), h.cfg.Kafka.Topic))
	return min(offset, first), err
}
