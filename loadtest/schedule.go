package loadtest

import (
	"context"
	"math"
	"time"
)

// schedule fixes when every record is meant to be sent, before the first one
// is: nothing that happens during a run can move it.
type schedule struct {
	start time.Time
	rate  float64 // records a second
	slots int64   // how many records; 0 for endless
}

func newSchedule(start time.Time, rate float64, duration time.Duration) schedule {
	return schedule{start: start, rate: rate, slots: int64(rate * duration.Seconds())}
}

// at returns the intended send time of a slot.
func (s schedule) at(slot int64) time.Time {
	return s.start.Add(time.Duration(math.Round(float64(slot) / s.rate * float64(time.Second))))
}

// over tells whether slot comes after the last one.
func (s schedule) over(slot int64) bool { return s.slots > 0 && slot >= s.slots }

// pause is the least time between two looks at the clock. Shorter: records
// leave nearer to their time. Longer: fewer wake-ups; two milliseconds are
// 500 of them a second, and small beside the latencies measured.
const pause = 2 * time.Millisecond

// run calls send once a slot, in order, none before its time. A send that takes
// long delays those after it and changes none of their intended times. It
// returns when all are sent or ctx ends, or with send's first error.
func (s schedule) run(ctx context.Context, send func(intended time.Time) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for sent := int64(0); !s.over(sent); {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		for ; !s.over(sent) && !s.at(sent).After(now) && ctx.Err() == nil; sent++ {
			if err := send(s.at(sent)); err != nil {
				return err
			}
		}
		timer.Reset(max(pause, time.Until(s.at(sent))))
	}
	return nil
}
