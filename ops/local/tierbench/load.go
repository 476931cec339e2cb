package tierbench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/ch-go"
	"github.com/cespare/xxhash/v2"

	"penstock/loadtest"
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

// load stores a day of the fleet's readings, spread over all of it, merges it,
// and returns the bytes of its records.
func (s *session) load(ctx context.Context, day schema.Day, rows int) (bytes float64, err error) {
	at := s.at.ClickHouse
	client, err := ch.Dial(ctx, ch.Options{Address: at.Native, User: at.User, Password: at.Password, Database: at.Database, ReadTimeout: time.Minute})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var names []string
	for _, c := range s.schema.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	into := fmt.Sprintf("INSERT INTO %s (%s) VALUES", s.schema.Hot(s.tables), strings.Join(names, ", "))

	cfg := loadtest.DefaultConfig()
	cfg.Run, cfg.Devices = "bench", s.cfg.Devices
	start := day.Start()
	readings := loadtest.NewReadings(cfg, start)
	decoder := schema.NewDecoder(s.schema, schema.JSON, schema.DefaultMaxRecordBytes)
	block := schema.NewBlock(s.schema)
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
	return bytes, s.exec(ctx, fmt.Sprintf("OPTIMIZE TABLE %s PARTITION %s FINAL", s.schema.Hot(s.tables), schema.QuoteString(day.String())))
}
