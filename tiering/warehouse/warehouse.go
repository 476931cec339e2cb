// Package warehouse is ClickHouse for the compactor: it implements
// tiering.Warehouse with the statements of ClickHouse.
//
// Statements go through clickhouse-go. The rows of a sealed day go through
// ch-go, the library beneath it, which decodes straight into the columns of an
// archive.Block. Nothing here decides anything: the order of the statements,
// and what a crash between two of them means, is said in package tiering.
package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
)

// ClickHouse is one server, or one of a cluster that the others follow.
type ClickHouse struct {
	config Config
	schema *schema.Schema // the file's; [ClickHouse.Schema] is the tables'
	conn   driver.Conn
	source source

	mu sync.Mutex // guards what follows
	// collected is what made the named collection what the configuration says.
	collected []string
}

var _ tiering.Warehouse = (*ClickHouse)(nil)

// Open connects to ClickHouse. Bucket is where the view has ClickHouse look for
// files. The caller closes it.
func Open(ctx context.Context, c Config, bucket store.S3Config, s *schema.Schema) (*ClickHouse, error) {
	options := c.Options(c.Addr, c.Database)
	options.ReadTimeout = c.ReadTimeout
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("clickhouse.addr %s: %w", c.Addr, err)
	}
	w := &ClickHouse{config: c, schema: s, conn: conn, source: source{config: c, bucket: bucket}}
	if err := w.check(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

// check reaches the server and its database. In a database that is not atomic,
// replacing a view is dropping and creating it: a query in between would fail.
func (w *ClickHouse) check(ctx context.Context) error {
	var engine string
	err := w.conn.QueryRow(ctx, "SELECT engine FROM system.databases WHERE name = $1", w.config.Database).Scan(&engine)
	if err != nil {
		return w.fail("connect to database "+w.config.Database, err)
	}
	if !slices.Contains([]string{"Atomic", "Replicated", "Shared"}, engine) {
		return fmt.Errorf("clickhouse.database %s has the engine %s, in which a view cannot be replaced in one step; use a database with the engine Atomic or Replicated",
			w.config.Database, engine)
	}
	if w.config.Cluster == "" {
		return nil
	}
	var shards uint64
	if err := w.conn.QueryRow(ctx, "SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = $1", w.config.Cluster).Scan(&shards); err != nil {
		return w.fail("look at the cluster "+w.config.Cluster, err)
	}
	if shards != 1 {
		return fmt.Errorf("clickhouse.cluster %s has %d shards; want 1: each has rows of its own of every day, and would be shown those of another. Give each shard a section of tables, with an s3.prefix of its own and a cluster of its replicas, or none",
			w.config.Cluster, shards)
	}
	return nil
}

// Close closes the connections.
func (w *ClickHouse) Close() error { return w.conn.Close() }

// Partitions implements [tiering.Warehouse].
func (w *ClickHouse) Partitions(ctx context.Context) (_ []tiering.Partition, err error) {
	hot, sealed := w.schema.Name, w.schema.Name+"_sealed"
	// A part without rows is what a partition leaves behind for a while after
	// it was moved or dropped.
	rows, err := w.conn.Query(ctx, `SELECT partition,
		sumIf(rows, table = $2), sumIf(bytes_on_disk, table = $2), sumIf(rows, table = $3), sumIf(bytes_on_disk, table = $3)
		FROM system.parts WHERE active AND rows > 0 AND database = $1 AND table IN ($2, $3) GROUP BY partition`, w.config.Database, hot, sealed)
	if err != nil {
		return nil, w.fail("list partitions", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []tiering.Partition
	for rows.Next() {
		var p tiering.Partition
		var name string
		if err := rows.Scan(&name, &p.HotRows, &p.HotBytes, &p.SealedRows, &p.SealedBytes); err != nil {
			return nil, w.fail("list partitions", err)
		}
		if p.Day, err = schema.ParseDay(name); err != nil {
			return nil, fmt.Errorf("table %s has a partition %q, which is no day; it was not made by this schema: %w", hot, name, err)
		}
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, w.fail("list partitions", err)
	}
	return out, nil
}

// Busy implements [tiering.Warehouse].
func (w *ClickHouse) Busy(ctx context.Context) (why string, err error) {
	if w.config.BusyParts == 0 {
		return "", nil
	}
	var parts uint64
	var day string
	err = w.conn.QueryRow(ctx, "SELECT max(n), argMax(day, n) FROM (SELECT count() AS n, partition AS day FROM system.parts WHERE active AND database = $1 AND table = $2 GROUP BY partition)",
		w.config.Database, w.schema.Name).Scan(&parts, &day)
	if err != nil {
		return "", w.fail("count active parts", err)
	}
	if parts < uint64(w.config.BusyParts) {
		return "", nil
	}
	return fmt.Sprintf("%s has %d active parts in %s, and clickhouse.busy_parts is %d", day, parts, w.schema.Hot(w.config.Tables()), w.config.BusyParts), nil
}

// HotRow implements [tiering.Warehouse].
func (w *ClickHouse) HotRow(ctx context.Context, day schema.Day) (schema.Row, error) {
	row := schema.Row{Day: day}
	query := fmt.Sprintf("SELECT %s, %s, %s, %s FROM %s WHERE %s LIMIT 1", schema.QuoteIdent(schema.ColTopic),
		schema.QuoteIdent(schema.ColPartition), schema.QuoteIdent(schema.ColOffset), schema.QuoteIdent(schema.ColIndex), w.schema.Hot(w.config.Tables()), w.ofDay(day))
	if err := w.conn.QueryRow(ctx, query).Scan(&row.Topic, &row.Partition, &row.Offset, &row.Index); err != nil {
		return row, w.fail("read a hot row of "+day.String(), err)
	}
	return row, nil
}

// Seal implements [tiering.Warehouse]. A replica moves the parts that it has, so it
// gets the others first; and every replica has done it when it is done.
func (w *ClickHouse) Seal(ctx context.Context, day schema.Day, before time.Time) error {
	if err := w.sync(ctx, w.schema.Name); err != nil {
		return fmt.Errorf("%w: %w", tiering.ErrNotSealed, err)
	}
	err := w.exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{everyReplica: 2})), w.moveStatement(day, before))
	if slices.Contains(refusals, code(err)) {
		return fmt.Errorf("%w: %w", tiering.ErrNotSealed, err)
	}
	return err
}

// refusals are the errors of a statement that was not begun: a partition that is
// no date, since it came too late; an unknown table or database; no right to it;
// a name or password that is wrong.
var refusals = []int{38, 60, 81, 497, 516}

// everyReplica is the setting that has an ALTER wait for all replicas at 2.
const everyReplica = "alter_sync"

// sync waits until this replica has what is in a table and in its queue, if the
// table is a replica.
func (w *ClickHouse) sync(ctx context.Context, table string) error {
	var engine string
	err := w.conn.QueryRow(ctx, "SELECT engine FROM system.tables WHERE database = $1 AND name = $2", w.config.Database, table).Scan(&engine)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return w.fail("look for table "+table, err)
	}
	if !strings.HasPrefix(engine, "Replicated") {
		return nil
	}
	return w.exec(ctx, "SYSTEM SYNC REPLICA "+schema.QuoteIdent(w.config.Database)+"."+schema.QuoteIdent(table))
}

// moveStatement names a partition that cannot be once its time has come: whoever
// sends it may be frozen before he does.
func (w *ClickHouse) moveStatement(day schema.Day, before time.Time) string {
	return fmt.Sprintf("ALTER TABLE %s MOVE PARTITION tuple(if(toUnixTimestamp64Milli(now64(3)) < %d, %s, 'too late: the lease has run out')) TO TABLE %s",
		w.schema.Hot(w.config.Tables()), before.UnixMilli(), schema.QuoteString(day.String()), w.schema.Sealed(w.config.Tables()))
}

// maxQuery bounds the text of a statement: a list of files is as long as the cold
// tier is large.
const maxQuery = 256 << 20

func (w *ClickHouse) cold(v tiering.View) (schema.Cold, error) {
	cold := schema.Cold{CutOver: v.CutOver, Moving: v.Moving}
	if len(v.Files) == 0 {
		return cold, nil
	}
	for _, key := range v.Files {
		cold.Files = append(cold.Files, strings.TrimPrefix(key, w.schema.Name+"/"))
	}
	var err error
	cold.Source, err = w.source.folder(w.schema.Name)
	cold.Secret = w.source.secret()
	return cold, err
}

// Shows implements [tiering.Warehouse].
func (w *ClickHouse) Shows(ctx context.Context, s *schema.Schema, v tiering.View) (bool, error) {
	cold, err := w.cold(v)
	if err != nil {
		return false, err
	}
	comment, err := w.comment(ctx)
	return comment == schema.ViewComment{SchemaVersion: s.Version, Cold: cold}.String(), err
}

// Minded implements [tiering.Warehouse].
func (w *ClickHouse) Minded(ctx context.Context) (*schema.Row, error) {
	text, err := w.comment(ctx)
	if err != nil || text == "" {
		return nil, err
	}
	comment, err := schema.ParseViewComment(text)
	if err != nil {
		return nil, nil //nolint:nilerr // a view that is none of ours minds nothing, and is replaced
	}
	return comment.Cold.Moving, nil
}

// comment returns the comment of the analysts' view; empty if there is none.
func (w *ClickHouse) comment(ctx context.Context) (comment string, err error) {
	err = w.conn.QueryRow(ctx, w.schema.ViewCommentQuery(w.config.Tables())).Scan(&comment)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", w.fail("read the comment of "+w.schema.All(w.config.Tables()), err)
	}
	return comment, nil
}

// Table implements [tiering.Warehouse]: the UUID, which all replicas share if the
// table was created ON CLUSTER.
func (w *ClickHouse) Table(ctx context.Context) (uuid string, err error) {
	err = w.conn.QueryRow(ctx, "SELECT toString(uuid) FROM system.tables WHERE database = $1 AND name = $2", w.config.Database, w.schema.Name+"_sealed").Scan(&uuid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("clickhouse %s: there is no table %s; run \"ingest migrate\" first", w.config.Addr, w.schema.Sealed(w.config.Tables()))
	}
	if err != nil {
		return "", w.fail("look for "+w.schema.Sealed(w.config.Tables()), err)
	}
	return uuid, nil
}

// collect makes the named collection what the configuration says, before the first
// statement that reads files by it, and again when the credentials are others.
func (w *ClickHouse) collect(ctx context.Context, files []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(files) == 0 || w.config.NamedCollection == "" {
		return nil
	}
	statements, err := w.source.collection()
	if err != nil || slices.Equal(statements, w.collected) {
		return err
	}
	for _, statement := range statements {
		if err := w.exec(ctx, statement); err != nil {
			return err
		}
	}
	w.collected = statements
	return nil
}

// dial opens a connection of its own, by the library that decodes into columns.
func (w *ClickHouse) dial(ctx context.Context) (*ch.Client, error) {
	client, err := w.config.Dial(ctx, ch.Options{
		Address: w.config.Addr, Database: w.config.Database, ReadTimeout: w.config.ReadTimeout, ProtocolVersion: maxRevision,
		ClientName: "penstock compactor",
	})
	if err != nil {
		return nil, w.fail("connect", err)
	}
	return client, nil
}

func (w *ClickHouse) ofDay(day schema.Day) string {
	return fmt.Sprintf("toDate(%s) = %s", schema.QuoteIdent(w.schema.Time.Field), schema.QuoteString(day.String()))
}

func (w *ClickHouse) exec(ctx context.Context, statement string) error {
	if err := w.conn.Exec(ctx, statement); err != nil {
		head, _, _ := strings.Cut(statement, " AS")
		head, _, _ = strings.Cut(head, " SET ") // credentials follow
		return w.fail(head, err)
	}
	return nil
}

// fail names the server and, where there is one, the remedy.
func (w *ClickHouse) fail(doing string, err error) error {
	remedy := ""
	switch code(err) {
	case 60, 81: // UNKNOWN_TABLE, UNKNOWN_DATABASE
		remedy = "; run \"ingest migrate\" first"
	case 497: // ACCESS_DENIED
		remedy = "; grant it to the user, or for a named collection set clickhouse.named_collection to nothing"
	}
	return fmt.Errorf("clickhouse %s as user %s: %s: %w%s", w.config.Addr, w.config.User, doing, err, remedy)
}

// code returns the number of a ClickHouse exception, by whichever library, or 0.
func code(err error) int {
	var ex *clickhouse.Exception
	if errors.As(err, &ex) {
		return int(ex.Code)
	}
	if ex, ok := ch.AsException(err); ok {
		return int(ex.Code)
	}
	return 0
}
