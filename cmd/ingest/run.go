package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"penstock/ops"
	"penstock/ops/tracing"
)

// run wires a node and whoever watches it, and returns when it has stopped.
func run(ctx context.Context, cfg config, all []streamConfig, stderr io.Writer) (err error) {
	schemas, err := open(all)
	if err != nil {
		return err
	}
	ops.LimitMemory(cfg.Pipeline.Memory)
	log := cfg.Log.New(stderr)
	ops.LogReloads(log)
	traces, err := tracing.Open(ctx, cfg.Traces, "penstock-ingest", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, traces.Close()) }()
	registry := prometheus.NewRegistry()
	ops.NewMetrics(registry) // the process's
	streams := make([]*stream, len(all))
	watched := make(ops.Streams, len(all))
	for i, one := range all {
		if streams[i], err = newStream(one, schemas[i], cfg, registry, log, traces); err != nil {
			return one.named(err)
		}
		defer func() { err = errors.Join(err, streams[i].close()) }()
		watched[i] = streams[i].Stream
	}
	drain := ops.NewDrain(registry)
	ready := func() []string { return append(drain.Problems(), watched.Problems()...) }
	shown, peers := newPage(cfg, streams, drain, ready)
	pages := map[string]http.Handler{"GET /lag": watched, "/drain": drain}
	maps.Copy(pages, shown.Handlers())
	admin, err := ops.NewAdmin(cfg.Admin, registry, ready, pages)
	if err != nil {
		return err
	}
	for _, one := range all {
		log.Info("ingest starts", "stream", one.name, "topic", one.Pipeline.Kafka.Topic, "group", one.Pipeline.Kafka.Group, "clickhouse", one.Pipeline.ClickHouse, "admin", admin.Addr())
	}
	err = admin.During(ctx, func() error {
		defer peers.During()()
		return drain.During(ctx, func(ctx context.Context) error { return runAll(ctx, streams) }, func() { log.Info("drained; waiting to be stopped") })
	})
	log.Info("ingest stopped")
	return err
}

// runAll runs the streams until ctx ends or one of them stops for an error that
// no repetition mends. That stops the others, in order: a node that goes on
// without one of its streams looks alive, and nobody else is given what that one
// should read while it holds the group's partitions.
func runAll(ctx context.Context, streams []*stream) error {
	g, ctx := errgroup.WithContext(ctx)
	errs := make([]error, len(streams))
	for i, s := range streams {
		g.Go(func() error {
			errs[i] = s.run(ctx)
			return errs[i]
		})
	}
	_ = g.Wait() // is the first of errs
	return errors.Join(errs...)
}
