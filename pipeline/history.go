package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/failpoint"
	"penstock/pipeline/dedup"
	"penstock/pipeline/intent"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// history asks Kafka and the receipts of all shards for the past.
type history struct {
	cfg      Config
	schema   *schema.Schema
	admin    *kadm.Client
	receipts []stored // by shard
	events   Events
	decoders *Decoders
}

func (m *member) history() history {
	return history{cfg: m.cfg, schema: m.schema.Load(), admin: kadm.NewClient(m.client), receipts: m.receipts, events: m.events, decoders: m.decoders}
}

func (h history) again() persistence {
	return persistence{what: "settle", verdict: fateOf, events: h.events}
}

// past is what has to be known of a partition before it is settled.
type past struct {
	// offset is where settling begins: what is committed, or the first record
	// that Kafka has.
	offset int64
	// beyond is the offset after the last record that is stored, if any is from
	// the end of what is committed or declared on.
	beyond int64
	// window has the identities as a node has them that has read the partition
	// up to offset. What is stored from there on is left out: to those who read
	// it again, a number that is used again further on would look like a resend.
	window *dedup.Window
	// ahead is the window of a partition that has gaps, from the offset head on:
	// where its last owner read what was fresh, and the next does. It is nil for
	// one that has none.
	ahead *dedup.Window
	head  int64
}

// windowAt returns the window of the records about the offset.
func (p *past) windowAt(offset int64) *dedup.Window {
	if p.ahead != nil && offset >= p.head {
		return p.ahead
	}
	return p.window
}

// pasts is the past of the partitions that were assigned together, asked for
// together: a node is given dozens at a time, and an operator waits for them.
type pasts struct {
	known chan struct{} // closed when what follows is set
	of    map[int32]*past
	err   error
}

// learn fills p in for partitions of which these states are committed, and that
// are read on at these heads; most bounds the generations of a partition's window.
func (p *pasts) learn(ctx context.Context, h history, states map[int32]intent.State, fresh map[int32]bool, heads map[int32]int64, most func(partition int32) int) {
	defer close(p.known)
	failpoint.At("rebuild.before")
	_, p.err = h.again().do(ctx, func(ctx context.Context) (err error) {
		p.of, err = h.learn(ctx, states, fresh, heads, most)
		return err
	})
	failpoint.At("rebuild.after")
}

func (h history) learn(ctx context.Context, states map[int32]intent.State, fresh map[int32]bool, heads map[int32]int64, most func(partition int32) int) (map[int32]*past, error) {
	firsts, err := h.firsts(ctx, states, fresh)
	if err != nil {
		return nil, err
	}
	all, ends := map[int32]*past{}, map[int32]int64{}
	for p, state := range states {
		state.Offset = firsts[p]
		all[p] = &past{offset: state.Offset, window: h.newWindow()}
		if head := headOf(state, heads[p]); head > 0 {
			all[p].head, all[p].ahead = head, h.newWindow()
			dedup.Pair(all[p].window, all[p].ahead)
		}
		ends[p] = max(all[p].offset, state.End())
		all[p].beyond = ends[p]
	}
	if failpoint.Off("receipts") {
		return all, nil
	}
	since, err := h.since(ctx, all)
	if err != nil {
		return nil, err
	}
	for _, r := range h.receipts {
		last, err := r.Last(ctx, ends)
		if err != nil {
			return nil, err
		}
		for p, at := range last {
			all[p].beyond = max(all[p].beyond, at.Offset+1)
		}
		shrunk := map[int32]bool{}
		restore := func(from map[int32]receipts.Since, window func(*past) *dedup.Window) error {
			return r.Windows(ctx, from, func(p int32, b dedup.Block) error {
				if window(all[p]).Restore(b, most(p)) && !shrunk[p] {
					shrunk[p] = true
					h.events.DedupShrunk(int(p) % h.cfg.Lanes)
				}
				return nil
			})
		}
		if err := restore(since, func(p *past) *dedup.Window { return p.window }); err != nil {
			return nil, err
		}
		for i := 0; ; i++ {
			done := doneAt(states, i)
			if len(done) == 0 {
				break
			}
			if err := restore(done, func(p *past) *dedup.Window { return p.windowAt(p.head) }); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// doneAt returns the i-th ranges that are done above the offsets of the states,
// of those that have so many.
func doneAt(states map[int32]intent.State, i int) map[int32]receipts.Since {
	out := map[int32]receipts.Since{}
	for p, s := range states {
		if i < len(s.Done) {
			out[p] = receipts.Since{Offset: s.Done[i].First, Before: s.Done[i].Next}
		}
	}
	return out
}

func (h history) newWindow() *dedup.Window {
	return dedup.NewWindow(h.cfg.Dedup.Window, dedup.KindOf(h.schema))
}

// firsts returns where settling begins: what is committed of each partition, or
// the first record that Kafka has of a fresh one.
func (h history) firsts(ctx context.Context, states map[int32]intent.State, fresh map[int32]bool) (map[int32]int64, error) {
	var starts kadm.ListedOffsets
	var errStarts error
	if slices.Contains(slices.Collect(maps.Values(fresh)), true) {
		starts, errStarts = h.admin.ListStartOffsets(ctx, h.cfg.Kafka.Topic)
	}
	out := map[int32]int64{}
	for p, state := range states {
		out[p] = state.Offset
		if fresh[p] {
			first, err := h.listed(p)(starts, errStarts)
			if err != nil {
				return nil, err
			}
			out[p] = first
		}
	}
	return out, nil
}

// heads returns where the partitions are read on: where what is done or pending
// ends, or, to read fresh records first, at the end of those that are behind.
func (h history) heads(ctx context.Context, states map[int32]intent.State, fresh map[int32]bool) (map[int32]int64, error) {
	heads := map[int32]int64{}
	for p, state := range states {
		heads[p] = state.End()
	}
	if h.cfg.Kafka.Recovery != FreshFirst {
		return heads, nil
	}
	firsts, err := h.firsts(ctx, states, fresh)
	if err != nil {
		return nil, err
	}
	topic := h.cfg.Kafka.Topic
	recent, errRecent := h.admin.ListOffsetsAfterMilli(ctx, time.Now().Add(-h.cfg.Kafka.FreshAfter).UnixMilli(), topic)
	ends, errEnds := h.admin.ListEndOffsets(ctx, topic)
	for p, state := range states {
		first, err := h.listed(p)(recent, errRecent)
		if err != nil {
			return nil, err
		}
		end, err := h.listed(p)(ends, errEnds)
		if err != nil {
			return nil, err
		}
		if state.MayJump() && max(firsts[p], state.End()) < first {
			heads[p] = end
		}
	}
	return heads, nil
}

// recent is how old the record to go on at may be in a partition that is not
// behind.
const recent = time.Minute

// since says which identities belong into the windows: of records that came to
// Kafka within the window before the one to go on at.
func (h history) since(ctx context.Context, all map[int32]*past) (map[int32]receipts.Since, error) {
	now := time.Now()
	list := func(at time.Time) (kadm.ListedOffsets, error) {
		return h.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), h.cfg.Kafka.Topic)
	}
	// Of nearly all partitions the time of that record need not be known: it is
	// recent, or yet to come.
	fresh, errFresh := list(now.Add(-recent))
	early, errEarly := list(now.Add(-recent - h.cfg.Dedup.Window))
	out := map[int32]receipts.Since{}
	for p, one := range all {
		first, err := h.listed(p)(fresh, errFresh)
		if err != nil {
			return nil, err
		}
		from, err := h.listed(p)(early, errEarly)
		if err == nil && one.offset < first {
			from, err = h.sinceOld(ctx, p, one.offset, list)
		}
		if err != nil {
			return nil, err
		}
		out[p] = receipts.Since{Offset: min(from, one.offset), Before: one.offset}
	}
	return out, nil
}

// sinceOld is since for a partition that is behind.
func (h history) sinceOld(ctx context.Context, partition int32, offset int64, list func(time.Time) (kadm.ListedOffsets, error)) (int64, error) {
	r, err := reread(ctx, h.cfg.Kafka, partition, offset)
	if err != nil {
		return 0, err
	}
	return h.listed(partition)(list(time.UnixMilli(arrival(r, time.Now())).Add(-h.cfg.Dedup.Window)))
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
		if err := h.decoders.Await(ctx, r); err != nil {
			return err
		}
		ids := h.identities(r)
		other := fmt.Errorf("%s p%d@%d is stored, and is not the record that Kafka has: %w", h.cfg.Kafka.Topic, partition, offset, errOtherRecords)
		if len(ids) == 0 {
			return other // no row was ever made of such a record
		}
		for _, shard := range h.receipts {
			found, err := shard.Copies(ctx, receipts.Span{Partition: partition, First: offset, Next: offset + 1}, ids)
			if err != nil || len(found) > 0 {
				return err
			}
		}
		return other
	})
	return err
}

// identities returns those of the record's events that can be stored.
func (h history) identities(r *kgo.Record) (ids []schema.Identity) {
	decoder, block := h.decoders.New(h.schema), schema.NewBlock(h.schema)
	events, _ := h.cfg.splitter().of(r)
	for i, event := range events {
		if key, err := decoder.Decode(recordOf(r, i, event, arrival(r, time.Now())), block); err == nil {
			ids = append(ids, key.Identity)
		}
	}
	return ids
}
