package main

import (
	"cmp"
	"errors"
	"fmt"

	"penstock/ops"
	"penstock/ops/audit"
	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/scaling"
	"penstock/ops/settings"
	"penstock/ops/tracing"
	"penstock/ops/watcher"
	"penstock/pipeline"
)

// envPrefix begins the name of every variable that is a setting. It is the
// program's own: every variable with it has to be one.
const envPrefix = "PENSTOCK_INGEST_"

// config is what a node is started with.
type config struct {
	Pipeline pipeline.Config `koanf:",squash"`
	Admin    ops.Config      `koanf:"admin"`
	Log      ops.LogConfig   `koanf:"log"`
	Traces   tracing.Config  `koanf:"traces"`
	Audit    audit.Config    `koanf:"audit"`
	// Scaling is of "ingest scale".
	Scaling scaling.Config `koanf:"scaling"`
	// Watch is of "ingest watch".
	Watch watcher.Config `koanf:"watch"`
	// Access is what admin servers want of this program where it asks them: those of
	// nodes "ingest scale", its own "ingest drain" and "ingest top", its peers the page. A token that is not given is
	// admin.token: programs of one installation have the same.
	Access peer.Access `koanf:"access"`
	// Page is of whom the page at admin.addr tells beside this node.
	Page page.Config `koanf:"page"`
	// Schema is the file that describes the event. The default value is the
	// one the program was built with, schema/telemetry.yaml.
	Schema string `koanf:"schema"`
	// Streams are what the node moves, if it is more than one topic: each has a
	// topic, a group, a schema and tables, and begins as what is set outside of
	// them. The default is none: kafka.topic is the only stream.
	Streams settings.Named[streamConfig] `koanf:"streams"`
	// Stream is the one of the streams that a command is for. The default value
	// is nothing, for all of them.
	Stream string `koanf:"stream"`
}

// Validate reports every fault.
func (c config) Validate() error {
	return errors.Join(c.streamFaults(), c.Admin.Validate("admin.addr"), c.Access.Validate("access"), c.Page.Validate(), c.Log.Validate(), c.Traces.Validate(), c.Audit.Validate(), c.Watch.Validate())
}

// access is how admin servers of this installation are asked.
func (c config) access() peer.Access { return c.Access.Or(c.Admin.Token) }

func defaults() config {
	return config{Pipeline: pipeline.Default(), Admin: ops.Default(), Log: ops.DefaultLog(), Traces: tracing.Default(), Audit: audit.Default(), Scaling: scaling.Default(), Watch: watcher.Default()}
}

// loadStreams returns the config and the streams it is for.
func loadStreams(from settings.Sources) (config, []streamConfig, error) {
	cfg := defaults()
	cfg.Streams.Begin = cfg.beginStream
	if err := settings.Load(&cfg, from); err != nil {
		return config{}, nil, fmt.Errorf("config:\n%w", err)
	}
	all, err := cfg.streams()
	return cfg, all, err
}

// load returns the config of a single stream, as if it were all there is: for
// commands that are for one at a time.
func load(from settings.Sources) (config, error) {
	cfg, all, err := loadStreams(from)
	if err != nil {
		return config{}, err
	}
	one, err := single(all)
	if err != nil {
		return config{}, err
	}
	cfg.Pipeline, cfg.Schema, cfg.Streams = one.Pipeline, one.Schema, settings.Named[streamConfig]{}
	return cfg, nil
}

// partOf is a config of which a command needs a part. The rest may be missing, but
// not misspelt.
type partOf struct {
	Node  config `koanf:",squash"`
	valid func(config) error
}

// Validate reports every fault of the part.
func (p partOf) Validate() error { return p.valid(p.Node) }

// loadAsker returns the config of a command that asks one program, and where: at
// the address, or if that is empty at admin.addr.
func loadAsker(from settings.Sources, addr string) (config, string, error) {
	cfg, err := loadPart(from, func(c config) error { return errors.Join(c.Admin.Validate("admin.addr"), c.Access.Validate("access")) })
	return cfg, cmp.Or(addr, cfg.Admin.Addr), err
}

// loadPart returns a config of which valid finds nothing wrong.
func loadPart(from settings.Sources, valid func(config) error) (config, error) {
	part := partOf{Node: defaults(), valid: valid}
	part.Node.Streams.Begin = part.Node.beginStream
	if err := settings.Load(&part, from); err != nil {
		return config{}, fmt.Errorf("config:\n%w", err)
	}
	return part.Node, nil
}
