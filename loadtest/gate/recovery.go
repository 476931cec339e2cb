package gate

import "time"

// recovery is how long after a moment, both in seconds, readings were visible
// within a limit for good: until the load ended, or the next fault began. It
// looks at when readings were meant to be sent. If they never were it is until
// the last of them.
func recovery(r Run, end float64, limit time.Duration) float64 {
	until := 1e9
	for _, m := range r.Marks {
		if m.From >= end && m.From < until {
			until = m.From
		}
	}
	after := 0.0
	for _, i := range r.Result.Intervals {
		// A second with the moment in it counts: what was due in it may be the last
		// that had to wait.
		if i.From+Second.Seconds() > end && i.From < until && i.VisibleP99 > float64(limit.Milliseconds()) {
			after = max(after, i.From+Second.Seconds()-end)
		}
	}
	return round(after, 10)
}
