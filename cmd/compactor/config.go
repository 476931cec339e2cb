package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"penstock/ops"
	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// envPrefix begins the name of every variable that is a setting.
const envPrefix = "PENSTOCK_COMPACTOR_"

// config is what a compactor is started with.
type config struct {
	Tiering    tiering.Config   `koanf:",squash"`
	ClickHouse warehouse.Config `koanf:"clickhouse"`
	S3         store.S3Config   `koanf:"s3"`
	// Admin and Log are of a run that lasts; its admin.unready_after is about
	// passes. The default of admin.addr is localhost:9465: ingest, which may
	// share the machine, has 9464.
	Admin ops.Config    `koanf:"admin"`
	Log   ops.LogConfig `koanf:"log"`
	// Schema is the file that describes the event. The default is the one the
	// program was built with.
	Schema string `koanf:"schema"`
}

// Validate returns every fault.
func (c config) Validate() error {
	return errors.Join(c.Tiering.Validate(), c.ClickHouse.Validate(), c.S3.Validate(), c.Admin.Validate(), c.Log.Validate())
}

func load(from settings.Sources) (config, error) {
	cfg := config{Tiering: tiering.DefaultConfig(), ClickHouse: warehouse.Default(), S3: store.DefaultS3Config(), Admin: ops.Default(), Log: ops.DefaultLog()}
	cfg.Admin.Addr = "localhost:9465"
	if err := settings.Load(&cfg, from); err != nil {
		return config{}, fmt.Errorf("config:\n%w", err)
	}
	return cfg, nil
}

// with builds the compactor, calls do, and closes what was opened.
func (c config) with(ctx context.Context, events tiering.Events, do func(*tiering.Compactor) error) (err error) {
	s, err := schema.Open(c.Schema)
	if err != nil {
		return err
	}
	objects, err := store.OpenS3(ctx, c.S3)
	if err != nil {
		return err
	}
	w, err := warehouse.Open(ctx, c.ClickHouse, c.S3, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	holder, err := holder()
	if err != nil {
		return err
	}
	return do(tiering.New(c.Tiering, tiering.Dependencies{Table: s.Name, Warehouse: w, Objects: objects, Events: events, Holder: holder}))
}

// holder names this process to a compactor that has to wait for it.
func holder() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of this host, for the lease: %w", err)
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid()), nil
}
