package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// filling is the comment of a view that analysts read, as JSON, while its rollup
// lacks some of what was stored before it was added.
type filling struct {
	Below schema.Boundary `json:"below"`
	// Counted: all days are. What is left is to let the view have every event that
	// is inserted from now on.
	Counted bool `json:"counted"`
}

func (f filling) String() string {
	text, err := json.Marshal(f)
	if err != nil {
		panic("BUG: the comment of a rollup has no JSON: " + err.Error())
	}
	return string(text)
}

// Backfill counts into rollups that were added later what was stored before. It
// may run beside nodes, and be killed at any moment and repeated: each day is
// computed in a table of its own, renamed when it is complete, and its partition
// moved into the rollup in one step. Such a table, empty, says that its day is
// done, until all are. It waits until the group has stored all that is below the
// boundary. Days of which rows are in the cold tier only are not counted. Progress
// is told how much of what is done.
func Backfill(ctx context.Context, cfg Config, s *schema.Schema, progress func(what string, done, of int64)) error {
	for _, shard := range cfg.ClickHouse.AllShards() {
		if err := backfillShard(ctx, cfg, shard, s, progress); err != nil {
			return fmt.Errorf("backfill at %s: %w", shard.Addr, err)
		}
	}
	return nil
}

func backfillShard(ctx context.Context, cfg Config, shard Shard, s *schema.Schema, progress func(string, int64, int64)) (err error) {
	conn, err := cfg.ClickHouse.connect(ctx, shard, cfg.ClickHouse.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	comments, err := pairs(ctx, conn, "SELECT name, comment FROM system.tables WHERE database = ? AND comment != ''", cfg.ClickHouse.Database)
	if err != nil {
		return err
	}
	for _, r := range s.RollupTables(cfg.ClickHouse.Tables()) {
		comment, ok := comments[r.Name()]
		if !ok {
			continue
		}
		b := backfill{cfg: cfg, conn: conn, schema: s, rollup: r, progress: progress}
		if err := json.Unmarshal([]byte(comment), &b.state); err != nil {
			return fmt.Errorf("the comment of %s, %.100q, does not say what is backfilled: %w; drop the rollup's three tables and run `ingest migrate`", r.Name(), comment, err)
		}
		if err := b.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
	}
	return nil
}

// backfill is that of one rollup on one shard.
type backfill struct {
	cfg      Config
	conn     driver.Conn
	schema   *schema.Schema
	rollup   schema.RollupTables
	state    filling
	progress func(what string, done, of int64)
}

func (b *backfill) run(ctx context.Context) error {
	if !b.state.Counted {
		if err := b.await(ctx); err != nil {
			return err
		}
		days, err := b.days(ctx)
		if err != nil {
			return err
		}
		for i, day := range days {
			b.progress("days of "+b.rollup.Name(), int64(i), int64(len(days)))
			if err := b.day(ctx, day); err != nil {
				return fmt.Errorf("%s: %w", day, err)
			}
		}
		b.state.Counted = true
		if err := execAll(ctx, b.conn, b.rollup.ReplaceView(b.state.String())); err != nil {
			return err
		}
	}
	// What is inserted below the boundary from now on, such as dead letters that are
	// replayed, is new.
	if err := execAll(ctx, b.conn,
		"ALTER TABLE "+b.rollup.Feed()+" MODIFY QUERY "+b.rollup.Of(b.schema.Hot(b.cfg.ClickHouse.Tables()), ""),
		"ALTER TABLE "+b.rollup.Feed()+" MODIFY COMMENT ''"); err != nil {
		return err
	}
	left, err := pairs(ctx, b.conn, "SELECT name, name FROM system.tables WHERE database = ? AND match(name, ?)", b.cfg.ClickHouse.Database, "^"+b.rollup.Name()+"_fill(ed)?_[0-9]{8}$")
	if err != nil {
		return err
	}
	for name := range left {
		if err := execAll(ctx, b.conn, "DROP TABLE IF EXISTS "+schema.QuoteIdent(b.cfg.ClickHouse.Database)+"."+schema.QuoteIdent(name)+" SYNC"); err != nil {
			return err
		}
	}
	return execAll(ctx, b.conn, b.rollup.ReplaceView(""))
}

// commitEvery is how often the group's commits are asked for.
const commitEvery = time.Second

// await waits until everything below the boundary is stored: there are no more
// rows below it then, but those of records that are replayed.
func (b *backfill) await(ctx context.Context) error {
	admin, err := b.cfg.Kafka.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	again := time.NewTicker(commitEvery)
	defer again.Stop()
	for {
		commits, err := admin.FetchOffsets(ctx, b.cfg.Kafka.Group)
		if err = errors.Join(err, commits.Error()); err != nil {
			return fmt.Errorf("the commits of group %s: %w", b.cfg.Kafka.Group, err)
		}
		var done, of int64
		for topic, partitions := range b.state.Below {
			for p, boundary := range partitions {
				of += boundary
				if o, ok := commits.Lookup(topic, p); ok {
					done += min(max(0, o.At), boundary)
				}
			}
		}
		if done == of {
			return nil
		}
		b.progress("offsets that nodes have to store before "+b.rollup.Name()+" is backfilled", done, of)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// days returns the days that have rows below the boundary, but those whose time
// in the rollup is over.
func (b *backfill) days(ctx context.Context) ([]schema.Day, error) {
	at, tables := schema.QuoteIdent(b.schema.Time.Field), b.cfg.ClickHouse.Tables()
	of := func(table string) string {
		return fmt.Sprintf("SELECT DISTINCT toString(toDate(%s)) AS d, d FROM %s WHERE %s", at, table, b.state.Below.Below())
	}
	found, err := pairs(ctx, b.conn, of(b.schema.Hot(tables))+" UNION DISTINCT "+of(b.schema.Sealed(tables)))
	if err != nil {
		return nil, err
	}
	var days []schema.Day
	for text := range found {
		day, err := schema.ParseDay(text)
		if err != nil {
			return nil, err
		}
		if !b.over(day) {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

func (b *backfill) over(day schema.Day) bool {
	return b.rollup.TTL > 0 && day.Start().AddDate(0, 0, int(b.rollup.TTL)).Before(time.Now())
}

// fillings is how often a day is computed, at most: one that moves from hot to
// sealed meanwhile is seen twice or not at all.
const fillings = 5

func (b *backfill) day(ctx context.Context, day schema.Day) error {
	scratch, create := b.rollup.Scratch("fill", day)
	filled, _ := b.rollup.Scratch("filled", day)
	exists, err := b.count(ctx, "SELECT count() FROM system.tables WHERE concat('`', database, '`.`', name, '`') = "+schema.QuoteString(filled))
	if err != nil {
		return err
	}
	if exists == 0 {
		if err := b.compute(ctx, day, scratch, create); err != nil {
			return err
		}
		if err := execAll(ctx, b.conn, "RENAME TABLE "+scratch+" TO "+filled); err != nil {
			return err
		}
	}
	return execAll(ctx, b.conn, fmt.Sprintf("ALTER TABLE %s MOVE PARTITION %s TO TABLE %s", filled, schema.QuoteString(day.String()), b.rollup.State()))
}

// compute fills the scratch table with the day's rows below the boundary.
func (b *backfill) compute(ctx context.Context, day schema.Day, scratch, create string) error {
	tables := b.cfg.ClickHouse.Tables()
	from := []string{b.schema.Hot(tables), b.schema.Sealed(tables)}
	where := fmt.Sprintf("toDate(%s) = %s AND %s", schema.QuoteIdent(b.schema.Time.Field), schema.QuoteString(day.String()), b.state.Below.Below())
	rows := func() (n uint64, err error) {
		for _, table := range from {
			here, err := b.count(ctx, "SELECT count() FROM "+table+" WHERE "+where)
			if err != nil {
				return 0, err
			}
			n += here
		}
		return n, nil
	}
	for range fillings {
		if err := execAll(ctx, b.conn, "DROP TABLE IF EXISTS "+scratch+" SYNC", create); err != nil {
			return err
		}
		before, err := rows()
		if err != nil {
			return err
		}
		// A day is grouped in the table's own order, which takes memory for one
		// device at a time.
		settings := clickhouse.Settings{"optimize_aggregation_in_order": 1, "insert_deduplicate": 0}
		for _, table := range from {
			if err := execAll(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), b.conn, "INSERT INTO "+scratch+"\n"+b.rollup.Of(table, where)); err != nil {
				return err
			}
		}
		computed, err := b.count(ctx, "SELECT sum(`events`) FROM "+scratch)
		if err != nil {
			return err
		}
		after, err := rows()
		if err != nil {
			return err
		}
		if before == computed && computed == after {
			return nil
		}
	}
	return fmt.Errorf("its rows changed during each of %d attempts; run `ingest migrate` again when the compactor is done with the day", fillings)
}

func (b *backfill) count(ctx context.Context, query string) (n uint64, err error) {
	err = b.conn.QueryRow(ctx, query).Scan(&n)
	return n, err
}
