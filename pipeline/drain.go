package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// drain stores a lane's sealed batches, in the order they were sealed, and
// commits what they account for.
type drain struct {
	lane    *lane
	sink    sink
	letters deadLetters
	again   persistence // for inserts
	commit  func(context.Context, map[int32]kgo.EpochOffset) error
	reread  func(ctx context.Context, partition int32, offset int64) (*kgo.Record, error)

	// uncommitted is what is stored and not committed, by partition. A commit
	// that fails is covered by the next: everything below a stored span's end
	// is stored.
	uncommitted map[int32]span
}

// recommit is how long a failed commit waits for a batch whose commit would
// cover it, before it is tried on its own.
const recommit = time.Second

// commitPause is how long a release waits after a commit that failed.
const commitPause = 100 * time.Millisecond

// run stores batches until ctx ends or an error says that no repetition helps.
func (d *drain) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.sink.Close()) }()
	idle := time.NewTicker(recommit)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-idle.C:
			d.commitOrLater(ctx)
		case c := <-d.lane.commits:
			c.done <- d.commitAll(ctx, c.wait)
		case b := <-d.lane.full:
			if err := d.store(ctx, b); err != nil {
				if ended(ctx, err) {
					return nil
				}
				return err
			}
			for p, s := range b.spans {
				d.uncommitted[p] = s
			}
			d.commitOrLater(ctx)
			b.reset()
			d.lane.free <- b
		}
	}
}

// store dead-letters the batch's rejects and inserts its rows.
func (d *drain) store(ctx context.Context, b *batch) error {
	if len(b.rejects) > 0 {
		if err := d.letters.send(ctx, b.rejects); err != nil {
			return err
		}
	}
	for _, day := range b.inserts() {
		if err := d.insert(ctx, b.token, day, b.days[day]); err != nil {
			return err
		}
	}
	return nil
}

// insert stores the rows of one day, however long it takes. Rows that the
// server refuses are found by halving and dead-lettered; a half has a token of
// its own, derived from the whole's, so that a repetition of it is known too.
func (d *drain) insert(ctx context.Context, token string, day schema.Day, rows *schema.Block) error {
	began := time.Now()
	attempts, err := d.again.do(ctx, func(ctx context.Context) error { return d.sink.Insert(ctx, token, rows) })
	if err == nil {
		d.lane.events.Inserted(Inserted{Lane: d.lane.id, Day: day, Rows: rows.Rows(), Bytes: rows.Bytes(), Attempts: attempts, Took: time.Since(began)})
		return nil
	}
	if f, _ := d.again.verdict(err); f != refuse || ctx.Err() != nil {
		return err
	}
	n := rows.Rows()
	if n == 1 {
		return d.refused(ctx, rows, err)
	}
	if err := d.insert(ctx, token+".0", day, rows.Slice(0, n/2)); err != nil {
		return err
	}
	return d.insert(ctx, token+".1", day, rows.Slice(n/2, n))
}

// refused dead-letters the one row of rows, which the server refuses.
func (d *drain) refused(ctx context.Context, rows *schema.Block, why error) error {
	partition, offset := rows.Origin(0)
	var record *kgo.Record
	rereads := persistence{what: "dead-letter", verdict: fateOfReread, events: d.lane.events}
	if _, err := rereads.do(ctx, func(ctx context.Context) (err error) {
		record, err = d.reread(ctx, partition, offset)
		return err
	}); err != nil {
		return fmt.Errorf("%w; ClickHouse refused it: %w", err, why)
	}
	rejection := &schema.Rejection{Reason: schema.ReasonRefused, Detail: why.Error()}
	d.lane.events.Rejected(Rejected{Partition: partition, Offset: offset, Rejection: rejection})
	return d.letters.send(ctx, []reject{{record, rejection}})
}

// commitOrLater commits what is stored, or leaves it to the next commit.
func (d *drain) commitOrLater(ctx context.Context) {
	if err := d.commitStored(ctx); err != nil {
		d.lane.events.CommitFailed(err)
	}
}

// commitAll commits what is stored until it is, wait ends, or Kafka says that it
// is no longer this node's to commit.
func (d *drain) commitAll(ctx, wait context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(wait, func() { cancel(context.Cause(wait)) })()
	for {
		err := d.commitStored(ctx)
		if err == nil || fateOfCommit(err) == stop {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lane %d: stored but not committed in time; stored again by the next owner: %w", d.lane.id, errors.Join(context.Cause(ctx), err))
		case <-time.After(commitPause):
			d.lane.events.CommitFailed(err)
		}
	}
}

// commitStored commits what is stored of the partitions the node still owns
// under the epoch they were read in; the others are another node's now.
func (d *drain) commitStored(ctx context.Context) error {
	offsets := map[int32]kgo.EpochOffset{}
	for p, s := range d.uncommitted {
		if d.lane.owned.epoch(p) != s.epoch {
			delete(d.uncommitted, p)
			continue
		}
		offsets[p] = kgo.EpochOffset{Epoch: s.leaderEpoch, Offset: s.next}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := d.commit(ctx, offsets); err != nil {
		return err
	}
	next := make(map[int32]int64, len(offsets))
	for p, o := range offsets {
		next[p] = o.Offset
	}
	clear(d.uncommitted)
	d.lane.events.Committed(Committed{Next: next})
	return nil
}
