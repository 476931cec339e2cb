package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/intent"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// portion is the rows of some letters.
type portion struct {
	blocks map[place]*schema.Block
	of     map[schema.Origin]candidate
}

// inserts returns the places that have rows, in an order that is always the same.
func (p *portion) inserts() []place {
	return (&batch{blocks: p.blocks}).inserts()
}

// decode makes the letter a row of the portion, or counts why it is none.
func (r *replay) decode(ctx context.Context, p *portion, l Letter) error {
	at := l.origin()
	if state := r.done[at.Partition]; !state.Covers(intent.Range{First: at.Offset, Next: at.Offset + 1}) {
		r.out.Open++
		return nil
	}
	if l.CutFrom > 0 {
		whole, err := r.whole(ctx, at)
		if errors.Is(err, errRecordGone) {
			r.out.Gone++
			r.out.left(l, reasonGone, fmt.Sprintf("the letter has %d of %d bytes, and Kafka no longer has the record", len(l.Record.Value), l.CutFrom))
			return nil
		}
		if err != nil {
			return err
		}
		l.Record = whole
	}
	if err := r.decoders.Await(ctx, l.Record); err != nil {
		return err
	}
	first, events := at.Index, [][]byte{l.Record.Value}
	if l.Index == wholeRecord || l.CutFrom > 0 {
		all, why := r.splitter.of(l.Record)
		if why != nil {
			r.rejected(l, why)
			return nil
		}
		events = all[min(int(first), len(all)):]
		if l.Index != wholeRecord {
			events = events[:min(1, len(events))]
		}
		if len(events) == 0 {
			r.out.Gone++
			r.out.left(l, reasonGone, fmt.Sprintf("the record has %d events by kafka.framing %s, and the letter is of event %d", len(all), r.cfg.Kafka.Framing, l.Index))
		}
	}
	for i, event := range events {
		at.Index = first + uint16(i)
		if err := r.event(p, l, at, event); err != nil {
			return err
		}
	}
	return nil
}

// event is decode for one event.
func (r *replay) event(p *portion, l Letter, at schema.Origin, event []byte) error {
	scratch := schema.NewBlock(r.schema)
	key, err := r.decoder.Decode(recordOf(l.Record, int(at.Index), event, l.arrival()), scratch)
	var why *schema.Rejection
	if errors.As(err, &why) {
		r.rejected(l, why)
		return nil
	}
	if err != nil {
		return err
	}
	p.of[at] = candidate{letter: l, device: string(scratch.LastDevice()), key: key}
	to := place{r.cfg.ClickHouse.ShardOf(at.Partition), key.Day}
	if p.blocks[to] == nil {
		p.blocks[to] = schema.NewBlock(r.schema)
	}
	scratch.MoveLast(p.blocks[to])
	return nil
}

// rejected takes a letter, or an event of one, that is rejected still.
func (r *replay) rejected(l Letter, why *schema.Rejection) {
	r.out.Rejected[why.Reason]++
	r.out.left(l, string(why.Reason), why.Detail)
}

// whole reads the record of a letter that was cut from its topic.
func (r *replay) whole(ctx context.Context, at schema.Origin) (record *kgo.Record, err error) {
	_, err = persistence{what: "dead-letter", verdict: fateOf, events: r.events}.do(ctx, func(ctx context.Context) (err error) {
		record, err = reread(ctx, r.cfg.Kafka, at.Partition, at.Offset)
		return err
	})
	if err == nil && record.Offset != at.Offset {
		err = fmt.Errorf("%w: p%d@%d was compacted away", errRecordGone, at.Partition, at.Offset)
	}
	return record, err
}

// sift takes the rows out of the portion that are stored already, and those
// whose event is.
func (r *replay) sift(ctx context.Context, p *portion) error {
	already, duplicate := map[schema.Origin]bool{}, map[schema.Origin]bool{}
	for _, at := range p.inserts() {
		left, err := r.missing(ctx, p.blocks[at])
		if err != nil {
			return err
		}
		for o := range originsOf(p.blocks[at], left) {
			already[o] = true
		}
	}
	byEvent, err := r.copies(ctx, p, already)
	if err != nil {
		return err
	}
	seen := map[eventKey]bool{} // of this portion
	for _, o := range slices.SortedFunc(maps.Keys(p.of), schema.Origin.Compare) {
		key := keyOf(p.of[o].key)
		switch copies := byEvent[key]; {
		case already[o]:
		case slices.ContainsFunc(copies, func(c receipts.Copy) bool { return c.Origin == o }):
			already[o] = true // its day is in the cold tier
		case len(copies) > 0 || seen[key]:
			duplicate[o] = true
		}
		seen[key] = true
	}
	for at, b := range p.blocks {
		p.blocks[at] = b.Where(func(o schema.Origin) bool { return !already[o] && !duplicate[o] })
	}
	r.out.Already += int64(len(already))
	r.out.Duplicates += int64(len(duplicate))
	return nil
}

// eventKey is what two rows of one event have in common.
type eventKey struct {
	id schema.Identity
	at int64 // its own time, Unix ms
}

func keyOf(k schema.Key) eventKey { return eventKey{k.Identity, k.Time} }

// copies returns the rows there are of the portion's events, in any tier.
func (r *replay) copies(ctx context.Context, p *portion, but map[schema.Origin]bool) (map[eventKey][]receipts.Copy, error) {
	var events []receipts.Event
	for o, c := range p.of {
		if !but[o] {
			events = append(events, receipts.Event{Device: c.device, Time: c.key.Time})
		}
	}
	found := map[eventKey][]receipts.Copy{}
	if len(events) == 0 {
		return found, nil
	}
	view := r.schema.All(r.cfg.ClickHouse.Tables())
	for _, shard := range r.shards {
		copies, err := shard.Everywhere(ctx, view, events)
		if err != nil {
			return nil, fmt.Errorf("which of %d events are stored: %w", len(events), err)
		}
		for _, c := range copies {
			key := eventKey{c.Identity, c.Time}
			found[key] = append(found[key], c)
		}
	}
	return found, nil
}
