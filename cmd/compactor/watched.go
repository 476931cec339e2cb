package main

import (
	"fmt"

	"penstock/ops/page"
	"penstock/ops/state"
)

// newPage returns the page of a compactor, and whom it asks for theirs.
func newPage(cfg config, tables []tableConfig, seen []*state.Compactor, ready func() []string) (*page.Page, *page.Peers) {
	process := state.NewProcess(state.Name(cfg.Admin.Addr), "compactor", cfg.Budget.MaxMemory, settingsOf(cfg, tables))
	own := func() state.State {
		s := state.State{Programs: []state.Program{process.Program(ready())}}
		for _, t := range seen {
			s.Tables = append(s.Tables, t.Table())
		}
		return s
	}
	peers := page.NewPeers(cfg.Page, cfg.Access.Or(cfg.Admin.Token))
	return page.New(own, peers), peers
}

// settingsOf are the essentials of a compactor's config, for people. What a setting is
// made of is written out here: no secret gets among them by being a new field.
func settingsOf(cfg config, tables []tableConfig) []state.Setting {
	all := []state.Setting{
		{Key: "admin.addr", Value: cfg.Admin.Addr},
		{Key: "max_memory", Value: fmt.Sprint(cfg.Budget.MaxMemory)},
		{Key: "max_read_mbps", Value: fmt.Sprint(cfg.Budget.MaxReadMBPS)},
		{Key: "days_at_once", Value: fmt.Sprint(cfg.Budget.DaysAtOnce)},
	}
	for _, t := range tables {
		prefix := ""
		if len(tables) > 1 {
			prefix = "tables." + t.name + "."
		}
		say := func(key string, value any) {
			all = append(all, state.Setting{Key: prefix + key, Value: fmt.Sprint(value)})
		}
		say("clickhouse.addr", t.ClickHouse.Addr)
		say("clickhouse.database", t.ClickHouse.Database)
		say("s3.endpoint", t.S3.Endpoint)
		say("s3.bucket", t.S3.Bucket)
		say("s3.prefix", t.S3.Prefix)
		say("hot_days", t.Tiering.HotDays)
		say("grace", t.Tiering.Grace)
	}
	return all
}
