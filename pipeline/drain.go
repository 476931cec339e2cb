package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/failpoint"
	"penstock/pipeline/intent"
)

// drain stores a lane's sealed batches. It writes down what is about to be
// stored, has it stored, and confirms it with the next commit: see package
// intent for the order, and why.
//
// Its run goroutine owns the ledger; the batches themselves are stored by
// goroutines of their own, several at once, since an insert mostly waits.
type drain struct {
	lane   *lane
	commit func(context.Context, map[int32]statement) error
	stores []*store // one a goroutine
	// proofs asks account for a proof; see prove.
	proofs chan chan<- error
	// rejects says whether a batch may be stored with what it rejects.
	rejects *rejectGuard

	// What follows belongs to run.
	ledger *intent.Ledger
	// tenures is under which ownership the ledger's partitions are held.
	tenures map[int32]tenureOf
	// unconfirmed is what was declared of each partition and not confirmed.
	unconfirmed map[int32][]span
}

// newDrain returns a drain that has no stores yet.
func newDrain(l *lane, commit func(context.Context, map[int32]statement) error, rejects *rejectGuard) *drain {
	return &drain{
		lane: l, commit: commit, rejects: rejects, proofs: make(chan chan<- error),
		ledger: intent.NewLedger(), tenures: map[int32]tenureOf{}, unconfirmed: map[int32][]span{},
	}
}

// tenureOf is what a commit has to know of a partition beside its state.
type tenureOf struct {
	epoch       uint64
	leaderEpoch int32
	reads       *reading // nil for a partition without a gap
}

// confirmAfter is how long a confirmation waits for the intents of a next batch,
// with which it costs nothing. Larger: fewer commits on an idle topic. Smaller:
// less to settle after a crash, though it is settled anyway.
const confirmAfter = time.Second

// run stores batches until ctx ends or an error says that no repetition helps.
func (d *drain) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	todo, done := make(chan *batch), make(chan outcome, len(d.stores))
	for _, s := range d.stores {
		g.Go(func() error { return s.run(ctx, todo, done) })
	}
	g.Go(func() error {
		if err := d.account(ctx, todo, done); err != nil && !ended(ctx, err) {
			return err
		}
		return nil
	})
	return g.Wait()
}

func (d *drain) account(ctx context.Context, todo chan<- *batch, done <-chan outcome) error {
	confirm := time.NewTicker(confirmAfter)
	defer confirm.Stop()
	var (
		sealed *batch   // waits for room among the pending intents
		ready  []*batch // declared, and waiting for a store
	)
	for {
		if sealed != nil && d.ledger.Fits(d.intents(sealed)) {
			confirm.Reset(confirmAfter)
			if err := d.declare(ctx, sealed); err != nil {
				return err
			}
			ready, sealed = append(ready, sealed), nil
		}
		full, next := d.lane.full, todo
		var first *batch
		if len(ready) > 0 {
			first = ready[0]
		} else {
			next = nil
		}
		if sealed != nil || d.ledger.InFlight() >= len(d.stores) {
			full = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case sealed = <-full:
			err = d.begin(sealed)
		case next <- first:
			ready = ready[1:]
		case o := <-done:
			if err = d.took(ctx, o); o.left {
				ready = append(ready, o.batch)
			}
		case <-confirm.C:
			d.rejects.look() // where nothing comes any more, what came passes
			err = d.confirm(ctx)
		case r := <-d.lane.releases:
			r.done <- d.release(ctx, r)
		case proved := <-d.proofs:
			err = d.put(ctx, d.ledger.Says())
			proved <- err
		}
		if err != nil {
			return err
		}
	}
}

// begin takes the batch's partitions into the ledger, if they are new, and if what
// it rejects is not too much.
func (d *drain) begin(b *batch) error {
	if err := d.rejects.take(b.records(), b.rejects); err != nil {
		return err
	}
	for partition, s := range b.spans {
		t, held := d.tenures[partition]
		if held && t.epoch != s.epoch {
			return fmt.Errorf("%w: p%d was read under another ownership than what is not confirmed of it", errDoubt, partition)
		}
		switch {
		case held:
		case s.reads != nil:
			d.ledger.Begin(partition, s.reads.state, s.reads.head)
		default:
			d.ledger.Begin(partition, intent.State{Offset: s.first}, s.first)
		}
		if s.reads != nil {
			s.leaderEpoch = -1 // of its last record, which is not the one below the offset
		}
		d.tenures[partition] = tenureOf{s.epoch, s.leaderEpoch, s.reads}
		d.unconfirmed[partition] = append(d.unconfirmed[partition], s)
	}
	return nil
}

func (d *drain) intents(b *batch) intent.Batch {
	return b.intents(d.lane.cfg.ClickHouse.shardName, time.Now())
}

// declare commits the intents of a batch, and with them what is stored since.
func (d *drain) declare(ctx context.Context, b *batch) error {
	d.ledger.Declare(d.intents(b))
	failpoint.At("intent.before")
	b.inquiry.at = time.Now()
	if err := d.put(ctx, d.ledger.Due()); err != nil {
		return err
	}
	failpoint.At("intent.after")
	b.way.declared = time.Now()
	return nil
}

// prove has Kafka accept once more what the lane has said, as the member that its
// partitions were given to. It is for the stores.
func (d *drain) prove(ctx context.Context) error {
	proved := make(chan error, 1)
	select {
	case d.proofs <- proved:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-proved:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// took takes note of what became of a batch.
func (d *drain) took(ctx context.Context, o outcome) error {
	b := o.batch
	for _, row := range o.rejected {
		spans := d.unconfirmed[row.Partition]
		for i := range spans {
			if spans[i].first <= row.Offset && row.Offset < spans[i].next {
				spans[i].rows--
			}
		}
	}
	if o.left {
		id, _, _ := strings.Cut(b.id, ".")
		b.renewed++
		as := fmt.Sprintf("%s.%d", id, b.renewed)
		d.ledger.Renew(b.id, as)
		b.id, b.inquiry = as, inquiry{at: time.Now()}
		return d.put(ctx, d.ledger.Due())
	}
	d.ledger.Stored(b.id)
	if b.rows > 0 {
		d.lane.pace.stored(o.took)
	}
	d.lane.events.Stored(b.stored(d.lane.id, time.Now()))
	b.reset()
	d.lane.free <- b
	return nil
}

// confirm commits what is stored, if anything is that no commit says yet.
func (d *drain) confirm(ctx context.Context) error {
	failpoint.At("confirm.before")
	if err := d.put(ctx, d.ledger.Due()); err != nil {
		return err
	}
	failpoint.At("confirm.after")
	return nil
}

// release confirms all that is stored and forgets the partitions.
func (d *drain) release(ctx context.Context, r release) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.wait, func() { cancel(context.Cause(r.wait)) })()
	if err := d.confirm(ctx); err != nil {
		return fmt.Errorf("lane %d: stored but not confirmed in time; the next owner settles it: %w", d.lane.id, errors.Join(context.Cause(ctx), err))
	}
	for _, p := range r.partitions {
		if _, held := d.tenures[p]; held {
			d.ledger.End(p)
			delete(d.tenures, p)
			delete(d.unconfirmed, p)
		}
	}
	return nil
}

// put commits what the ledger says.
func (d *drain) put(ctx context.Context, states map[int32]intent.State) error {
	if len(states) == 0 {
		return nil
	}
	all := make(map[int32]statement, len(states))
	for p, state := range states {
		t := d.tenures[p]
		if failpoint.Off("intent") {
			state.Pending = nil
		}
		all[p] = statement{state: state, epoch: t.epoch, leaderEpoch: t.leaderEpoch}
	}
	if err := d.commit(ctx, all); err != nil {
		return err
	}
	d.ledger.Committed(states)
	d.tell(states)
	return nil
}

// tell tells what is confirmed now.
func (d *drain) tell(states map[int32]intent.State) {
	c := Committed{Lane: d.lane.id, InFlight: d.ledger.InFlight(), Next: make(map[int32]int64, len(states)), Gap: map[int32]int64{}}
	for p, state := range states {
		c.Next[p] = state.Offset
		d.unconfirmed[p] = slices.DeleteFunc(d.unconfirmed[p], func(s span) bool {
			done := state.Covers(intent.Range{First: s.first, Next: s.next})
			if done {
				d.lane.events.Confirmed(Confirmed{Partition: p, First: s.first, Next: s.next, Rows: s.rows})
			}
			return done
		})
		if t := d.tenures[p]; t.reads != nil {
			c.Gap[p] = t.reads.left(state)
		}
	}
	d.lane.events.Committed(c)
}
