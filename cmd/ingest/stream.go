package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"penstock/ops"
	"penstock/ops/audit"
	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// stream is a topic on its way to its tables. Streams share the process and
// nothing else: each has its Kafka client, group, lanes, windows, connections
// and part of the memory, so there is nothing that a flood on one could fill
// and another would wait for.
type stream struct {
	ops.Stream
	cfg    streamConfig
	schema *schema.Schema
	events pipeline.Events
	node   *pipeline.Node
	stored receipts.Shards
	watch  *audit.Watch
}

// newStream wires a stream and whoever watches it. It has to be closed.
func newStream(one streamConfig, s *schema.Schema, cfg config, registry prometheus.Registerer, log *slog.Logger) (*stream, error) {
	stored, err := one.Pipeline.ClickHouse.Receipts(s)
	if err != nil {
		return nil, err
	}
	watched := ops.NewStream(one.name, cfg.Admin, registry, log)
	watch := audit.NewWatch(stored, cfg.Audit, watched.Metrics, watched.Log)
	events := ops.Tee(watched.PipelineEvents(one.Pipeline), watch.PipelineEvents())
	node, err := pipeline.New(one.Pipeline, s, events)
	if err != nil {
		return nil, errors.Join(err, stored.Close())
	}
	return &stream{Stream: watched, cfg: one, schema: s, events: events, node: node, stored: stored, watch: watch}, nil
}

// run ingests until ctx ends, once everything the stream needs is there.
func (s *stream) run(ctx context.Context) error {
	err := pipeline.Await(ctx, s.cfg.Pipeline, s.schema, s.events, func(step string) { s.Log.Debug("checked", "what", step) })
	switch {
	case ctx.Err() != nil:
		err = nil // stopped before it began: nothing was read
	case err == nil:
		err = s.watch.During(func() error { return s.evolving(ctx) })
	}
	return s.cfg.named(err)
}

// evolving runs the node by the newest version of its schema.
func (s *stream) evolving(ctx context.Context) (err error) {
	versions, err := s.cfg.Pipeline.ClickHouse.Schemas(s.schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, versions.Close()) }()
	current, err := versions.Current(ctx)
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
		versions.Watch(watching, s.cfg.Pipeline.Evolution.Watch, current, use, func(err error) {
			s.Log.Warn("the version of the schema is not known; going on with the last", "error", err)
		})
		return nil
	})
	err = s.node.Run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func (s *stream) close() error { return s.stored.Close() }
