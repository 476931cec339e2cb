package evolve

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Shard is a ClickHouse server that has tables.
type Shard struct {
	Name string
	At   *clickhouse.Options
}

// Registry is what is written down of a schema's versions beside its tables. It
// may be used by several goroutines.
type Registry struct {
	file   *schema.Schema
	tables schema.Tables
	shards []Shard
	conns  []driver.Conn // by shard; the first has the versions that count
	by     string
	now    func() time.Time
}

// Open returns the registry of the schema that the file says. It connects when
// it is first asked something. The caller closes it.
func Open(shards []Shard, tables schema.Tables, file *schema.Schema) (*Registry, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of the host, for who changes a schema: %w", err)
	}
	r := &Registry{file: file, tables: tables, shards: shards, by: fmt.Sprintf("%s/%d", host, os.Getpid()), now: time.Now}
	for _, s := range shards {
		conn, err := clickhouse.Open(s.At)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("clickhouse shard %s at %v: %w", s.Name, s.At.Addr, err), r.Close())
		}
		r.conns = append(r.conns, conn)
	}
	return r, nil
}

// Close closes the connections.
func (r *Registry) Close() error {
	var err error
	for _, conn := range r.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

// errNotAnswered: what the versions are is not known, and may be a moment later.
var errNotAnswered = errors.New("the versions of the schema are not known")

// Newest returns the newest version in a state; nil if there is none.
func (r *Registry) Newest(ctx context.Context, in schema.VersionState) (*schema.Schema, error) {
	var number uint32
	var text string
	row := r.conns[0].QueryRow(ctx, r.file.NewestVersion(r.tables, in))
	if err := row.Scan(&number, &text); errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // that there is none is no error, and nothing to return
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotAnswered, r.fail(0, "read the newest version of schema "+r.file.Name, err))
	}
	s, err := schema.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("version %d of schema %s, as %s has it: %w", number, r.file.Name, r.file.Versions(r.tables), err)
	}
	return s, nil
}

// Current returns the schema to use: the file's, with the fields that the newest
// ready version has beyond it. A database in which none was ever written down
// has what the file says.
func (r *Registry) Current(ctx context.Context) (*schema.Schema, error) {
	ready, err := r.Newest(ctx, schema.Ready)
	switch {
	case err != nil:
		return nil, err
	case ready == nil:
		return r.file, nil
	case ready.Version < r.file.Version:
		return nil, fmt.Errorf("the schema file is version %d of %s, and the tables are at version %d; \"ingest migrate\" brings them there", r.file.Version, r.file.Name, ready.Version)
	}
	return r.file.With(ready)
}

// put writes a version down in a state, unless it is already.
func (r *Registry) put(ctx context.Context, s *schema.Schema, in schema.VersionState) error {
	// The text may be large, and is no part of the statement.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": r.file.VersionToken(s.Version, in),
	}))
	into := fmt.Sprintf("INSERT INTO %s (version, state, text, at, by)", r.file.Versions(r.tables))
	batch, err := r.conns[0].PrepareBatch(ctx, into)
	if err == nil {
		err = batch.Append(uint32(s.Version), string(in), s.Text(), r.now(), r.by)
		if err != nil {
			return errors.Join(r.fail(0, into, err), batch.Abort())
		}
		err = batch.Send()
	}
	if err != nil {
		return r.fail(0, fmt.Sprintf("write down version %d of schema %s as %s", s.Version, s.Name, in), err)
	}
	return nil
}

func (r *Registry) fail(shard int, what string, err error) error {
	return fmt.Errorf("%s at ClickHouse shard %s, %v: %w", what, r.shards[shard].Name, r.shards[shard].At.Addr, err)
}
