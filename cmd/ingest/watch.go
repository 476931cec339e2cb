package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/settings"
	"penstock/ops/watcher"
)

func watchCommand(from *settings.Sources) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "See from outside how soon events can be queried, and what keeps them from it",
		Long: `Watch the whole from outside, one process a cluster, whether nodes live or not.

Every watch.canary_every it sends an event of its own to the next partition, of a device penstock-canary-<partition>, and
looks for it in ClickHouse: how long that takes is the freshness that users have. One that is not seen within
watch.canary_limit is lost. They are ordinary events with the fields that the schema requires; docs/canaries.md says how
analysts leave them out. With watch.canary_every=0s none are sent.

Every watch.every it asks Kafka what the group has not committed, how old that is, which batches are declared and not
confirmed, how many members the group has, and how soon Kafka deletes what is not stored; and ClickHouse how
many parts tables have and may have, about disks and replicas, and which days are hot, sealed and cold.

At watch.addr: /metrics, /state as JSON, /readyz while it sees Kafka and ClickHouse. It reads the same config as nodes, with all its
streams. Its account of ClickHouse needs no more than SELECT: docs/privileges.md.`,
		Example: `  ingest watch --config ingest.yaml
  ingest watch --config ingest.yaml --set watch.canary_every=5s --set watch.day_due=0s
  curl -s localhost:9468/metrics | grep penstock_watch_lag_seconds`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, all, err := loadStreams(*from)
			if err != nil {
				return err
			}
			cfg.Admin = cfg.Admin.At(cfg.Watch.Addr)
			if err := cfg.Admin.Validate("watch.addr"); err != nil {
				return fmt.Errorf("config:\n%w", err)
			}
			return watch(cmd.Context(), cfg, all, os.Stderr)
		},
	}
}

// watch watches the streams, and answers whoever asks, until ctx ends.
func watch(ctx context.Context, cfg config, all []streamConfig, stderr io.Writer) (err error) {
	schemas, err := open(all)
	if err != nil {
		return err
	}
	log := cfg.Log.New(stderr)
	registry := prometheus.NewRegistry()
	ops.NewMetrics(registry)
	watchers := make(watcher.Watchers, len(all))
	for i, one := range all {
		if watchers[i], err = watcher.Open(one.name, cfg.Watch, one.Pipeline, schemas[i], registry, log); err != nil {
			return one.named(err)
		}
		defer func() { err = errors.Join(err, watchers[i].Close()) }()
	}
	admin, err := ops.NewAdmin(cfg.Admin, registry, watchers.Problems, map[string]http.Handler{"GET /state": watchers})
	if err != nil {
		return fmt.Errorf("watch.addr %s: %w", cfg.Watch.Addr, err)
	}
	for _, one := range all {
		log.Info("watching", "stream", one.name, "topic", one.Pipeline.Kafka.Topic, "group", one.Pipeline.Kafka.Group, "clickhouse", one.Pipeline.ClickHouse, "canary_every", cfg.Watch.Canary.Every, "admin", admin.Addr())
	}
	return admin.During(ctx, func() error {
		var running sync.WaitGroup
		for _, w := range watchers {
			running.Go(func() { w.Run(ctx) })
		}
		running.Wait()
		return nil
	})
}
