// Package coldday makes a day that is cold: a fleet's readings of weeks ago in
// ClickHouse, and what a compactor has to know to move them.
package coldday

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/cespare/xxhash/v2"

	"penstock/loadtest"
	"penstock/ops/local/stack"
	"penstock/schema"
)

const (
	// partitions are those of the topic the readings would come by.
	partitions = 8
	// blockRows is what an insert holds.
	blockRows = 250_000
	// arrival is how long after a reading Kafka has its record, in
	// milliseconds.
	arrival = 20
)

// Load stores a day of the readings of so many devices, spread over all of it,
// in blocks as a node inserts them, merges it, as a day is by the time it is cold,
// and returns the bytes of its records. The tables have to be there.
func Load(ctx context.Context, at stack.ClickHouseAddress, s *schema.Schema, day schema.Day, rows, devices int) (bytes float64, err error) {
	hot := s.Hot(schema.Tables{Database: at.Database})
	client, err := ch.Dial(ctx, ch.Options{
		Address: at.Native, User: at.User, Password: at.Password, Database: at.Database,
		ReadTimeout: time.Hour, // a merge of a day sends nothing while it lasts
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var names []string
	for _, c := range s.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	into := fmt.Sprintf("INSERT INTO %s (%s) VALUES", hot, strings.Join(names, ", "))

	cfg := loadtest.DefaultConfig()
	cfg.Run, cfg.Devices = "bench", devices
	start := day.Start()
	readings := loadtest.NewReadings(cfg, start)
	decoder := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
	block := schema.NewBlock(s)
	interval := float64(24*time.Hour/time.Millisecond) / float64(rows)
	var offsets [partitions]int64
	var key, value []byte
	for n := range rows {
		taken := start.UnixMilli() + int64(float64(n)*interval)
		key, value = readings.Append(key[:0], value[:0], taken)
		p := int32(xxhash.Sum64(key) % partitions)
		record := schema.Record{Topic: "telemetry", Partition: p, Offset: offsets[p], Time: taken + arrival, Value: value}
		if _, err := decoder.Decode(record, block); err != nil {
			return 0, fmt.Errorf("a reading of the fleet: %w", err)
		}
		offsets[p]++
		bytes += float64(len(value))
		if block.Rows() == blockRows || n == rows-1 {
			if err := client.Do(ctx, ch.Query{Body: into, Input: block.Input()}); err != nil {
				return 0, fmt.Errorf("insert %d rows: %w", block.Rows(), err)
			}
			block.Reset()
		}
	}
	merge := fmt.Sprintf("OPTIMIZE TABLE %s PARTITION %s FINAL", hot, schema.QuoteString(day.String()))
	if err := client.Do(ctx, ch.Query{Body: merge}); err != nil {
		return 0, fmt.Errorf("%s: %w", merge, err)
	}
	return bytes, nil
}

// CompactorEnv is the environment of a compactor that moves days from this stack's
// ClickHouse to the folder prefix of its bucket. All else are its defaults.
func CompactorEnv(a stack.Addresses, prefix string) []string {
	var out []string
	for _, v := range [][2]string{
		{"CLICKHOUSE__ADDR", a.ClickHouse.Native}, {"CLICKHOUSE__DATABASE", a.ClickHouse.Database},
		{"CLICKHOUSE__USER", a.ClickHouse.User}, {"CLICKHOUSE__PASSWORD", a.ClickHouse.Password},
		{"S3__ENDPOINT", a.S3.Endpoint}, {"S3__REGION", a.S3.Region}, {"S3__BUCKET", a.S3.Bucket}, {"S3__PREFIX", prefix},
		{"S3__ACCESS_KEY", a.S3.AccessKey}, {"S3__SECRET_KEY", a.S3.SecretKey},
	} {
		out = append(out, "PENSTOCK_COMPACTOR_"+v[0]+"="+v[1])
	}
	return out
}
