package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
	"penstock/transport"
)

// tableConfig is a table on one shard, and where its cold days go.
type tableConfig struct {
	Tiering    tiering.Config   `koanf:",squash"`
	ClickHouse warehouse.Config `koanf:"clickhouse"`
	S3         store.S3Config   `koanf:"s3"`
	// Schema is the file that describes the event. The default is the one the
	// program was built with.
	Schema string `koanf:"schema"`

	name   string // under tables; empty for an only one, until it is opened
	schema *schema.Schema
	budget *tiering.Budget
}

// Validate returns every fault.
func (t tableConfig) Validate() error {
	return errors.Join(t.Tiering.Validate(), t.ClickHouse.Validate(), t.S3.Validate())
}

// memory is what a day of the table takes while it is moved, in bytes, with what
// the collector has not collected yet: a row group of some 250 bytes a row, and
// two blocks of some 500.
func (t tableConfig) memory() int64 {
	return 2 * (int64(t.Tiering.RowGroupRows)*250 + 2*int64(t.ClickHouse.BlockRows)*500)
}

// open reads the tables' schemas. No two have the same rows, and none shares its
// folder of the bucket: manifests are by day.
func open(all []tableConfig) error {
	var errs []error
	rows, folders, collections := map[string]string{}, map[string]string{}, map[string]tableConfig{}
	for i := range all {
		t := &all[i]
		s, err := schema.Open(t.Schema)
		if err != nil {
			return t.named(err)
		}
		t.schema = s
		if t.name == "" {
			t.name = s.Name
		}
		in := fmt.Sprintf("%s, database %s, table %s", t.ClickHouse.Addr, t.ClickHouse.Database, s.Name)
		if other, ok := rows[in]; ok {
			errs = append(errs, fmt.Errorf("tables %s and %s are both ClickHouse %s; leave one out", other, t.name, in))
		}
		folder := t.S3.Endpoint + " " + path.Join(t.S3.Bucket, t.S3.Prefix, s.Name)
		if other, ok := folders[folder]; ok {
			errs = append(errs, fmt.Errorf("tables %s and %s both have the folder %s; give each a prefix of its own, such as s3.prefix: penstock/%s", other, t.name, path.Join(t.S3.Bucket, t.S3.Prefix, s.Name), t.name))
		}
		if name := t.ClickHouse.NamedCollection; name != "" {
			name += " of " + t.ClickHouse.Addr
			if other, ok := collections[name]; ok && !t.collects(other) {
				errs = append(errs, fmt.Errorf("tables %s and %s both have the named collection %s, for different places of S3 or credentials; give each its own, as clickhouse.named_collection", other.name, t.name, name))
			}
			collections[name] = *t
		}
		rows[in], folders[folder] = t.name, t.name
	}
	return errors.Join(errs...)
}

// collects reports whether what ClickHouse reads S3 by is the same for both.
func (t tableConfig) collects(other tableConfig) bool {
	by := func(t tableConfig) (place [4]string, access, secret transport.Secret) {
		access, secret = t.S3.AccessKey, t.S3.SecretKey
		if t.ClickHouse.S3AccessKey.Given() {
			access, secret = t.ClickHouse.S3AccessKey, t.ClickHouse.S3SecretKey
		}
		return [4]string{t.S3.Bucket, cmp.Or(t.ClickHouse.S3Endpoint, t.S3.Endpoint), t.S3.Region, fmt.Sprint(t.S3.PathStyle)}, access, secret
	}
	mine, access, secret := by(t)
	its, itsAccess, itsSecret := by(other)
	return mine == its && access.Same(itsAccess) && secret.Same(itsSecret)
}

// with builds the compactor, calls do, and closes what was opened.
func (t tableConfig) with(ctx context.Context, events tiering.Events, do func(*tiering.Compactor) error) (err error) {
	objects, err := store.OpenS3(ctx, t.S3)
	if err != nil {
		return err
	}
	w, err := warehouse.Open(ctx, t.ClickHouse, t.S3, t.schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	holder, err := holder()
	if err != nil {
		return err
	}
	return do(tiering.New(t.Tiering, tiering.Dependencies{Table: t.schema.Name, Warehouse: w, Objects: objects, Events: events, Budget: t.budget, Holder: holder}))
}

// named says of which table an error is.
func (t tableConfig) named(err error) error {
	if err == nil || t.name == "" {
		return err
	}
	return fmt.Errorf("table %s: %w", t.name, err)
}

// holder names this process to a compactor that has to wait for it.
func holder() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of this host, for the lease: %w", err)
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid()), nil
}
