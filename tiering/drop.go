package tiering

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"penstock/failpoint"
	"penstock/schema"
)

// Part is a part of a day's sealed partition: some of its rows, which never
// grow in number. Parts are merged by ClickHouse, into one with all their
// blocks.
type Part struct {
	Name string
	// FirstBlock and LastBlock bound the numbers of the blocks it was made of.
	// What comes to the partition later has higher ones.
	FirstBlock, LastBlock int64
	Rows                  uint64
	// Twin: the hot table has the same part, with the same bytes.
	Twin bool
}

// lastBlock is the highest block of the parts; 0 for none.
func lastBlock(parts []Part) (last int64) {
	for _, part := range parts {
		last = max(last, part.LastBlock)
	}
	return last
}

func rowsOf(parts []Part) (rows uint64) {
	for _, part := range parts {
		rows += part.Rows
	}
	return rows
}

// own divides the parts of the sealed partition into those the generation was
// made of, in the order of their blocks, and strays, which came later: from a
// compactor that was frozen with the statement that seals and did not notice
// that its lease had passed to another. Strays are in no file of the generation.
// An error is a [Fault] of the day.
func (g Generation) own(day schema.Day, parts []Part) (own, strays []Part, err error) {
	for _, part := range parts {
		switch {
		case part.FirstBlock > g.LastBlock:
			strays = append(strays, part)
		case part.LastBlock > g.LastBlock:
			return nil, nil, ofDay(day, NotSealed, "part %s of the sealed partition has blocks up to %d, and generation %d was made of those up to %d: ClickHouse merged rows that are in its files with rows that were sealed later; "+
				"nothing is dropped: insert the rows that no file has into the hot table, then drop the part by hand", part.Name, part.LastBlock, g.Generation, g.LastBlock)
		default:
			own = append(own, part)
		}
	}
	// Fewer than were read is a drop that was interrupted, or another's. None is
	// a drop that was done and not recorded.
	if rows := rowsOf(own); rows > g.RowsRead || rows < g.RowsRead && len(own) > 0 && g.DropBegunAt == nil {
		return nil, nil, ofDay(day, NotSealed, "the sealed partition has %d rows, generation %d was made of %d; nothing is dropped: find who changed the sealed table", rows, g.Generation, g.RowsRead)
	}
	slices.SortFunc(own, func(a, b Part) int { return cmp.Compare(a.LastBlock, b.LastBlock) })
	return own, strays, nil
}

// expire drops what the day's open generation was made of, once its files are
// verified again.
func (p *pass) expire(ctx context.Context, day schema.Day) error {
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	g := *p.manifests[day].open()
	if err := p.apart(func() error { return p.verify(ctx, s, day, g, p.lease.renew) }); err != nil {
		return fmt.Errorf("nothing is dropped: %w", err)
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	if err := p.beginDrop(ctx, day); err != nil {
		return err
	}
	if err := p.settle(ctx, p.catalog.view(p.manifests)); err != nil {
		return err
	}
	failpoint.At("drop.before")
	var left []Part
	err = p.warehouse.DropSealed(ctx, day, func(parts []Part) (own []Part, err error) {
		own, left, err = p.manifests[day].open().own(day, parts)
		return own, err
	})
	if err != nil {
		return err
	}
	failpoint.At("drop.after")
	if rows := rowsOf(left); rows > 0 {
		p.events.Strayed(day, rows)
	}
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.Generations[len(next.Generations)-1].ExpiredAt = &now
	if err := p.publish(ctx, day, next); err != nil {
		return err
	}
	failpoint.At("expired.after")
	return p.show(ctx, p.manifests)
}

// beginDrop counts what is to be dropped, and records that it is: parts are
// dropped one by one, and after a crash between two of them fewer are no fault.
func (p *pass) beginDrop(ctx context.Context, day schema.Day) error {
	g := p.manifests[day].open()
	if g.DropBegunAt != nil {
		return nil
	}
	parts, err := p.warehouse.SealedParts(ctx, day)
	if err != nil {
		return err
	}
	if _, _, err := g.own(day, parts); err != nil {
		return err
	}
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.Generations[len(next.Generations)-1].DropBegunAt = &now
	return p.publish(ctx, day, next)
}
