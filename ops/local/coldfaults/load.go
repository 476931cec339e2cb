package coldfaults

import (
	"context"
	"time"
)

// The streams of choices of a round.
const (
	playing uint64 = iota
	writing
	looking
)

// insert stores a batch that gets the next number, and enters it in the ledger
// from both sides. A batch of none resends nothing.
func (r *round) insert(ctx context.Context, b batch) (err error) {
	r.out.batches++
	b.id = r.out.batches
	if b.of == 0 {
		b.of = b.id
	}
	if b.hash, err = r.table.hash(ctx, b); err != nil {
		return err
	}
	r.ledger.begin(b)
	if err := r.table.insert(ctx, b); err != nil {
		return err
	}
	r.ledger.acknowledged(b.id)
	return nil
}

// write inserts late rows of cold days until ctx ends, and what devices send
// again, and rows of today. Where ClickHouse is being killed an insert may fail;
// then nobody knows whether it was stored, and the next one follows.
func (r *round) write(ctx context.Context) error {
	rand := r.random(writing)
	for sleep(ctx, r.cfg.Late) == nil {
		b := batch{day: r.coldDay(rand.IntN(r.cfg.Days)), rows: 1 + rand.Uint64N(200)}
		switch rand.IntN(10) {
		case 0:
			b.day = r.today
		case 1, 2:
			if of, ok := r.ledger.original(b.rows, rand.IntN); ok {
				b.of, b.day = of.id, of.day
			}
		}
		// Not under ctx: whether what was begun is stored is to be known.
		if err := r.insert(context.WithoutCancel(ctx), b); err != nil && r.Scenario != ClickHouseKill {
			return err
		}
	}
	return nil
}

// lookEvery is the pause between two looks; they are to see every state a day
// passes through, and to leave the cores to who moves it.
const lookEvery = 100 * time.Millisecond

// watch asks the view, in one way or another, until ctx ends.
func (r *round) watch(ctx context.Context) {
	rand := r.random(looking)
	for sleep(ctx, lookEvery) == nil {
		k := &look{}
		switch rand.IntN(10) {
		case 0, 1, 2:
			day := r.coldDay(rand.IntN(r.cfg.Days))
			k.day = &day
		case 3, 4:
			k.hashed = true
		}
		if err := r.lookAt(ctx, k); err != nil && ctx.Err() == nil {
			r.out.blind(err, r.Scenario == ClickHouseKill || r.queriesFail())
		}
	}
}

// lookAt asks the view once and judges the answer. The error is that there was
// none.
func (r *round) lookAt(ctx context.Context, k *look) error {
	certain, began := r.ledger.certain(), time.Now()
	if err := r.table.look(ctx, k); err != nil {
		return err
	}
	took := time.Since(began)
	r.out.looked(began, took, r.cfg.Settle, r.ledger.judge(*k, certain))
	return nil
}
