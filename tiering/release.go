package tiering

import (
	"context"
	"errors"
	"fmt"

	"penstock/failpoint"
	"penstock/schema"
)

// Release ends the stay of restored days now: when it returns, the view reads
// their files again. The sealed rows are dropped after the grace period, by
// this or a later pass.
func (c *Compactor) Release(ctx context.Context, days []schema.Day) ([]Step, error) {
	return c.eachOf(ctx, days, func(p *pass, part Partition) (*Manifest, error) {
		if !p.manifests[part.Day].restored() {
			return nil, fmt.Errorf("day %s is not restored; `compactor calendar` shows which are", part.Day)
		}
		next := p.nextManifest(part.Day)
		next.Restored.Until = p.now().UTC()
		return next, nil
	})
}

// release has the view read the files again. If it read the sealed rows until
// now, it is proven first that the files have them: nobody has read the files
// for a while.
func (p *pass) release(ctx context.Context, day schema.Day) error {
	if m := p.manifests[day]; m.Restored.shown() {
		if err := p.apart(func() error { return p.inFiles(ctx, day, m) }); err != nil {
			return fmt.Errorf("the view reads the sealed rows on: %w", err)
		}
	}
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.Restored.ReleasedAt = &now
	return p.flip(ctx, day, next)
}

// drop drops the sealed rows of a released day, of which the files have every
// one. A day that was to stay and never came to be shown is loaded anew.
func (p *pass) drop(ctx context.Context, day schema.Day) error {
	parts, err := p.warehouse.SealedParts(ctx, day)
	if err != nil {
		return err
	}
	last := lastBlock(parts)
	m := p.manifests[day]
	if err := p.apart(func() error { return p.inFiles(ctx, day, m) }); err != nil {
		return fmt.Errorf("nothing is dropped: %w", err)
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	if err := p.settle(ctx, p.catalog.view(p.manifests)); err != nil {
		return err
	}
	failpoint.At("drop.before")
	// Only what was looked up: what came since may be in no file.
	err = p.warehouse.DropSealed(ctx, day, func(parts []Part) (own []Part, err error) {
		for _, part := range parts {
			switch {
			case part.LastBlock <= last:
				own = append(own, part)
			case part.FirstBlock <= last:
				return nil, fmt.Errorf("part %s of the sealed partition has rows that came while the others were looked up in the files; nothing is dropped: run again", part.Name)
			}
		}
		return own, nil
	})
	if err != nil {
		return err
	}
	failpoint.At("drop.after")
	next := p.nextManifest(day)
	next.Restored = nil
	if r := p.manifests[day].Restored; r.ShownAt == nil && p.now().Before(r.Until) {
		next.Restored = &Restoration{Version: next.Version, Since: next.Written, Until: r.Until}
	}
	if err := p.publish(ctx, day, next); err != nil {
		return err
	}
	return p.show(ctx, p.manifests)
}

// inFiles proves that the day's files are whole, and have every row of the
// sealed partition. Rows are looked up by their identity and not counted: of a
// loading that was interrupted, or a drop, some are missing, and a row that
// somebody put there would make up for one of them.
func (p *pass) inFiles(ctx context.Context, day schema.Day, m *Manifest) error {
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, g := range m.Generations {
		faults = append(faults, p.verify(ctx, s, day, g, p.lease.renew))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	rows, err := p.warehouse.SealedBeside(ctx, s, day, p.catalog.files(m))
	if err == nil && rows > 0 {
		err = ofDay(day, NotSealed, "the sealed partition has %d rows that are in no file of the day; find who changed the sealed table, and insert them into the hot table before they are removed", rows)
	}
	return err
}
