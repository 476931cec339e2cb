package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/schema"
)

// Rejects says how many of its records a stream may reject before somebody is
// called, and what happens then.
type Rejects struct {
	// Share of the records of a window: more than it is too many. Smaller: devices
	// that are broken every day call somebody. Larger: a firmware that a part of the
	// fleet has got is rejected in silence. The default value is 0.05.
	Share float64 `koanf:"share"`
	// Window is the time that is looked at, by the node's clock. Smaller: noticed
	// sooner. Larger: a burst of one device does not count. The default value is 1m.
	Window time.Duration `koanf:"window"`
	// Least is how many records the window has to have: a share of few says
	// nothing. It bounds what a node dead-letters each time it is started again
	// after it has stopped. The default value is 1,000.
	Least int `koanf:"least"`
	// Policy: alert tells, and goes on; stop ends the node before the letters of the
	// batch are written that is too much. Its records are not committed: a node whose
	// schema is mended stores them, and any other stops again. The default value is
	// alert: what is rejected is not lost, and what is good is not held up by it.
	Policy RejectPolicy `koanf:"policy"`
}

// RejectPolicy is what a node does when it rejects too many records.
type RejectPolicy string

// The policies; see [Rejects].
const (
	RejectAlert RejectPolicy = "alert"
	RejectStop  RejectPolicy = "stop"
)

// DefaultRejects returns the defaults.
func DefaultRejects() Rejects {
	return Rejects{Share: 0.05, Window: time.Minute, Least: 1000, Policy: RejectAlert}
}

// faults reports what is wrong with the bound.
func (c Rejects) faults() (errs []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Share > 0 && c.Share <= 1, "rejects.share is %g; want a share of all records in (0, 1], such as 0.05, or 1 for no bound", c.Share)
	check(c.Window >= time.Second, "rejects.window is %v; want at least 1s, and rather 1m", c.Window)
	check(c.Least >= 1, "rejects.least is %d; want at least 1, and rather 1000", c.Least)
	check(c.Policy == RejectAlert || c.Policy == RejectStop, "rejects.policy is %q; want alert or stop", c.Policy)
	return errs
}

// RejectRate is how many of the records of a window were rejected.
type RejectRate struct {
	// High: the share is above the bound.
	High             bool
	Records, Rejects int
	Window           time.Duration
	// Reason is the most frequent, of Top rejects; Sample is one of them. There is
	// none where nothing was rejected.
	Reason schema.Reason
	Top    int
	Sample Rejected
}

// Share is of all records.
func (r RejectRate) Share() float64 { return float64(r.Rejects) / float64(max(1, r.Records)) }

// rateSlots is how many parts a window has: it moves by one of them.
const rateSlots = 12

// rejectRate counts the records of a window. It reads no clock.
type rejectRate struct {
	cfg   Rejects
	slots [rateSlots]rejectSlot
}

// rejectSlot is what was counted in one part of a window.
type rejectSlot struct {
	nth     int64 // since 1970
	records int
	rejects map[schema.Reason]reasonCount
}

// reasonCount is the rejects of one reason.
type reasonCount struct {
	n      int
	sample Rejected // the first
}

func (r *rejectRate) nth(now time.Time) int64 {
	return now.UnixNano() / int64(max(1, r.cfg.Window/rateSlots))
}

// add counts records, and those of them that were rejected.
func (r *rejectRate) add(now time.Time, records int, rejects []reject) {
	nth := r.nth(now)
	s := &r.slots[nth%rateSlots]
	if s.nth != nth {
		*s = rejectSlot{nth: nth, rejects: map[schema.Reason]reasonCount{}}
	}
	s.records += records
	for _, one := range rejects {
		c := s.rejects[one.why.Reason]
		if c.n++; c.n == 1 {
			c.sample = Rejected{Partition: one.record.Partition, Offset: one.record.Offset, Rejection: one.why}
		}
		s.rejects[one.why.Reason] = c
	}
}

// look returns the rate of the window that ends now.
func (r *rejectRate) look(now time.Time) RejectRate {
	out := RejectRate{Window: r.cfg.Window}
	nth, reasons := r.nth(now), map[schema.Reason]reasonCount{}
	for _, s := range r.slots {
		if s.nth <= nth-rateSlots {
			continue
		}
		out.Records += s.records
		for reason, c := range s.rejects {
			all := reasons[reason]
			if all.n == 0 {
				all.sample = c.sample
			}
			all.n += c.n
			reasons[reason] = all
			out.Rejects += c.n
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		if c := reasons[reason]; c.n > out.Top {
			out.Reason, out.Top, out.Sample = reason, c.n, c.sample
		}
	}
	out.High = out.Records >= r.cfg.Least && out.Share() > r.cfg.Share
	return out
}

// rejectGuard watches the rate of all lanes of a node.
type rejectGuard struct {
	cfg  Rejects
	tell func(RejectRate)
	now  func() time.Time

	mu sync.Mutex // guards what follows
	// rate has what all lanes were given to store.
	rate rejectRate
	high bool // as it was told last
}

func newRejectGuard(cfg Rejects, tell func(RejectRate)) *rejectGuard {
	return &rejectGuard{cfg: cfg, tell: tell, now: time.Now, rate: rejectRate{cfg: cfg}}
}

// take takes records, and those of them that are about to be dead-lettered. An
// error says that they must not be.
func (g *rejectGuard) take(records int, rejects []reject) error {
	now := g.now()
	g.mu.Lock()
	g.rate.add(now, records, rejects)
	g.mu.Unlock()
	if rate := g.look(); rate.High && len(rejects) > 0 && g.cfg.Policy == RejectStop {
		return errTooManyRejects(rate, g.cfg.Share)
	}
	return nil
}

// look tells if the rate went above the bound or below it.
func (g *rejectGuard) look() RejectRate {
	g.mu.Lock()
	defer g.mu.Unlock()
	rate := g.rate.look(g.now())
	if rate.High != g.high {
		g.high = rate.High
		g.tell(rate)
	}
	return rate
}

func errTooManyRejects(r RejectRate, bound float64) error {
	return fmt.Errorf("%.1f %% of the %d records of %v cannot be stored, and rejects.share allows %.1f %%: %d of %d for the reason %s, such as p%d@%d: %s; "+
		"nothing of this batch is dead-lettered or committed, and a node that can store it will: mend the schema or what is sent, "+
		"or set rejects.policy to alert to have it dead-lettered and to replay it later",
		100*r.Share(), r.Records, r.Window, 100*bound, r.Top, r.Rejects, r.Reason, r.Sample.Partition, r.Sample.Offset, cmp.Or(r.Sample.Rejection.Detail, "no detail"))
}
