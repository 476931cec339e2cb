package scenario

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/fetch"
)

// parquet is what a reader finds in the cold tier; two readers have to find the
// same. seqs is the sum of the sequence numbers: equal counts of different rows
// would show.
type parquet struct {
	Rows    uint64 `json:"rows"`
	Devices uint64 `json:"devices"`
	Seqs    uint64 `json:"seqs"`
}

// tier moves the old days to Parquet and has ClickHouse and DuckDB read them.
func (s *session) tier(ctx context.Context, r *Result) (err error) {
	if err := s.call(ctx, "compactor", "compactor", "run", "--once", "--config", s.files.compactor); err != nil {
		return err
	}
	if err := s.call(ctx, "compactor-verify", "compactor", "verify", "--config", s.files.compactor); err != nil {
		return err
	}
	s.step("the compactor has moved every day older than 30 days and verified it")

	conn, err := s.clickHouse()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.QueryRow(ctx, "SELECT count() FROM "+hotTable+" WHERE toDate(ts) < today() - 30").Scan(&r.HotOlderThan30Days); err != nil {
		return fmt.Errorf("count hot rows older than 30 days: %w", err)
	}
	files, err := s.coldFiles(ctx)
	if err != nil {
		return err
	}
	a := s.stack.Addresses().S3
	var keys []string
	for _, file := range files {
		keys = append(keys, strings.TrimPrefix(file, "s3://"+a.Bucket+"/"))
	}
	var byClickHouse parquet
	err = conn.QueryRow(ctx, fmt.Sprintf("SELECT count(), uniqExact(device_id), sum(seq) FROM s3('%s/%s/{%s}', '%s', '%s', 'Parquet')",
		a.Endpoint, a.Bucket, strings.Join(keys, ","), a.AccessKey, a.SecretKey)).Scan(&byClickHouse.Rows, &byClickHouse.Devices, &byClickHouse.Seqs)
	if err != nil {
		return fmt.Errorf("read the Parquet files by ClickHouse: %w", err)
	}
	byDuckDB, err := s.duckDB(ctx, files)
	if err != nil {
		return fmt.Errorf("read the Parquet files by DuckDB: %w", err)
	}
	r.ColdRows, r.ColdRowsDuckDB = byClickHouse.Rows, byDuckDB.Rows
	s.step("Parquet holds %d rows for ClickHouse and %d for DuckDB", r.ColdRows, r.ColdRowsDuckDB)
	if byClickHouse != byDuckDB {
		return fmt.Errorf("ClickHouse finds %+v in Parquet, DuckDB %+v", byClickHouse, byDuckDB)
	}
	return nil
}

// coldFiles are the files the cold tier consists of, as s3:// URLs. By a pattern
// readers would find what no manifest lists, too.
func (s *session) coldFiles(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, s.program("compactor"), "files", "--config", s.files.compactor)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	said, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("compactor files: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	files := strings.Fields(string(said))
	if len(files) == 0 {
		return nil, errors.New("compactor files: there are none; no reading was old enough, raise --late or --duration")
	}
	return files, nil
}

//go:embed duckdb.py
var duckDBScript string

func (s *session) duckDB(ctx context.Context, files []string) (got parquet, err error) {
	a := s.stack.Addresses().S3
	want, err := json.Marshal(map[string]any{
		"endpoint": a.Endpoint, "region": a.Region, "access_key": a.AccessKey, "secret_key": a.SecretKey,
		"files": files,
	})
	if err != nil {
		return got, err
	}
	cmd := exec.CommandContext(ctx, s.cfg.Stack.Cache.Path(fetch.DuckDB), "-c", duckDBScript, string(want))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	said, err := cmd.Output()
	if err != nil {
		return got, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(said, &got); err != nil {
		return got, fmt.Errorf("it said %q: %w", said, err)
	}
	return got, nil
}

func (s *session) clickHouse() (driver.Conn, error) {
	a := s.stack.Addresses().ClickHouse
	return clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native},
		Auth: clickhouse.Auth{Database: a.Database, Username: a.User, Password: a.Password},
	})
}

// exampleQuery is one an analyst might ask of the last minute.
const exampleQuery = `SELECT firmware, count() AS readings, uniq(device_id) AS devices,
       round(avg(temperature), 2) AS temperature, dateDiff('millisecond', max(ts), now64(3)) AS newest_ms_ago
FROM ` + hotTable + `
WHERE ts > now() - INTERVAL 1 MINUTE
GROUP BY firmware
ORDER BY readings DESC
LIMIT 5`

// showQuery asks the example query and shows what comes back.
func (s *session) showQuery(ctx context.Context) (err error) {
	conn, err := s.clickHouse()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	rows, err := conn.Query(ctx, exampleQuery)
	if err != nil {
		return fmt.Errorf("the query while the load runs: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()

	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  "+strings.Join(rows.Columns(), "\t"))
	for rows.Next() {
		var firmware string
		var readings, devices uint64
		var temperature sql.NullFloat64 // of readings without one
		var newest int64
		if err := rows.Scan(&firmware, &readings, &devices, &temperature, &newest); err != nil {
			return fmt.Errorf("the query while the load runs: %w", err)
		}
		fmt.Fprintf(table, "  %s\t%d\t%d\t%.2f\t%d\n", firmware, readings, devices, temperature.Float64, newest)
	}
	if err := errors.Join(rows.Err(), table.Flush()); err != nil {
		return fmt.Errorf("the query while the load runs: %w", err)
	}
	s.step("a query while the load runs:")
	s.say("%s\n\n%s\n", exampleQuery, text.String())
	return nil
}
