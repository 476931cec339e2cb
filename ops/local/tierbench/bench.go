// Package tierbench measures what it takes to move a day from ClickHouse to
// Parquet on S3: CPU time, memory, and bytes a row.
//
// A day of a fleet's readings is stored in a real ClickHouse, in blocks as a
// node inserts them, and merged, as a day is by the time it is cold. The same
// rows are then written three times, in the same order:
//
//   - by the compactor, as in production: sealed, exported, read back from S3 with
//     another library, compared, published and cut over. Its sealed rows stay,
//     since the grace period has not passed;
//   - by ClickHouse itself, to one object on S3 (INSERT INTO FUNCTION s3), read
//     back by nobody;
//   - by DuckDB (COPY ... TO), from the compactor's files to a local one.
//
// The reads of a verification alone are measured after it. CPU time is that of
// each writer's process; what ClickHouse takes to answer the compactor is told
// beside it.
package tierbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/coldday"
	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
	"penstock/tiering/store"
	"penstock/transport"
)

// Config says what to measure.
type Config struct {
	// Stack says where servers and their data live; State is emptied by the
	// caller.
	Stack stack.Config
	// Bin is the folder of the program compactor.
	Bin string
	// Rows are the days to move, one after another, each of so many.
	Rows []int
	// Devices is the size of the fleet they are of.
	Devices int
	// Progress is told what happens, step by step.
	Progress io.Writer
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Rows) > 0, "--rows is empty; name the size of a day, such as 5000000")
	for _, n := range c.Rows {
		check(n > 0, "--rows is %d; take at least 1, and rather 5000000", n)
	}
	check(c.Devices > 0, "--devices is %d; take at least 1", c.Devices)
	if _, err := os.Stat(filepath.Join(c.Bin, "compactor")); err != nil {
		errs = append(errs, fmt.Errorf("program compactor: %w; build it with: make build", err))
	}
	return errors.Join(errs...)
}

// prefix is the folder of the bucket that everything is written to.
const prefix = "bench"

// oldest is the age of the first day that is measured, in days; each other is
// a day younger. All are cold.
const oldest = 60

// session is a bench under way.
type session struct {
	cfg     Config
	schema  *schema.Schema
	began   time.Time
	stack   *stack.Stack
	at      stack.Addresses
	tables  schema.Tables
	conn    driver.Conn
	objects *store.S3
}

// Run measures days of all sizes.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	s := &session{cfg: cfg, schema: schema.Telemetry(), began: time.Now()}
	cfg.Stack.Kafka = kafka.KFake // nothing of it is asked for anything
	if err := cfg.Stack.Cache.Ensure(ctx, fetch.DuckDB); err != nil {
		return result, err
	}
	if s.stack, err = stack.Start(ctx, cfg.Stack); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.stack.Stop()) }()
	if err := s.open(ctx); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.conn.Close()) }()

	result = Result{Devices: cfg.Devices, Columns: len(s.schema.Columns())}
	for i, rows := range cfg.Rows {
		day := schema.DayOf(time.Now().AddDate(0, 0, i-oldest).UnixMilli())
		d, err := s.day(ctx, day, rows)
		if err != nil {
			return result, fmt.Errorf("a day of %d rows: %w", rows, err)
		}
		result.Days = append(result.Days, d)
	}
	return result, nil
}

// open creates the tables and looks for the bucket.
func (s *session) open(ctx context.Context) (err error) {
	s.at = s.stack.Addresses()
	at := s.at.ClickHouse
	s.tables = schema.Tables{Database: at.Database}
	s.conn, err = clickhouse.Open(&clickhouse.Options{
		Addr:        []string{at.Native},
		Auth:        clickhouse.Auth{Database: at.Database, Username: at.User, Password: at.Password},
		ReadTimeout: time.Hour, // a merge of a day sends nothing while it lasts
	})
	if err != nil {
		return err
	}
	for _, statement := range s.schema.DDL(s.tables) {
		if err := s.exec(ctx, statement); err != nil {
			return err
		}
	}
	bucket := store.DefaultS3Config()
	bucket.Endpoint, bucket.Bucket, bucket.Prefix = s.at.S3.Endpoint, s.at.S3.Bucket, prefix
	bucket.AccessKey, bucket.SecretKey = transport.NewSecret(s.at.S3.AccessKey), transport.NewSecret(s.at.S3.SecretKey)
	s.objects, err = store.OpenS3(ctx, bucket)
	return err
}

// day loads a day and has it written by each writer.
func (s *session) day(ctx context.Context, day schema.Day, rows int) (d Day, err error) {
	d.Rows = rows
	if d.JSONBytes, err = coldday.Load(ctx, s.at.ClickHouse, s.schema, day, rows, s.cfg.Devices); err != nil {
		return d, err
	}
	d.JSONBytes /= float64(rows)
	s.step("%d rows of %s are stored and merged; as JSON they have %.0f bytes each", rows, day, d.JSONBytes)
	if d.Engine, err = s.byClickHouse(ctx, day); err != nil {
		return d, err
	}
	s.step("ClickHouse's own export: %v", d.Engine)
	if d.Export, err = s.byCompactor(ctx, day, "run", "--once"); err != nil {
		return d, err
	}
	s.step("compactor run: %v", d.Export)
	if d.Verify, err = s.byCompactor(ctx, day, "verify", "--day", day.String()); err != nil {
		return d, err
	}
	s.step("compactor verify: %v", d.Verify)
	if d.DuckDB, err = s.byDuckDB(ctx, day); err != nil {
		return d, err
	}
	s.step("DuckDB's COPY: %v", d.DuckDB)
	return d, d.derive()
}

func (s *session) exec(ctx context.Context, statement string) error {
	if err := s.conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%.200s: %w", statement, err)
	}
	return nil
}

// step says what has been done, with the time since the beginning. A progress
// nobody can read any more is no reason to stop.
func (s *session) step(format string, args ...any) {
	_, _ = fmt.Fprintf(s.cfg.Progress, "[%5.1fs] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
