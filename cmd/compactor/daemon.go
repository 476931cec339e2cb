package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/ops/state"
	"penstock/ops/tracing"
	"penstock/tiering"
)

// daemon wires the compactors of tables and whoever watches them, has them make
// passes until ctx ends, and returns when they have stopped.
func daemon(ctx context.Context, cfg config, all []tableConfig, every time.Duration, log *slog.Logger, traces *tracing.Tracer) error {
	ops.LogReloads(log)
	registry := prometheus.NewRegistry()
	ops.NewMetrics(registry) // the process's
	tables := make([]ops.Table, len(all))
	healths := make([]*health, len(all))
	for i, t := range all {
		tables[i] = ops.NewTable(t.name, registry, log)
		healths[i] = &health{limit: cfg.Admin.UnreadyAfter}
	}
	problems := func() (faults []string) {
		for i, h := range healths {
			for _, problem := range h.problems() {
				faults = append(faults, fmt.Sprintf("table %s: %s", all[i].name, problem))
			}
		}
		return faults
	}
	seen := make([]*state.Compactor, len(all))
	for i, t := range all {
		seen[i] = state.NewCompactor(state.Name(cfg.Admin.Addr), t.name)
	}
	shown, peers := newPage(cfg, all, seen, problems)
	admin, err := ops.NewAdmin(cfg.Admin, registry, problems, shown.Handlers())
	if err != nil {
		return err
	}
	ops.LimitMemory(cfg.Budget.MaxMemory)
	err = admin.During(ctx, func() error {
		defer peers.During()()
		var running sync.WaitGroup
		for i, t := range all {
			tables[i].Log.Info("compactor started", "clickhouse", t.ClickHouse.Addr, "bucket", t.S3.Bucket, "hot_days", t.Tiering.HotDays, "every", every, "admin", admin.Addr())
			c := passes{t, ops.TeeTiering(tables[i].TieringEvents(), traces.TieringEvents(t.name), seen[i].TieringEvents()), seen[i]}
			running.Go(func() { loop(ctx, c, tables[i].Log, healths[i], every) })
		}
		running.Wait()
		return nil
	})
	log.Info("compactor stopped")
	return err
}

// passes opens what a table's pass needs for each of them: a shard that is away
// when the program starts keeps no other from moving its days.
type passes struct {
	table  tableConfig
	events tiering.Events
	seen   *state.Compactor
}

func (p passes) Pass(ctx context.Context) (left []tiering.Step, err error) {
	err = p.table.with(ctx, p.events, func(c *tiering.Compactor) error {
		left, err = c.Pass(ctx)
		return err
	})
	if ctx.Err() == nil { // a stop is no failure
		p.seen.Passed(err)
	}
	return left, err
}

// passer is a compactor as the loop needs it.
type passer interface {
	Pass(context.Context) ([]tiering.Step, error)
}

// loop makes passes until ctx ends. One that fails is reported and tried again
// at its next turn: every step can be repeated, and what does not match then
// does not match again.
func loop(ctx context.Context, c passer, log *slog.Logger, h *health, every time.Duration) {
	turn := time.NewTicker(every)
	defer turn.Stop()
	for {
		left, err := c.Pass(ctx)
		switch {
		case err == nil:
			log.Info("pass done", "left", summary(time.Now(), left))
		case ctx.Err() != nil:
			// Stopped on its way; the next start goes on from there.
		case errors.Is(err, tiering.ErrHeld) && !faulty(err):
			log.Info("pass left to another compactor", "why", err)
			err = nil // there is one that works
		default:
			log.Error("pass failed", "next_in", every, "error", err)
		}
		h.passed(time.Now(), err)
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
	}
}

// faulty reports whether an error has a fault of a day in it.
func faulty(err error) bool {
	faults, _ := tiering.Faults(err)
	return len(faults) > 0
}

// health knows whether passes succeed.
type health struct {
	limit time.Duration

	mu    sync.Mutex // guards what follows
	since time.Time  // of the first of the failures in a row
	err   error      // of the last one; nil if the last pass went well
}

func (h *health) passed(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.since = now
	}
	h.err = err
}

// problems returns what keeps the compactor from being ready; nothing if it is.
func (h *health) problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	failing := time.Since(h.since)
	if h.err == nil || failing < h.limit {
		return nil
	}
	return []string{fmt.Sprintf("passes have been failing for %v: %v", failing.Truncate(time.Second), h.err)}
}
