package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"penstock/ops"
	"penstock/ops/scaling"
	"penstock/ops/scaling/keda"
	"penstock/ops/settings"
)

func scaleCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Say how many nodes there should be",
		Long: `Look at the nodes' pages of metrics every scaling.every, and say how many of them there should be: as many as do what
arrives, and what is behind within scaling.drain, by what they were measured to do. It goes up when that has lasted for
scaling.up_after, and down after scaling.down_after; to a number by which the partitions are divided evenly.

While ClickHouse is the bottleneck the number stays, and the reason is told. A partition that gets more than a node
reads of one is named; no number of nodes helps it.

KEDA asks at scaling.grpc, as of an external scaler: the metric is ` + keda.Metric + `, the target is 1. Everything else asks at
scaling.addr: /scale is JSON, /metrics is for Prometheus. The first answer comes when the group was watched for
scaling.up_after; until then KEDA leaves the number as it is. Of the config only scaling, log, who may ask (admin) and what nodes want (access) matter. Nodes have one stream each.`,
		Example: `  ingest scale --config ingest.yaml --set scaling.nodes=ingest-headless:9464
  ingest scale --set scaling.nodes=10.0.0.1:9464,10.0.0.2:9464 --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadScale(*from)
			if err != nil {
				return err
			}
			if once {
				return scaleOnce(cmd.Context(), cfg, out)
			}
			return scale(cmd.Context(), cfg, os.Stderr)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "look until it is known how many are wanted at the moment, write that as JSON, and end")
	return cmd
}

// loadScale returns the config, of which only a part matters here.
func loadScale(from settings.Sources) (config, error) {
	return loadPart(from, func(c config) error {
		return errors.Join(c.Scaling.Validate(), c.Admin.At(c.Scaling.Addr).Validate("scaling.addr"), c.Access.Validate("access"), c.Log.Validate())
	})
}

// scale watches the nodes and answers whoever asks, until ctx ends.
func scale(ctx context.Context, cfg config, stderr io.Writer) error {
	log := cfg.Log.New(stderr)
	ops.LogReloads(log)
	registry := prometheus.NewRegistry()
	ops.NewMetrics(registry)
	watcher := scaling.NewWatcher(cfg.Scaling, cfg.access(), changes(log))
	watcher.Register(registry)
	admin, err := ops.NewAdmin(cfg.Admin.At(cfg.Scaling.Addr), registry, func() []string { return unknown(watcher) }, map[string]http.Handler{"GET /scale": watcher})
	if err != nil {
		return fmt.Errorf("scaling.addr %s: %w", cfg.Scaling.Addr, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	var at string
	if cfg.Scaling.GRPC != "" {
		listener, err := net.Listen("tcp", cfg.Scaling.GRPC)
		if err != nil {
			return fmt.Errorf("scaling.grpc: %w; set another address, or nothing for none", err)
		}
		at = listener.Addr().String()
		server := grpc.NewServer()
		keda.Register(server, watcher, cfg.Scaling.Every)
		g.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil // stopped before it began
		})
		g.Go(func() error { <-ctx.Done(); server.Stop(); return nil }) // streams of KEDA have no end of their own
	}
	log.Info("scaling", "nodes", cfg.Scaling.Nodes, "every", cfg.Scaling.Every, "grpc", at, "http", admin.Addr())
	g.Go(func() error {
		return admin.During(ctx, func() error { watcher.Run(ctx); return nil })
	})
	return g.Wait()
}

// unknown keeps the program from being ready while there is no answer.
func unknown(w *scaling.Watcher) []string {
	if s := w.Last(); s.Nodes == 0 {
		return []string{cmp.Or(s.Problem, s.Reason)}
	}
	return nil
}

// changes tells the log of another number of nodes, or another problem.
func changes(log *slog.Logger) func(scaling.State) {
	var last scaling.State
	return func(s scaling.State) {
		if s.Problem != "" && s.Problem != last.Problem {
			log.Warn("nodes do not answer", "problem", s.Problem)
		}
		if s.Nodes != last.Nodes || s.Held != last.Held {
			log.Info("nodes", "should_be", s.Nodes, "answer", s.Now, "held", s.Held, "why", s.Reason)
		}
		last = s
	}
}

// scaleOnce writes the first answer.
func scaleOnce(ctx context.Context, cfg config, out io.Writer) error {
	ctx, found := context.WithCancel(ctx)
	defer found()
	var answer scaling.State
	scaling.NewWatcher(cfg.Scaling, cfg.access(), func(s scaling.State) {
		if answer = s; s.Wanted > 0 || s.Problem != "" && s.Problem != scaling.NotYet {
			found()
		}
	}).Run(ctx)
	if answer.Wanted == 0 {
		return errors.New(answer.Problem)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}
