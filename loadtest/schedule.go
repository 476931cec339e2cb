package loadtest

import (
	"context"
	"math"
	"time"
)

// schedule fixes when every record is meant to be sent, before the first one
// is: nothing that happens during a run can move it.
type schedule struct {
	start  time.Time
	pieces []piece // one a phase, in order; never empty
	slots  int64   // how many records; 0 for endless
}

// piece is a time in which the rate changes evenly, or stays.
type piece struct {
	after  time.Duration // since the start
	rate   float64       // records a second at its beginning
	change float64       // of the rate, a second
	// before and until count the records before it and those until its end,
	// which need not be whole ones.
	before, until float64
}

// newSchedule returns the schedule of phases, of which the last may be endless.
func newSchedule(start time.Time, phases ...Phase) schedule {
	s := schedule{start: start}
	after, sum := time.Duration(0), 0.0
	for _, p := range phases {
		next := piece{after: after, rate: p.From, before: sum, until: math.Inf(1)}
		if seconds := p.For.Seconds(); seconds > 0 {
			next.change = (p.To - p.From) / seconds
			next.until = sum + (p.From+p.To)/2*seconds
		}
		s.pieces = append(s.pieces, next)
		after, sum = after+p.For, next.until
	}
	if !math.IsInf(sum, 1) {
		s.slots = int64(math.Floor(sum + 1e-6)) // what rounding took from a whole record
	}
	return s
}

// constant is the phase of a rate that stays.
func constant(rate float64, lasts time.Duration) Phase {
	return Phase{For: lasts, From: rate, To: rate}
}

// at returns the intended send time of a slot.
func (s schedule) at(slot int64) time.Time {
	n, p := float64(slot), s.pieces[0]
	for _, next := range s.pieces[1:] {
		if n < p.until {
			break
		}
		p = next
	}
	// The time t at which rate*t + change/2*t*t records were sent, written so that
	// nothing is lost where the change is small or 0.
	records, seconds := n-p.before, 0.0
	if records > 0 {
		seconds = 2 * records / (p.rate + math.Sqrt(max(0, p.rate*p.rate+2*p.change*records)))
	}
	return s.start.Add(p.after + time.Duration(math.Round(seconds*float64(time.Second))))
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
