package enginebench

import (
	"context"
	"errors"
	"os"
	"time"

	"penstock/schema"
)

// sampled is how often parts are counted in a sustained run.
const sampled = time.Second

// measure measures a case once.
func (s *session) measure(ctx context.Context, c Case, blocks []*schema.Block) (f Figures, err error) {
	v, _ := variantNamed(c.Variant)
	for _, run := range []func(context.Context, *server, []*schema.Block, *Figures) error{s.apart, s.sustained} {
		err := s.with(ctx, v, func(server *server) error { return run(ctx, server, blocks, &f) })
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// with starts a server for do. Its data are left behind only if that fails.
func (s *session) with(ctx context.Context, v variant, do func(*server) error) (err error) {
	server, err := s.start(ctx, v)
	if err != nil {
		return err
	}
	if err := errors.Join(do(server), server.stop()); err != nil {
		return err
	}
	return os.RemoveAll(server.state)
}

// apart measures inserts while nothing is merged, and then one merge.
func (s *session) apart(ctx context.Context, server *server, blocks []*schema.Block, f *Figures) error {
	if err := server.exec(ctx, "SYSTEM STOP MERGES"); err != nil {
		return err
	}
	began := time.Now()
	took, err := server.taking(func() error {
		for _, b := range blocks {
			if err := server.insert(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	events := float64(len(blocks) * blocks[0].Rows())
	f.InsertSeconds = took * 1e6 / events
	f.InsertWall = time.Since(began).Seconds() * 1e6 / events
	created, err := server.number(ctx, "(SELECT sum(value) FROM system.events WHERE event IN ('InsertedWideParts', 'InsertedCompactParts'))")
	if err != nil {
		return err
	}
	f.PartsAnInsert = created / float64(len(blocks))
	if f.MergeSeconds, err = server.mergeOnce(ctx, events); err != nil {
		return err
	}
	return server.disk(ctx, events, f)
}

// mergeOnce makes one part of all and returns the CPU time a million events.
func (s *server) mergeOnce(ctx context.Context, events float64) (float64, error) {
	all := []string{s.schema.Hot(s.tables)}
	for _, r := range s.schema.RollupTables(s.tables) {
		all = append(all, r.State())
	}
	for _, table := range all { // or the server would merge some by itself
		if err := s.exec(ctx, "ALTER TABLE "+table+" MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1"); err != nil {
			return 0, err
		}
	}
	if err := s.exec(ctx, "SYSTEM START MERGES"); err != nil {
		return 0, err
	}
	took, err := s.taking(func() error {
		for _, table := range all {
			if err := s.exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
				return err
			}
		}
		return nil
	})
	return took * 1e6 / events, err
}

// disk reads what is on disk of each kind, an event.
func (s *server) disk(ctx context.Context, events float64, f *Figures) (err error) {
	bytes := func(from, where string) (n float64) {
		if err == nil {
			n, err = s.number(ctx, "(SELECT sum(bytes_on_disk) FROM system."+from+" WHERE active AND "+where+")")
		}
		return n / events
	}
	f.DiskReceipts = bytes("projection_parts", "name = 'receipts'")
	f.DiskEvents = bytes("parts", "table = "+schema.QuoteString(s.schema.Name)) - f.DiskReceipts
	f.DiskRollup = bytes("parts", "endsWith(table, '_state')")
	return err
}

// sustained measures inserts at a steady rate, beside merges.
func (s *session) sustained(ctx context.Context, server *server, blocks []*schema.Block, f *Figures) error {
	interval := time.Duration(float64(blocks[0].Rows()) / s.cfg.Rate * float64(time.Second))
	began := time.Now()
	took, err := server.taking(func() error {
		looked := began
		for i, b := range blocks {
			select {
			case <-time.After(time.Until(began.Add(time.Duration(i) * interval))):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := server.insert(ctx, b); err != nil {
				return err
			}
			if time.Since(looked) >= sampled {
				looked = time.Now()
				if err := server.countParts(ctx, f); err != nil {
					return err
				}
			}
		}
		return server.countParts(ctx, f)
	})
	if err != nil {
		return err
	}
	events := float64(len(blocks) * blocks[0].Rows())
	f.Seconds = took * 1e6 / events
	f.Rate = events / time.Since(began).Seconds()
	merged, err := server.number(ctx, "(SELECT sum(value) FROM system.events WHERE event = 'MergedRows')")
	f.MergedPerEvent = merged / events
	return err
}

// countParts notes how many parts the events have.
func (s *server) countParts(ctx context.Context, f *Figures) (err error) {
	f.PartsEnd, err = s.number(ctx, "(SELECT count() FROM system.parts WHERE active AND table = "+schema.QuoteString(s.schema.Name)+")")
	f.PartsMost = max(f.PartsMost, f.PartsEnd)
	return err
}

// taking returns the CPU time the server takes while do runs, in seconds.
func (s *server) taking(do func() error) (float64, error) {
	before, err := s.used()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := s.used()
	return after.Seconds() - before.Seconds(), err
}
