package enginebench

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"penstock/loadtest"
	"penstock/schema"
)

const (
	// partitions and lanes are those of a node on two cores: a block has the
	// devices of one lane's partitions.
	partitions = 8
	lanes      = 2
	// arrival is how long after a reading Kafka has its record, in
	// milliseconds.
	arrival = 20
)

// start is when the fleet begins to send; what it sends is of one day.
var start = time.Date(2026, 1, 15, 1, 0, 0, 0, time.UTC)

// blocks makes what a node inserts: all events in blocks of so many rows, in the
// order in which its lanes fill them.
func (s *session) blocks(rows int) ([]*schema.Block, error) {
	cfg := loadtest.DefaultConfig()
	cfg.Run, cfg.Rate, cfg.Devices = "bench", s.cfg.Rate, s.cfg.Devices
	readings := loadtest.NewReadings(cfg, start)
	decoder := schema.NewDecoder(s.schema, schema.JSON, schema.DefaultMaxRecordBytes)
	var full []*schema.Block
	var open [lanes]*schema.Block
	for lane := range open {
		open[lane] = schema.NewBlock(s.schema)
	}
	var offsets [partitions]int64
	var key, value []byte
	for n := 0; len(full) < s.cfg.Events/rows; n++ {
		at := start.UnixMilli() + int64(float64(n)*1000/s.cfg.Rate)
		key, value = readings.Append(key[:0], value[:0], at)
		p := int32(xxhash.Sum64(key) % partitions)
		lane := p % lanes
		record := schema.Record{Topic: "telemetry", Partition: p, Offset: offsets[p], Time: at + arrival, Value: value}
		if _, err := decoder.Decode(record, open[lane]); err != nil {
			return nil, fmt.Errorf("a reading of the fleet: %w", err)
		}
		offsets[p]++
		if open[lane].Rows() == rows {
			full = append(full, open[lane])
			open[lane] = schema.NewBlock(s.schema)
		}
	}
	return full, nil
}
