package main

import (
	"context"
	"errors"
	"fmt"

	"penstock/ops"
	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering/iceberg"
	"penstock/tiering/store"
)

// envPrefix begins the name of every variable that is a setting.
const envPrefix = "PENSTOCK_ICEBERG_"

// config is what a registrar is started with.
type config struct {
	Table   iceberg.Config        `koanf:",squash"`
	Catalog iceberg.CatalogConfig `koanf:"catalog"`
	// S3 is the compactor's: where manifests and files are. A policy that lets
	// it read the prefix and write below location is enough.
	S3  store.S3Config `koanf:"s3"`
	Log ops.LogConfig  `koanf:"log"`
	// Schema is the compactor's: it names the table, and its columns of device
	// and time. The default is the one the program was built with.
	Schema string `koanf:"schema"`
}

// Validate returns every fault.
func (c config) Validate() error {
	return errors.Join(c.Table.Validate(), c.Catalog.Validate(), c.S3.Validate(), c.Log.Validate())
}

func load(from settings.Sources) (config, error) {
	cfg := config{Table: iceberg.DefaultConfig(), Catalog: iceberg.DefaultCatalog(), S3: store.DefaultS3Config(), Log: ops.DefaultLog()}
	if err := settings.Load(&cfg, from); err != nil {
		return config{}, fmt.Errorf("config:\n%w", err)
	}
	return cfg, nil
}

// with builds the registrar, calls do, and closes what was opened.
func (c config) with(ctx context.Context, events iceberg.Events, do func(*iceberg.Registrar) error) (err error) {
	s, err := schema.Open(c.Schema)
	if err != nil {
		return err
	}
	objects, err := store.OpenS3(ctx, c.S3)
	if err != nil {
		return err
	}
	catalog, closer, err := iceberg.Connect(ctx, c.Catalog, c.S3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	root, files := iceberg.Bucket(c.S3)
	return do(iceberg.New(c.Table, iceberg.Dependencies{
		Catalog: catalog, Schema: s, Objects: objects, Root: root, Files: files, Events: events,
	}))
}
