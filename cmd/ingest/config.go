package main

import (
	"errors"
	"fmt"

	"penstock/ops"
	"penstock/ops/audit"
	"penstock/ops/settings"
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
	Audit    audit.Config    `koanf:"audit"`
	// Schema is the file that describes the event. The default value is the
	// one the program was built with, schema/telemetry.yaml.
	Schema string `koanf:"schema"`
}

// Validate reports every fault.
func (c config) Validate() error {
	return errors.Join(c.Pipeline.Validate(), c.Admin.Validate(), c.Log.Validate(), c.Audit.Validate())
}

func defaults() config {
	return config{Pipeline: pipeline.Default(), Admin: ops.Default(), Log: ops.DefaultLog(), Audit: audit.Default()}
}

func load(from settings.Sources) (config, error) {
	cfg := defaults()
	if err := settings.Load(&cfg, from); err != nil {
		return config{}, fmt.Errorf("config:\n%w", err)
	}
	return cfg, nil
}
