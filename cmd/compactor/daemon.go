package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/tiering"
)

// daemon wires a compactor and whoever watches it, makes passes until ctx ends,
// and returns when it has stopped.
func daemon(ctx context.Context, cfg config, every time.Duration, stderr io.Writer) error {
	log := cfg.Log.New(stderr)
	registry := prometheus.NewRegistry()
	health := &health{limit: cfg.Admin.UnreadyAfter}
	events := ops.TeeTiering(ops.NewMetrics(registry).TieringEvents(), ops.LogTiering(log))

	admin, err := ops.NewAdmin(cfg.Admin, registry, health.problems, nil)
	if err != nil {
		return err
	}
	log.Info("compactor started", "clickhouse", cfg.ClickHouse.Addr, "bucket", cfg.S3.Bucket, "hot_days", cfg.Tiering.HotDays, "every", every, "admin", admin.Addr())
	err = admin.During(ctx, func() error {
		return cfg.with(ctx, events, func(c *tiering.Compactor) error {
			loop(ctx, c, log, health, every)
			return nil
		})
	})
	log.Info("compactor stopped")
	return err
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
		case errors.Is(err, tiering.ErrHeld):
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
