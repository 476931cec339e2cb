package audit

import (
	"fmt"
	"time"

	"penstock/schema"
)

// ParseWhen reads an end of the time to audit: RFC 3339, a day of UTC, or a
// duration before now. A day is its beginning as the first end, and its end as
// the last, so that a day from itself to itself is the whole of it.
func ParseWhen(text string, last bool, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	if day, err := schema.ParseDay(text); err == nil {
		if last {
			day++
		}
		return day.Start(), nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; want one such as 2026-11-22T13:00:00Z, a day such as 2026-11-22, or a duration before now such as 90m", text)
}
