package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/ops"
	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/settings"
	"penstock/ops/tracing"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// envPrefix begins the name of every variable that is a setting.
const envPrefix = "PENSTOCK_COMPACTOR_"

// config is what a compactor is started with.
type config struct {
	// Own is the only table, or what each of Tables begins as.
	Own    tableConfig          `koanf:",squash"`
	Budget tiering.BudgetConfig `koanf:",squash"`
	// Admin and Log are of a run that lasts; its admin.unready_after is about
	// passes. The default of admin.addr is localhost:9465: ingest, which may
	// share the machine, has 9464.
	Admin ops.Config    `koanf:"admin"`
	Log   ops.LogConfig `koanf:"log"`
	// Traces are of steps. The default of traces.ratio is 1: they are few.
	Traces tracing.Config `koanf:"traces"`
	// Access is what admin servers want of this program where its page asks them. A
	// token that is not given is admin.token: programs of one installation have the same.
	Access peer.Access `koanf:"access"`
	// Page is of whom the page at admin.addr tells beside this compactor.
	Page page.Config `koanf:"page"`
	// Tables are those whose days are moved, if it is more than one: of several
	// streams, or of several shards, each of which has its own rows of every day.
	// Each begins as what is set outside of them. The default is none: what is
	// set outside is the only one.
	Tables settings.Named[tableConfig] `koanf:"tables"`
	// Table is the one of the tables that a command is for. The default is
	// nothing, for all of them.
	Table string `koanf:"table"`
}

func defaults() config {
	cfg := config{
		Own:    tableConfig{Tiering: tiering.DefaultConfig(), ClickHouse: warehouse.Default(), S3: store.DefaultS3Config()},
		Budget: tiering.DefaultBudget(), Admin: ops.Default(), Log: ops.DefaultLog(), Traces: tracing.Config{Ratio: 1},
	}
	cfg.Admin.Addr = "localhost:9465"
	return cfg
}

// Validate returns every fault.
func (c config) Validate() error {
	tables, err := c.tables()
	errs := []error{err, c.Admin.Validate("admin.addr"), c.Access.Validate("access"), c.Page.Validate(), c.Log.Validate(), c.Traces.Validate()}
	// What is wrong with all of them is wrong outside of them.
	of := map[string][]string{}
	var faults []error
	var day int64
	for _, t := range tables {
		for _, fault := range settings.Leaves(t.Validate()) {
			if of[fault.Error()] == nil {
				faults = append(faults, fault)
			}
			of[fault.Error()] = append(of[fault.Error()], t.name)
		}
		day = max(day, t.memory())
	}
	for _, fault := range faults {
		names := of[fault.Error()]
		if len(names) == len(tables) && (len(names) > 1 || names[0] == "") {
			errs = append(errs, fault)
			continue
		}
		for _, name := range names {
			errs = append(errs, fmt.Errorf("tables.%s.%w", name, fault))
		}
	}
	return errors.Join(append(errs, c.Budget.Validate(day))...)
}

// tables returns those that a command is for.
func (c config) tables() ([]tableConfig, error) {
	names := c.Tables.Names()
	if c.Table != "" {
		if !slices.Contains(names, c.Table) {
			if len(names) == 0 {
				return nil, fmt.Errorf("table is %q, and the config has no tables: there is only what it says outside of them; leave it out", c.Table)
			}
			return nil, fmt.Errorf("table is %q; want one of those under tables (%s), or nothing for all of them", c.Table, strings.Join(names, ", "))
		}
		names = []string{c.Table}
	}
	if len(names) == 0 {
		return []tableConfig{c.Own}, nil
	}
	var all []tableConfig
	for _, name := range names {
		t := c.Tables.Get(name)
		t.name = name
		all = append(all, t)
	}
	return all, nil
}

// loadTables returns the config and the tables it is for, which share a budget.
func loadTables(from settings.Sources) (config, []tableConfig, error) {
	cfg := defaults()
	cfg.Tables.Begin = func(string) tableConfig { return cfg.Own }
	if err := settings.Load(&cfg, from); err != nil {
		return config{}, nil, fmt.Errorf("config:\n%w", err)
	}
	all, err := cfg.tables()
	if err != nil {
		return config{}, nil, err
	}
	budget := cfg.Budget.Budget()
	for i := range all {
		all[i].budget = budget
	}
	return cfg, all, open(all)
}

// load returns the only table, for commands that are for one at a time.
func load(from settings.Sources) (tableConfig, error) {
	_, all, err := loadTables(from)
	if err != nil {
		return tableConfig{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	return tableConfig{}, fmt.Errorf("this is for one table at a time; name it with --table: %s", strings.Join(names, ", "))
}
