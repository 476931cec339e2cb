package schema

import (
	"fmt"
	"time"
)

// Day is a calendar day in UTC, counted from 1970-01-01. Tables are
// partitioned by the day of the event's own time.
type Day int32

const dayMillis = 24 * 60 * 60 * 1000

// lastMilli is the end of the last day ClickHouse's Date can hold, 2149-06-06.
// What comes after would share that day's partition.
const lastMilli = (1<<16)*dayMillis - 1

// DayOf returns the day that holds millis, milliseconds since 1970 UTC.
func DayOf(millis int64) Day {
	d := millis / dayMillis
	if millis%dayMillis < 0 {
		d--
	}
	return Day(d)
}

// ParseDay reads a day written as 2026-11-23.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("day %q is not written as 2026-11-23", s)
	}
	return DayOf(t.UnixMilli()), nil
}

// Start returns the day's first instant.
func (d Day) Start() time.Time { return time.UnixMilli(int64(d) * dayMillis).UTC() }

// String returns the day as 2026-11-23, which is also how ClickHouse names
// the partition in ALTER TABLE ... PARTITION.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }

// MarshalText writes the day as [Day.String] does.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Day) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDay(string(text))
	return err
}
