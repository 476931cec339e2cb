package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	ch "github.com/ClickHouse/ch-go"

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
	// Insert stores the rows of one day under token, or returns an error that
	// may mean that they were stored. The same token again stores nothing.
	Insert(ctx context.Context, token string, b *schema.Block) error
	// Close releases the sink's connection.
	Close() error
}

// inserter is the sink for ClickHouse's native protocol. It has one
// connection, opened when needed, and is used by one goroutine.
type inserter struct {
	cfg  ClickHouse
	into string // INSERT INTO table (columns) VALUES
	conn *ch.Client
}

func newInserter(cfg ClickHouse, s *schema.Schema) *inserter {
	var names []string
	for _, c := range s.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	return &inserter{cfg: cfg, into: fmt.Sprintf("INSERT INTO %s (%s) VALUES", s.Hot(cfg.Tables()), strings.Join(names, ", "))}
}

// pinned are the settings every insert states, whatever the server's profile
// says: the token's protection depends on each of them. async_insert is on by
// default since ClickHouse 26.2 and would merge inserts of several tokens.
func pinned(token string) []ch.Setting {
	return []ch.Setting{
		ch.SettingInt("async_insert", 0),
		ch.SettingInt("insert_deduplicate", 1),
		ch.SettingInt("deduplicate_blocks_in_dependent_materialized_views", 1),
		ch.SettingInt("max_insert_threads", 1),
		{Key: "insert_deduplication_token", Value: token, Important: true},
	}
}

// Insert implements sink. After an error the connection is dropped, also after
// the server's verdict: what it still carries is unknown, and an answer to this
// insert must never be taken for one to the next.
func (i *inserter) Insert(ctx context.Context, token string, b *schema.Block) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.cfg.InsertTimeout,
		fmt.Errorf("no answer within clickhouse.insert_timeout, %v", i.cfg.InsertTimeout))
	defer cancel()
	err := i.insert(ctx, token, b)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("insert %d rows into %s at %s: %w", b.Rows(), i.cfg.Database, i.cfg.Addr, errors.Join(err, i.Close()))
}

func (i *inserter) insert(ctx context.Context, token string, b *schema.Block) error {
	if i.conn == nil || i.conn.IsClosed() {
		conn, err := ch.Dial(ctx, ch.Options{
			Address: i.cfg.Addr, Database: i.cfg.Database, User: i.cfg.User, Password: i.cfg.Password,
			Compression: compressions[i.cfg.Compression], ClientName: "penstock-ingest",
			DialTimeout: i.cfg.DialTimeout, HandshakeTimeout: i.cfg.DialTimeout, ReadTimeout: i.cfg.InsertTimeout,
		})
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		i.conn = conn
	}
	return i.conn.Do(ctx, ch.Query{Body: i.into, Input: b.Input(), Settings: pinned(token)})
}

// Close implements sink.
func (i *inserter) Close() error {
	conn := i.conn
	i.conn = nil
	if conn == nil || conn.IsClosed() {
		return nil
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

var _ sink = (*inserter)(nil)
var _ slog.LogValuer = ClickHouse{}

// LogValue keeps the password out of logs.
func (c ClickHouse) LogValue() slog.Value {
	return slog.GroupValue(slog.String("addr", c.Addr), slog.String("database", c.Database), slog.String("user", c.User))
}
