package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/failpoint"
	"penstock/schema"
)

// compressions are the values of clickhouse.compression.
var compressions = map[string]ch.Compression{
	"none": ch.CompressionDisabled,
	"lz4":  ch.CompressionLZ4,
	"zstd": ch.CompressionZSTD,
}

// sink stores blocks.
type sink interface {
	// Insert stores the rows of one day on the shard under token, or returns an
	// error that may mean that they were stored. The same token again stores
	// nothing.
	Insert(ctx context.Context, shard int, token string, b *schema.Block) error
	// Close releases the sink's connections.
	Close() error
}

// errNotSent: an insert that failed before anything of it was sent.
var errNotSent = errors.New("connect")

// inserter is the sink for ClickHouse's native protocol. It has one connection
// a shard, opened when needed, and is used by one goroutine.
type inserter struct {
	cfg    ClickHouse
	shards []Shard
	table  string             // quoted
	conns  map[int]*ch.Client // by shard
}

func newInserter(cfg ClickHouse, s *schema.Schema) *inserter {
	return &inserter{cfg: cfg, shards: cfg.AllShards(), conns: map[int]*ch.Client{}, table: s.Hot(cfg.Tables())}
}

// pinned are the settings every insert states, whatever the server's profile
// says: the token's protection depends on each of them. async_insert is on by
// default since ClickHouse 26.2 and would merge inserts of several tokens.
//
// max_execution_time ends an insert on the server when the client has given it
// up: a token has to be remembered for longer than an insert under it lasts.
//
// optimize_on_insert would merge what goes to the rollup, which the view has
// grouped already.
func pinned(token string, timeout time.Duration) []ch.Setting {
	if failpoint.Off("token") {
		return []ch.Setting{ch.SettingInt("async_insert", 0), ch.SettingInt("insert_deduplicate", 0)}
	}
	return []ch.Setting{
		ch.SettingInt("async_insert", 0),
		ch.SettingInt("insert_deduplicate", 1),
		ch.SettingInt("deduplicate_blocks_in_dependent_materialized_views", 1),
		ch.SettingInt("max_insert_threads", 1),
		ch.SettingInt("optimize_on_insert", 0),
		ch.SettingInt("max_execution_time", int(timeout.Seconds())+1),
		{Key: "insert_deduplication_token", Value: token, Important: true},
	}
}

// Insert implements sink. After an error the connection is dropped, also after
// the server's verdict: what it still carries is unknown, and an answer to this
// insert must never be taken for one to the next.
func (i *inserter) Insert(ctx context.Context, shard int, token string, b *schema.Block) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.cfg.InsertTimeout,
		fmt.Errorf("no answer within clickhouse.insert_timeout, %v", i.cfg.InsertTimeout))
	defer cancel()
	failpoint.At("insert.before")
	err := i.insert(ctx, shard, token, b)
	failpoint.At("insert.after")
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("insert %d rows into %s at %s: %w", b.Rows(), i.cfg.Database, i.shards[shard].Addr, errors.Join(err, i.drop(shard)))
}

func (i *inserter) insert(ctx context.Context, shard int, token string, b *schema.Block) error {
	conn := i.conns[shard]
	if conn == nil || conn.IsClosed() {
		var err error
		if conn, err = i.cfg.Dial(ctx, ch.Options{
			Address: i.shards[shard].Addr, Database: i.cfg.Database,
			Compression: compressions[i.cfg.Compression], ClientName: "penstock-ingest",
			HandshakeTimeout: i.cfg.DialTimeout, ReadTimeout: i.cfg.InsertTimeout,
		}); err != nil {
			return fmt.Errorf("%w: %w", errNotSent, err)
		}
		i.conns[shard] = conn
	}
	rows := b.Input()
	return conn.Do(ctx, ch.Query{Body: i.into(rows), Input: rows, Settings: pinned(token, i.cfg.InsertTimeout)})
}

// into is the statement for rows. It names their columns: the table may have
// others, which came later than the rows were decoded.
func (i *inserter) into(rows proto.Input) string {
	names := make([]string, len(rows))
	for n, c := range rows {
		names[n] = schema.QuoteIdent(c.Name)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES", i.table, strings.Join(names, ", "))
}

// drop closes the connection to the shard, if there is one.
func (i *inserter) drop(shard int) error {
	conn := i.conns[shard]
	delete(i.conns, shard)
	if conn == nil || conn.IsClosed() {
		return nil
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// Close implements sink.
func (i *inserter) Close() error {
	var err error
	for shard := range i.shards {
		err = errors.Join(err, i.drop(shard))
	}
	return err
}

var _ sink = (*inserter)(nil)

// LogValue says where rows go, and how.
func (c ClickHouse) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("shards", c.AllShards()), slog.String("database", c.Database), slog.String("user", c.User), slog.Bool("tls", c.TLS.Enabled))
}
