package loadtest

import (
	"testing"
	"time"

	"penstock/schema"
)

// Every record of Readings is stored, under the device of its key and at its
// time: nothing of it is late, sent again or malformed.
func TestReadings(t *testing.T) {
	start := time.UnixMilli(1_795_435_200_000)
	c := DefaultConfig()
	c.Shares = Shares{Resend: 0.3, Late: 0.3, Malformed: 0.3}
	readings := NewReadings(c, start)
	decoder, block := schema.NewDecoder(schema.Telemetry(), schema.JSON, schema.DefaultMaxRecordBytes), schema.NewBlock(schema.Telemetry())
	seen := map[schema.Identity]bool{}
	for i := range int64(2000) {
		now := start.UnixMilli() + i
		_, value := readings.Append(nil, nil, now)
		key, err := decoder.Decode(schema.Record{Topic: "t", Offset: i, Time: now, Value: value}, block)
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		if key.Time != now || seen[key.Identity] {
			t.Fatalf("%s: taken at %d, identity seen before: %v; want a new one at %d", value, key.Time, seen[key.Identity], now)
		}
		seen[key.Identity] = true
	}
}
