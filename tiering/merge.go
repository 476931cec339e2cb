package tiering

import (
	"cmp"
	"context"
	"slices"

	"penstock/failpoint"
	"penstock/schema"
)

// mergeable returns the places, among the day's generations and in their order,
// of those that are to become one: the smallest, as many as are at most MergeRows
// together, if those are more than MergeGenerations. A large generation, such as
// a fleet's first of a day, is not written again for the sake of small ones; what
// late ones become is, until it is large. Nothing while one is open.
func (m *Manifest) mergeable(p Policy) []int {
	if m == nil || m.open() != nil {
		return nil
	}
	var bySize []int
	for i := range m.Generations {
		bySize = append(bySize, i)
	}
	slices.SortStableFunc(bySize, func(a, b int) int { return cmp.Compare(m.Generations[a].Rows, m.Generations[b].Rows) })
	var rows uint64
	fit := 0
	for _, i := range bySize {
		if rows += m.Generations[i].Rows; rows > p.MergeRows {
			break
		}
		fit++
	}
	if fit <= p.MergeGenerations {
		return nil
	}
	return slices.Sorted(slices.Values(bySize[:fit]))
}

// merged is the generation that these become. It has neither its number nor its
// files yet. Its times are those of the latest one: they say when rows went from
// ClickHouse, and late ones are due by it.
func merged(parts []Generation) Generation {
	last := slices.MaxFunc(parts, func(a, b Generation) int { return a.PublishedAt.Compare(b.PublishedAt) })
	g := Generation{PublishedAt: last.PublishedAt, CutOverAt: last.CutOverAt, ExpiredAt: last.ExpiredAt}
	for _, part := range parts {
		g.Merged = append(g.Merged, part.Generation)
		g.RowsRead += part.RowsRead
		g.Rows += part.Rows
		g.Duplicates += part.Duplicates
		g.Erased += part.Erased
	}
	return g
}

// merge makes the day's small generations one. The manifest comes first and the
// view after it: both lists of files show the same rows, and a view that a crash
// left behind is put right by the next pass. The files that are listed no more
// stay for queries that have planned with them, until gc.
func (p *pass) merge(ctx context.Context, day schema.Day) error {
	m := p.manifests[day]
	var parts []Generation
	var inputs []File
	for _, i := range m.mergeable(p.cfg.Policy) {
		parts = append(parts, m.Generations[i])
		inputs = append(inputs, m.Generations[i].Files...)
	}
	s, err := p.warehouse.Schema(ctx)
	if err != nil {
		return err
	}
	g := merged(parts)
	g.Generation, g.SchemaVersion = m.nextGeneration(), s.Version
	err = p.apart(func() error {
		if g.Files, err = p.rewrite(ctx, p.rewriting(ctx, s, day, g.Generation, 0, inputs)); err != nil {
			return err
		}
		return p.verify(ctx, s, day, g, p.lease.renew)
	})
	if err != nil {
		return err
	}
	if err := p.lease.renew(ctx); err != nil {
		return err
	}
	next := p.nextManifest(day)
	next.Generations = slices.DeleteFunc(next.Generations, func(g Generation) bool {
		return slices.ContainsFunc(parts, func(part Generation) bool { return part.Generation == g.Generation })
	})
	next.add(g)
	failpoint.At("merge.before")
	if err := p.publish(ctx, day, next); err != nil {
		return err
	}
	failpoint.At("merge.after")
	return p.show(ctx, p.manifests)
}

// rewrite does a rewriting to its end.
func (p *pass) rewrite(ctx context.Context, r *rewriting) ([]File, error) {
	defer r.abandon()
	if len(r.inputs) > 0 {
		if err := r.scan(); err != nil {
			return nil, err
		}
	}
	return r.finish()
}
