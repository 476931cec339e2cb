package tiering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"penstock/schema"
	"penstock/tiering/archive"
)

// Restore brings cold days back into ClickHouse until the time given: when it
// returns, the view reads their sealed partitions. A day that is restored
// already stays until then. It holds the lease meanwhile; ErrHeld if another
// does. What it leaves unfinished every pass goes on with.
func (c *Compactor) Restore(ctx context.Context, days []schema.Day, until time.Time) ([]Step, error) {
	return c.eachOf(ctx, days, func(p *pass, part Partition) (*Manifest, error) {
		m := p.manifests[part.Day]
		if err := restorable(part, m); err != nil {
			return nil, err
		}
		next := p.nextManifest(part.Day)
		if next.Restored == nil {
			next.Restored = &Restoration{Version: next.Version, Since: next.Written}
		}
		next.Restored.Until = until.UTC()
		return next, nil
	})
}

// eachOf has decide say what becomes of each day, and when it refuses none,
// records that and takes the days as far as they can go now.
func (c *Compactor) eachOf(ctx context.Context, days []schema.Day, decide func(*pass, Partition) (*Manifest, error)) (left []Step, err error) {
	err = c.underLease(ctx, func(p *pass) error {
		partitions, err := c.warehouse.Partitions(ctx)
		if err != nil {
			return err
		}
		var faults []error
		decided := map[schema.Day]*Manifest{}
		for _, day := range days {
			m, err := decide(p, partitionOf(partitions, day))
			decided[day] = m
			faults = append(faults, err)
		}
		if err := errors.Join(faults...); err != nil {
			return err
		}
		for _, day := range slices.Sorted(maps.Keys(decided)) {
			if err := p.stay(ctx, day, decided[day]); err != nil {
				return fmt.Errorf("day %s: %w", day, err)
			}
			part, err := p.partition(ctx, day)
			if err != nil {
				return err
			}
			step, err := p.advance(ctx, Next(p.now(), part, p.manifests[day], p.cfg.Policy))
			if err != nil {
				return err
			}
			left = append(left, step)
		}
		return nil
	})
	return left, err
}

// restorable says why a day cannot be restored, or that it can.
func restorable(part Partition, m *Manifest) error {
	switch day := part.Day; {
	case m == nil:
		return fmt.Errorf("day %s is not in the cold tier; `compactor calendar` shows the days that are", day)
	case m.RetiredAt != nil:
		return fmt.Errorf("day %s was retired at %s: it has no files any more", day, m.RetiredAt.Format(time.RFC3339))
	case m.restored() && m.Restored.ReleasedAt != nil:
		return fmt.Errorf("day %s was released at %s and its sealed rows are not dropped yet; run `compactor run --once` after the grace period and try again",
			day, m.Restored.ReleasedAt.Format(time.RFC3339))
	case m.restored():
		return nil
	case m.open() != nil:
		return fmt.Errorf("generation %d of day %s is still in the sealed table; run `compactor run --once` after the grace period and try again", m.open().Generation, day)
	case part.SealedRows > 0:
		return fmt.Errorf("the sealed table holds %d rows of day %s that are not exported yet; run `compactor run --once` and try again", part.SealedRows, day)
	case m.Rows() == 0:
		return fmt.Errorf("the files of day %s have no rows", day)
	}
	return nil
}

// stay records a day's stay. The view leaves the day's sealed partition out, and
// queries that were planned with another have looked at it, before the record
// lets rows come into it.
func (p *pass) stay(ctx context.Context, day schema.Day, next *Manifest) error {
	shown := maps.Clone(p.manifests)
	shown[day] = next
	if err := p.settle(ctx, p.catalog.view(shown)); err != nil {
		return err
	}
	return p.publish(ctx, day, next)
}

// load inserts the rows of the day's files into the sealed partition, compares
// what it holds then, and has the view read it.
func (p *pass) load(ctx context.Context, day schema.Day) error {
	m := p.manifests[day]
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	l := loading{pass: p, schema: s, day: day, stay: *m.Restored, of: m.Rows()}
	for _, g := range m.Generations {
		if err := written(s, day, g); err != nil {
			return err
		}
		for _, f := range g.Files {
			// Somebody who adds a column may have put back a view that reads
			// what is only half here.
			if err := p.settle(ctx, p.catalog.view(p.manifests)); err != nil {
				return err
			}
			if err := p.apart(func() error { return l.file(ctx, f) }); err != nil {
				return err
			}
		}
	}
	if err := p.apart(func() error { return p.compare(ctx, s, day, m) }); err != nil {
		return fmt.Errorf("the view reads the files on: %w; give this up with `compactor release --day %s`", err, day)
	}
	next := p.nextManifest(day)
	now := p.now().UTC()
	next.Restored.ShownAt = &now
	return p.flip(ctx, day, next)
}

// flip replaces the view and then records it, as the cut-over does and for the
// same reason.
func (p *pass) flip(ctx context.Context, day schema.Day, next *Manifest) error {
	shown := maps.Clone(p.manifests)
	shown[day] = next
	if err := p.show(ctx, shown); err != nil {
		return err
	}
	return p.publish(ctx, day, next)
}

// loading is one attempt to insert the rows of a day's files.
type loading struct {
	*pass
	schema   *schema.Schema
	day      schema.Day
	stay     Restoration
	rows, of uint64
}

// file inserts one file. Its blocks are those the file is divided into, so every
// attempt sends the same rows under the same token, and what an attempt before
// has stored is not stored again. Columns that the file lacks are not named: the
// table makes them of extra, as the view does.
func (l *loading) file(ctx context.Context, f File) error {
	columns, err := f.columns(l.schema)
	if err != nil {
		return err
	}
	return l.fetch(ctx, l.day, f, func(spool *os.File) error {
		block := 0
		return archive.ReadRows(spool, f.Bytes, columns, func(rows *archive.Rows) error {
			if err := l.lease.renew(ctx); err != nil {
				return err
			}
			token := l.stay.token(l.table, l.day, f.Path, block)
			if err := l.warehouse.InsertSealed(ctx, rows, token); err != nil {
				return fmt.Errorf("block %d of %s: %w", block, l.catalog.key(f.Path), err)
			}
			block++
			l.rows += uint64(rows.Len())
			l.events.Loaded(l.day, l.rows, l.of)
			return nil
		})
	})
}

// compare reads the sealed partition as an export does and compares rows and
// column checksums with those of the day's files.
func (p *pass) compare(ctx context.Context, s *schema.Schema, day schema.Day, m *Manifest) error {
	want, err := p.sums(ctx, s, m)
	if err != nil {
		return err
	}
	columns := s.Columns()
	got := make(archive.Sums, len(columns))
	var rows uint64
	err = p.warehouse.ScanSealed(ctx, s, day, nil, func(b *archive.Block, _ []bool) error {
		if err := p.lease.renew(ctx); err != nil {
			return err
		}
		if err := p.pay(ctx, b.Bytes()); err != nil {
			return err
		}
		got.Add(b.Sums([]archive.Run{{From: 0, To: b.Rows()}}))
		rows += uint64(b.Rows())
		p.events.Compared(day, rows, m.Rows())
		return nil
	})
	if err != nil {
		return err
	}
	if rows != m.Rows() {
		return ofDay(day, NotSealed, "the sealed partition holds %d rows, the files %d", rows, m.Rows())
	}
	var differ []string
	for i, c := range columns {
		if got[i] != want[i] {
			differ = append(differ, fmt.Sprintf("%s is %s, want %s", c.Name, got[i], want[i]))
		}
	}
	if len(differ) > 0 {
		return ofDay(day, NotSealed, "the sealed partition does not hold what the files do: checksum of %s", strings.Join(differ, "; of "))
	}
	return nil
}

// sums returns the checksums of the rows of a day's files. Those of a column
// that some file lacks are no sums of what manifests list: its values are what
// extra has, and the files are read for them, by ClickHouse, as the view does.
func (p *pass) sums(ctx context.Context, s *schema.Schema, m *Manifest) (archive.Sums, error) {
	columns := s.Columns()
	sums, listed, files := make(archive.Sums, len(columns)), make([]int, len(columns)), 0
	for _, g := range m.Generations {
		for _, f := range g.Files {
			files++
			for _, c := range f.Columns {
				if i := slices.IndexFunc(columns, func(of schema.Column) bool { return of.ID == c.ID }); i >= 0 {
					sums[i] += c.Sum
					listed[i]++
				}
			}
		}
	}
	lacked := func(n int) bool { return n < files }
	if !slices.ContainsFunc(listed, lacked) {
		return sums, nil
	}
	read := make(archive.Sums, len(columns))
	err := p.warehouse.ScanFiles(ctx, s, p.catalog.files(m), func(b *archive.Block, _ []uint32) error {
		read.Add(b.Sums([]archive.Run{{From: 0, To: b.Rows()}}))
		return p.lease.renew(ctx)
	})
	for i, n := range listed {
		if lacked(n) {
			sums[i] = read[i]
		}
	}
	return sums, err
}
