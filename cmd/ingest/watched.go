package main

import (
	"fmt"
	"strings"

	"penstock/ops"
	"penstock/ops/page"
	"penstock/ops/state"
)

// newPage returns the page of a node, and whom it asks for theirs.
func newPage(cfg config, streams []*stream, drain *ops.Drain, ready func() []string) (*page.Page, *page.Peers) {
	name := state.Name(cfg.Admin.Addr)
	process := state.NewProcess(name, "ingest", cfg.Pipeline.Memory, settingsOf(cfg, streams))
	own := func() state.State {
		s := state.State{Programs: []state.Program{process.Program(ready())}}
		s.Programs[0].Draining = len(drain.Problems()) > 0
		for _, one := range streams {
			s.Streams = append(s.Streams, one.seen.Stream())
		}
		return s
	}
	peers := page.NewPeers(cfg.Page, cfg.access())
	return page.New(own, peers), peers
}

// settingsOf are the essentials of a node's config, for people. What a setting is made
// of is written out here: no secret gets among them by being a new field.
func settingsOf(cfg config, streams []*stream) []state.Setting {
	all := []state.Setting{
		{Key: "admin.addr", Value: cfg.Admin.Addr},
		{Key: "kafka.brokers", Value: strings.Join(cfg.Pipeline.Kafka.Brokers, ", ")},
	}
	for _, one := range streams {
		p, prefix := one.cfg.Pipeline, ""
		if len(streams) > 1 {
			prefix = "streams." + one.Name + "."
		}
		say := func(key string, value any) {
			all = append(all, state.Setting{Key: prefix + key, Value: fmt.Sprint(value)})
		}
		say("kafka.topic", p.Kafka.Topic)
		say("kafka.group", p.Kafka.Group)
		say("kafka.encoding", p.Kafka.Encoding)
		say("kafka.recovery", p.Kafka.Recovery)
		if p.ClickHouse.Addr != "" {
			say("clickhouse.addr", p.ClickHouse.Addr)
		}
		for _, shard := range p.ClickHouse.Shards {
			say("clickhouse.shards."+shard.Name, shard.Addr)
		}
		say("clickhouse.database", p.ClickHouse.Database)
		say("clickhouse.user", p.ClickHouse.User)
		say("lanes", p.Lanes)
		say("memory", p.Memory)
		say("batch.rows", p.Batch.Rows)
		say("batch.age", p.Batch.Age)
		say("dedup.window", p.Dedup.Window)
		say("schema.version", one.schema.Version)
	}
	return all
}
