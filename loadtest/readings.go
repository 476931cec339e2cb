package loadtest

import (
	"time"

	"penstock/schema"
)

// Readings is what a fleet sends, without Kafka: for what is measured behind it.
// It is used by one goroutine at a time.
type Readings struct{ fleet *fleet }

// NewReadings returns the new, live readings of the fleet that c describes, as
// JSON: what it sends but for resends, late readings and malformed records.
func NewReadings(c Config, start time.Time) *Readings {
	c.Encoding, c.Shares, c.Upgrade = schema.JSON, Shares{}, Upgrade{}
	return &Readings{newFleet(c, start)}
}

// Append appends the key and the value of the next record, whose reading is
// taken at now, in milliseconds since 1970 UTC.
func (r *Readings) Append(key, value []byte, now int64) (keys, values []byte) {
	next := r.fleet.draw(now)
	return r.fleet.appendKey(key, next), r.fleet.append(value, next)
}
