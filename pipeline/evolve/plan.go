package evolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/schema"
)

// Plan proposes what the schema could become by what the rows of the last time
// hold in extra, on all shards. It changes nothing.
func (r *Registry) Plan(ctx context.Context, last time.Duration, by string, l schema.Limits) (*schema.Schema, schema.Proposal, error) {
	base, err := r.Newest(ctx, schema.Ready)
	if err != nil {
		return nil, schema.Proposal{}, err
	}
	if base = cmp.Or(base, r.file); base.Version < r.file.Version {
		base = r.file
	}
	var seen []schema.Observation
	for i := range r.conns {
		if err := r.observe(ctx, i, base.Observations(r.tables, last, by), &seen); err != nil {
			return nil, schema.Proposal{}, err
		}
	}
	p, err := base.Propose(seen, l)
	return base, p, err
}

func (r *Registry) observe(ctx context.Context, shard int, query string, into *[]schema.Observation) (err error) {
	rows, err := r.conns[shard].Query(ctx, query)
	if err != nil {
		return r.fail(shard, "what rows hold in extra", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o schema.Observation
		var short uint8
		if err := rows.Scan(&o.Name, &o.Kind, &o.By, &o.Rows, &o.Min, &o.Max, &short); err != nil {
			return r.fail(shard, "what rows hold in extra", err)
		}
		o.Short = short != 0
		*into = append(*into, o)
	}
	return rows.Err()
}

// Auto adds columns for new fields until ctx ends, every c.Every, while leads says
// so: one node of a group is enough, though several would do no harm. Told hears
// of each step that is taken, failed of what did not work and is tried again.
func (r *Registry) Auto(ctx context.Context, c Config, leads func() bool, told func(step string), failed func(error)) {
	again := time.NewTicker(c.Every)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if !leads() {
			continue
		}
		err := r.grow(ctx, c, told)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, ErrOvertaken) {
			failed(fmt.Errorf("new fields are no columns yet: %w", err))
		}
	}
}

// grow finishes what is accepted, and adds the columns that are proposed.
func (r *Registry) grow(ctx context.Context, c Config, told func(string)) error {
	if _, err := r.finished(ctx, told); err != nil {
		return err
	}
	_, p, err := r.Plan(ctx, c.Recent, c.By, schema.Limits{Columns: c.MaxColumns, Rows: uint64(c.Rows)})
	if err != nil || p.Next == nil {
		return err
	}
	return r.Apply(ctx, p.Next, told)
}
