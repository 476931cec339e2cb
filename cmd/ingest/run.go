package main

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/ops/audit"
	"penstock/pipeline"
	"penstock/schema"
)

// run wires a node and whoever watches it, and returns when it has stopped.
func run(ctx context.Context, cfg config, stderr io.Writer) (err error) {
	s, err := schema.Open(cfg.Schema)
	if err != nil {
		return err
	}
	limitMemory(cfg.Pipeline.Memory)
	log := cfg.Log.New(stderr)
	registry := prometheus.NewRegistry()
	health := ops.NewHealth(cfg.Admin)
	stored, err := cfg.Pipeline.ClickHouse.Receipts(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	watch := audit.NewWatch(stored, cfg.Audit, registry, log)
	lag := ops.NewLag(log)
	events := ops.Tee(lag.PipelineEvents(), ops.NewMetrics(registry).PipelineEvents(cfg.Pipeline, lag), health.PipelineEvents(), ops.LogPipeline(log), watch.PipelineEvents())

	admin, err := ops.NewAdmin(cfg.Admin, registry, health.Problems, lag)
	if err != nil {
		return err
	}
	node, err := pipeline.New(cfg.Pipeline, s, events)
	if err != nil {
		return err
	}

	log.Info("ingest starts", "topic", cfg.Pipeline.Kafka.Topic, "group", cfg.Pipeline.Kafka.Group, "clickhouse", cfg.Pipeline.ClickHouse, "admin", admin.Addr())
	err = admin.During(ctx, func() error {
		err := pipeline.Await(ctx, cfg.Pipeline, s, events, func(step string) { log.Debug("checked", "what", step) })
		switch {
		case ctx.Err() != nil:
			err = nil // stopped before it began: nothing was read
		case err == nil:
			err = watch.During(func() error { return node.Run(ctx) })
		}
		return err
	})
	log.Info("ingest stopped")
	return err
}

// limitMemory makes the garbage collector keep the process within its budget.
// A sixth is left for what the runtime does not count, the program's own pages
// above all: with the whole budget as the limit a node that catches up after
// ClickHouse was away held 415 of 384 MiB, with 5/6 of it 344.
func limitMemory(budget int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT, if set, is the operator's word
		debug.SetMemoryLimit(budget - budget/6)
	}
}
