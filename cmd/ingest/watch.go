package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/page"
	"penstock/ops/settings"
	"penstock/ops/state"
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

At watch.addr: a page with all of it, and of the programs that page.peers names what they tell, /state as JSON, /metrics, and /readyz while it
sees Kafka and ClickHouse. It reads the same config as nodes, with all its streams. Its account of ClickHouse needs no more than
SELECT: docs/privileges.md.`,
		Example: `  ingest watch --config ingest.yaml
  ingest watch --config ingest.yaml --set watch.canary_every=5s --set page.peers=ingest-headless:9464,compactor:9465
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
	process := state.NewProcess(state.Name(cfg.Admin.Addr), "watch", 0, watchSettings(cfg, all))
	own := func() state.State {
		s := watchers.State()
		s.Programs = []state.Program{process.Program(watchers.Problems())}
		return s
	}
	peers := page.NewPeers(cfg.Page, cfg.access())
	admin, err := ops.NewAdmin(cfg.Admin, registry, watchers.Problems, page.New(own, peers).Handlers())
	if err != nil {
		return fmt.Errorf("watch.addr %s: %w", cfg.Watch.Addr, err)
	}
	for _, one := range all {
		log.Info("watching", "stream", one.name, "topic", one.Pipeline.Kafka.Topic, "group", one.Pipeline.Kafka.Group, "clickhouse", one.Pipeline.ClickHouse, "canary_every", cfg.Watch.Canary.Every, "admin", admin.Addr())
	}
	return admin.During(ctx, func() error {
		defer peers.During()()
		var running sync.WaitGroup
		for _, w := range watchers {
			running.Go(func() { w.Run(ctx) })
		}
		running.Wait()
		return nil
	})
}

// watchSettings are the essentials of a watcher's config, for people.
func watchSettings(cfg config, all []streamConfig) []state.Setting {
	settings := []state.Setting{
		{Key: "watch.every", Value: cfg.Watch.Every.String()},
		{Key: "watch.canary_every", Value: cfg.Watch.Canary.Every.String()},
		{Key: "watch.canary_limit", Value: cfg.Watch.Canary.Limit.String()},
	}
	for _, one := range all {
		p := one.Pipeline
		settings = append(settings,
			state.Setting{Key: one.name + ": kafka", Value: fmt.Sprintf("%s, group %s at %s", p.Kafka.Topic, p.Kafka.Group, strings.Join(p.Kafka.Brokers, ", "))},
			state.Setting{Key: one.name + ": clickhouse", Value: fmt.Sprintf("%s at %v", p.ClickHouse.Database, p.ClickHouse.AllShards())})
	}
	return settings
}
