package tiering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"penstock/failpoint"
	"penstock/schema"
)

// pass is one pass under the lease. Its days have their turns at what concerns
// all of them: the view, the manifests, the tables. What is about one day's files
// alone is done apart, beside the turns of others.
type pass struct {
	*Compactor
	lease *lease

	// stale: the view was not what the manifests say when the pass began, so
	// queries may have planned with another a moment ago.
	stale bool

	turn      sync.Mutex // held by advance; guards what follows
	manifests map[schema.Day]*Manifest
	// sealing: a move that got no answer may still be executed, as long as the lease
	// lasts. So it is not given back, and nobody does anything to the day until then.
	sealing bool
}

// all takes days as far as they can go now and returns the steps that are left.
func (p *pass) all(ctx context.Context, steps []Step) ([]Step, error) {
	p.events.Planned(steps)
	passing, stop := context.WithCancel(ctx)
	defer stop()
	var next atomic.Int64
	failed := make([]error, len(steps))
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(steps)) && passing.Err() == nil; i = next.Add(1) - 1 {
			if steps[i], failed[i] = p.advance(passing, steps[i]); failed[i] == nil {
				continue
			}
			if _, rest := Faults(failed[i]); rest != nil {
				stop()
			}
		}
	}
	due := 0
	for _, s := range steps {
		if s.Ready(p.now()) {
			due++
		}
	}
	var g sync.WaitGroup
	g.Go(work)
	for ; due > 1 && p.budget.try(); due-- {
		g.Go(func() {
			defer p.budget.giveBack()
			work()
		})
	}
	g.Wait()
	if ctx.Err() == nil {
		// What was stopped since another day had failed has not failed by itself.
		failed = slices.DeleteFunc(failed, func(err error) bool { return errors.Is(err, context.Canceled) })
	}
	p.events.Planned(steps)
	left := slices.DeleteFunc(steps, func(s Step) bool { return s.Action == Nothing })
	return left, errors.Join(append([]error{ctx.Err()}, failed...)...)
}

// apart does what takes long and is about nothing but the files and the sealed
// rows of the day whose turn it is, while others have theirs.
func (p *pass) apart(do func() error) error {
	p.turn.Unlock()
	defer p.turn.Lock()
	return do()
}

// advance takes one generation of a day as far as it can go now, and returns
// the step that is left. A day whose late rows trickle in gets one generation a
// pass: with more it might never end, and each would be a file of few rows.
func (p *pass) advance(ctx context.Context, step Step) (Step, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	for generation := step.Generation; step.Ready(p.now()) && step.Generation == generation; {
		if err := ctx.Err(); err != nil || p.sealing {
			return step, err // nothing more is begun
		}
		if err := p.lease.renew(ctx); err != nil {
			return step, err
		}
		p.events.Begun(step)
		begun := p.now()
		if err := p.do(ctx, step); err != nil {
			err = fmt.Errorf("%v: %w", step, err)
			p.events.Failed(step, err)
			return step, err
		}
		p.events.Done(step, p.now().Sub(begun))

		part, err := p.partition(ctx, step.Day)
		if err != nil {
			return step, err
		}
		step = Next(p.now(), part, p.manifests[step.Day], p.cfg.Policy)
	}
	return step, nil
}

func (p *pass) do(ctx context.Context, s Step) error {
	switch s.Action {
	case Seal:
		return p.seal(ctx, s.Day)
	case Export:
		return p.export(ctx, s)
	case CutOver:
		return p.cutOver(ctx, s.Day)
	case Expire:
		return p.expire(ctx, s.Day)
	case Merge:
		return p.merge(ctx, s.Day)
	case Retire:
		return p.retire(ctx, s.Day)
	case Load:
		return p.load(ctx, s.Day)
	case Release:
		return p.release(ctx, s.Day)
	case Drop:
		return p.drop(ctx, s.Day)
	}
	panic(fmt.Sprintf("BUG: %q is no action to do", s.Action))
}

// partition asks for one day anew.
func (p *pass) partition(ctx context.Context, day schema.Day) (Partition, error) {
	all, err := p.warehouse.Partitions(ctx)
	if err != nil {
		return Partition{}, err
	}
	return partitionOf(all, day), nil
}

func partitionOf(all []Partition, day schema.Day) Partition {
	for _, part := range all {
		if part.Day == day {
			return part
		}
	}
	return Partition{Day: day}
}

func (p *pass) seal(ctx context.Context, day schema.Day) error {
	// Counted, not taken from the plan: a partition that appeared since would
	// become part of this generation's source without being in its files.
	parts, err := p.warehouse.SealedParts(ctx, day)
	if err != nil {
		return err
	}
	if rows := rowsOf(parts); rows > 0 {
		return fmt.Errorf("the sealed table holds %d rows of the day already; another compactor may be running: stop it and run again", rows)
	}
	if _, err := p.known(ctx); err != nil {
		return err
	}
	row, err := p.warehouse.HotRow(ctx, day)
	if err != nil {
		return err
	}
	v := p.catalog.view(p.manifests)
	v.Moving = &row
	failpoint.At("moving.before")
	if err := p.settle(ctx, v); err != nil {
		return err
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	failpoint.At("move.before")
	if err := p.warehouse.Seal(ctx, day, p.lease.end()); err != nil {
		p.sealing = !errors.Is(err, ErrNotSealed)
		return err
	}
	failpoint.At("move.after")
	return p.show(ctx, p.manifests)
}

func (p *pass) cutOver(ctx context.Context, day schema.Day) error {
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.Generations[len(next.Generations)-1].CutOverAt = &now

	// The view before its record: a record alone would let the grace period,
	// and then the drop, begin while queries still read the sealed partition.
	shown := maps.Clone(p.manifests)
	shown[day] = next
	failpoint.At("cutover.before")
	if err := p.show(ctx, shown); err != nil {
		return err
	}
	failpoint.At("cutover.shown")
	if err := p.publish(ctx, day, next); err != nil {
		return err
	}
	failpoint.At("cutover.after")
	return nil
}

func (p *pass) nextManifest(day schema.Day) *Manifest {
	return p.manifests[day].next(p.table, day, p.now(), p.lease.held.Fence)
}

func (p *pass) publish(ctx context.Context, day schema.Day, m *Manifest) error {
	if err := p.catalog.publish(ctx, m); err != nil {
		return err
	}
	p.manifests[day] = m
	return nil
}
