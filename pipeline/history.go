package pipeline

import (
	"context"
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
		starts, err := h.admin.ListStartOffsets(ctx, h.cfg.Kafka.Topic)
		if err != nil {
			return fmt.Errorf("start of %s: %w", h.cfg.Kafka.Topic, err)
		}
		start, ok := starts.Lookup(h.cfg.Kafka.Topic, partition)
		if !ok || start.Err != nil {
			return fmt.Errorf("start of %s p%d: %w", h.cfg.Kafka.Topic, partition, start.Err)
		}
		offset = start.Offset
		return nil
	})
	return offset, err
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
// node that has read it up to the offset, and those stored beyond it.
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
			if err := r.Windows(ctx, map[int32]receipts.Since{partition: {Offset: since}},
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

// since returns the offset of the first record that came to Kafka within the
// window before the one at the given offset.
func (h history) since(ctx context.Context, partition int32, offset int64) (int64, error) {
	topic := h.cfg.Kafka.Topic
	ends, err := h.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("end of %s: %w", topic, err)
	}
	at := time.Now()
	if end, ok := ends.Lookup(topic, partition); ok && offset < end.Offset {
		r, err := reread(ctx, h.cfg.Kafka, partition, offset)
		if err != nil {
			return 0, err
		}
		at = time.UnixMilli(arrival(r, at))
	}
	firsts, err := h.admin.ListOffsetsAfterMilli(ctx, at.Add(-h.cfg.Dedup.Window).UnixMilli(), topic)
	if err != nil {
		return 0, fmt.Errorf("offsets of %s by time: %w", topic, err)
	}
	first, ok := firsts.Lookup(topic, partition)
	if !ok || first.Err != nil {
		return 0, fmt.Errorf("offset of %s p%d by time: %w", topic, partition, first.Err)
	}
	return min(offset, first.Offset), nil
}
