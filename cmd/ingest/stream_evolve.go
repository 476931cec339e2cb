package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"penstock/pipeline"
	"penstock/pipeline/evolve"
	"penstock/schema"
)

// leadership is whether this node is the one of its group that adds columns: the
// one that has the topic's first partition. For a moment two may think so, or
// none; what they do bears both.
type leadership struct{ held atomic.Bool }

const leadersPartition = 0

func (l *leadership) events() pipeline.Events {
	gone := func(partitions []int32) {
		if slices.Contains(partitions, leadersPartition) {
			l.held.Store(false)
		}
	}
	return pipeline.Events{
		Assigned: func(partitions []int32) {
			if slices.Contains(partitions, leadersPartition) {
				l.held.Store(true)
			}
		},
		Revoked: gone, Lost: gone,
	}
}

// evolving runs the node by the newest version of its schema, and has the schema
// grow if that is the policy.
func (s *stream) evolving(ctx context.Context) (err error) {
	cfg := s.cfg.Pipeline.Evolution
	versions, err := s.cfg.Pipeline.ClickHouse.Schemas(s.schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, versions.Close()) }()
	failed := func(err error) {
		s.Log.Warn("the version of the schema is not known; asking again, and a node that runs goes on with the last. If it lasts check the first ClickHouse shard", "error", err)
	}
	current, err := versions.Await(ctx, failed)
	if ctx.Err() != nil {
		return nil // stopped before it began: nothing was read
	}
	if err != nil {
		return err
	}
	use := func(now *schema.Schema) {
		s.node.Use(now)
		s.Log.Info("schema in use", "schema", now.Name, "version", now.Version, "columns", len(now.Columns()))
	}
	use(current)
	watching, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		versions.Watch(watching, cfg.Watch, current, use, failed)
		return nil
	})
	if cfg.Policy == evolve.Auto {
		g.Go(func() error {
			versions.Auto(watching, cfg, s.leads.held.Load,
				func(step string) { s.Log.Info("the schema grows", "step", step) },
				func(err error) { s.Log.Warn("the schema cannot grow; trying again", "error", err) })
			return nil
		})
	}
	err = s.node.Run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}
