package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/failpoint"
	"penstock/pipeline/intent"
	"penstock/schema"
)

// settlement makes one partition ready that the node was given: what its last
// owner had declared and not confirmed is stored, each row once, and the window
// of identities is what it would be had the partition never changed hands. See
// [intent.Settlement] for the steps.
type settlement struct {
	cfg       Config
	schema    *schema.Schema
	partition int32
	epoch     uint64
	history   history
	store     *store
	commit    func(context.Context, map[int32]statement) error
	filler    filler
	decoders  *Decoders
	rejects   *rejectGuard
	run       string // names what is settled though no intent does

	turn  chan struct{} // has room for one, and all settlements of a node share it
	past  *past
	most  int     // blocks of a generation of its window
	found Settled // for whoever watches

	claimed intent.State // as Kafka accepted it last
	// claimedAt is when that was sent; since, when the answer to the first came, after
	// which no commit of others is accepted.
	claimedAt, since time.Time
}

// settlementOf returns the settlement of one partition.
func (m *member) settlementOf(partition int32, epoch uint64, p *past) *settlement {
	lane := m.laneOf(partition).id
	s := &settlement{
		cfg: m.cfg, schema: m.schema.Load(), partition: partition, epoch: epoch, run: m.id, history: m.history(), turn: m.settleTurn, past: p,
		commit: m.commit.put, most: m.most(partition),
		decoders: m.decoders, rejects: m.rejects,
		filler: filler{lane: lane, events: m.events, splitter: m.cfg.splitter(), decoder: m.decoders.New(m.schema.Load()), enricher: enricher{devices: m.devices}},
	}
	s.store = m.storeOf(lane, s.prove)
	return s
}

// most bounds the blocks of a generation of the partition's window.
func (m *member) most(partition int32) int {
	return m.cfg.blocks(len(m.only(m.laneOf(partition), m.owned.list())))
}

// settlesAtOnce is how many partitions a node settles at the same time. They
// mostly wait, and each holds a batch's share of rows.
const settlesAtOnce = 4

// rewindStep is how many offsets are settled at a time where rows are stored
// beyond what is committed. They are held in memory, whatever their size.
const rewindStep = 5_000

// settle does it, however long it takes, and returns what is done then.
//
// Rows may be stored at that offset and beyond: somebody moved the group's
// offset back by hand, or the group is new and the table is not. That is no
// guess, since receipts know each record: what is missing of that range is
// stored as if intents had declared it.
func (s *settlement) settle(ctx context.Context, state intent.State) (intent.State, error) {
	failpoint.At("settle.before")
	began := time.Now()
	state.Offset = s.past.offset
	s.found = Settled{Partition: s.partition, Intents: len(state.Pending)}
	state, err := s.walk(ctx, state)
	if err != nil {
		return state, err
	}
	beyond := s.past.beyond
	if state.End() < beyond {
		if err := s.history.holds(ctx, s.partition, beyond-1); err != nil {
			return state, err
		}
	}
	for next := state.End(); next < beyond; next = state.End() {
		to := min(next+rewindStep, beyond)
		declared := intent.Intent{
			Batch: fmt.Sprintf("%s-p%d-%d", s.run, s.partition, next), Shard: s.cfg.ClickHouse.shardName(s.partition),
			First: next, Next: to, At: time.Now().Unix(),
		}
		state.Pending = []intent.Intent{declared}
		if state, err = s.walk(ctx, state); err != nil {
			return state, err
		}
		s.found.Rewound += to - next
	}
	s.found.Next, s.found.Took = state.Offset, time.Since(began)
	failpoint.At("settle.after")
	return state, nil
}

// walk takes the steps of one settlement, and returns what is done then.
func (s *settlement) walk(ctx context.Context, state intent.State) (intent.State, error) {
	steps := intent.NewSettlement(s.partition, state)
	for {
		step := steps.Next()
		var err error
		switch step.Do {
		case intent.Claim:
			err = s.claim(ctx, step.State)
		case intent.Rebuild:
			// It is in the past: what is stored below the offset does not change.
		case intent.Check:
			if err = s.one(ctx, steps, step.Intent); err == nil {
				continue
			}
		case intent.Confirm:
			err = s.put(ctx, step.State)
		case intent.Finished:
			return step.State, nil
		}
		if err != nil {
			return state, err
		}
		steps.Done()
	}
}

// one takes the steps of one intent, alone on this node.
func (s *settlement) one(ctx context.Context, steps *intent.Settlement, in intent.Intent) error {
	rows, err := s.read(ctx, in)
	if err != nil {
		return err
	}
	if err := s.beAlone(ctx, in.Token(s.partition)); err != nil {
		return err
	}
	defer func() { <-s.turn }()
	for {
		step := steps.Next()
		switch step.Do {
		case intent.Check:
			missing, err := s.check(ctx, rows)
			if err != nil {
				return err
			}
			if steps.Checked(missing); missing == 0 {
				return nil
			}
			continue
		case intent.Claim:
			err = s.claim(ctx, step.State)
		case intent.Store:
			var unspent bool
			if unspent, err = s.fence(ctx, step, rows); unspent {
				steps.Unspent()
				continue
			}
		case intent.Wait:
			err = s.outlast(ctx, step.Intent)
		}
		if err != nil {
			return err
		}
		steps.Done()
	}
}

// claim commits what is about to be settled.
func (s *settlement) claim(ctx context.Context, state intent.State) error {
	began := time.Now()
	if !failpoint.Off("claim") {
		if err := s.put(ctx, state); err != nil {
			return err
		}
	}
	if s.claimed, s.claimedAt = state, began; s.since.IsZero() {
		s.since = time.Now()
	}
	return nil
}

// prove has Kafka accept the claim once more.
func (s *settlement) prove(ctx context.Context) error { return s.claim(ctx, s.claimed) }

func (s *settlement) put(ctx context.Context, state intent.State) error {
	return s.commit(ctx, map[int32]statement{s.partition: {state: state, epoch: s.epoch, leaderEpoch: -1}})
}

// read decodes the intent's records again and returns the rows that are no
// duplicates. Its rejects are dead-lettered, perhaps for the second time: a
// letter is known by the coordinates it carries.
func (s *settlement) read(ctx context.Context, in intent.Intent) (*batch, error) {
	shard, err := s.cfg.ClickHouse.shardNamed(in.Shard)
	if err != nil {
		return nil, fmt.Errorf("settle p%d: %w", s.partition, err)
	}
	b := newBatch(s.schema)
	b.id = in.Batch
	// Of a reading that broke off, the rows are in the batch: the next one
	// begins where it ended, or the window would take them for resends.
	next := in.First
	var unread error // the registry refuses to tell how a record is read
	if _, err := s.history.again().do(ctx, func(ctx context.Context) error {
		if next >= in.Next || unread != nil {
			return nil //nolint:nilerr // no repetition mends what is unread, which is looked at after them
		}
		return rereadSpan(ctx, s.cfg.Kafka, s.partition, next, in.Next, func(r *kgo.Record) {
			if unread != nil {
				return
			}
			if unread = s.decoders.Await(ctx, r); unread != nil {
				return
			}
			s.filler.add(b, s.past.windowAt(r.Offset), r, shard, arrival(r, time.Now()), s.most)
			next = r.Offset + 1
		})
	}); err != nil || unread != nil {
		err = errors.Join(err, unread)
		return nil, fmt.Errorf("settle batch %s of p%d [%d,%d): %w", in.Batch, s.partition, in.First, in.Next, err)
	}
	s.filler.enricher.fill(b)
	if err := s.rejects.take(b.records(), b.rejects); err != nil {
		return nil, fmt.Errorf("settle p%d: %w", s.partition, err)
	}
	return b, s.store.letters.send(ctx, b.rejects)
}

// fence inserts the rows under the step's token, each place with an insert of its own.
// Those that ClickHouse refuses together with others are missing at the next
// check, and have a token of their own then; one that it refuses alone is
// dead-lettered, and no longer the batch's. unspent is of some place, as of a
// [taking].
func (s *settlement) fence(ctx context.Context, step intent.Step, b *batch) (unspent bool, err error) {
	token := step.Token
	if failpoint.Off("fence") {
		token += "-unfenced"
	}
	for _, at := range b.inserts() {
		rows := b.blocks[at]
		t, err := s.store.insertSome(ctx, &b.inquiry, token, at, rows, step.Alone)
		if err != nil {
			return false, err
		}
		if t.unspent {
			unspent = true
			continue
		}
		if len(t.rejected) > 0 {
			b.blocks[at] = rows.Where(func(o schema.Origin) bool { return !slices.Contains(t.rejected, o) })
		}
		s.found.Rows += rows.Rows() - len(t.rejected)
	}
	return unspent, nil
}

// check drops the rows that are stored from the batch and returns how many are
// left.
func (s *settlement) check(ctx context.Context, b *batch) (missing int, err error) {
	if failpoint.Off("receipts") {
		return 0, nil
	}
	b.inquiry = inquiry{at: s.claimedAt}
	for _, at := range b.inserts() {
		// Of all shards: the partition may have been another's when they came.
		for shard := range s.store.receipts {
			if _, err := s.history.again().do(ctx, func(ctx context.Context) error {
				left, err := s.store.missing(ctx, shard, b.blocks[at])
				if err == nil {
					b.blocks[at] = left
				}
				return err
			}); err != nil {
				return 0, err
			}
		}
		missing += b.blocks[at].Rows()
	}
	return missing, nil
}
