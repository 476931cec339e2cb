package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/ops/audit"
	"penstock/ops/state"
	"penstock/ops/tracing"
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
	seen   *state.Node
	leads  *leadership
}

// newStream wires a stream and whoever watches it. It has to be closed.
func newStream(one streamConfig, s *schema.Schema, cfg config, registry prometheus.Registerer, log *slog.Logger, traces *tracing.Tracer) (*stream, error) {
	stored, err := one.Pipeline.ClickHouse.Receipts(s)
	if err != nil {
		return nil, err
	}
	watched := ops.NewStream(one.name, cfg.Admin, registry, log)
	watch := audit.NewWatch(stored, cfg.Audit, watched.Metrics, watched.Log)
	leads := new(leadership)
	seen := state.NewNode(state.Name(cfg.Admin.Addr), watched, one.Pipeline)
	events := ops.Tee(watched.PipelineEvents(one.Pipeline), watch.PipelineEvents(), leads.events(), traces.PipelineEvents(one.name), seen.PipelineEvents())
	node, err := pipeline.New(one.Pipeline, s, events)
	if err != nil {
		return nil, errors.Join(err, stored.Close())
	}
	return &stream{Stream: watched, cfg: one, schema: s, events: events, node: node, stored: stored, watch: watch, seen: seen, leads: leads}, nil
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

func (s *stream) close() error { return s.stored.Close() }
