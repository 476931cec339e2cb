package state

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

// Compactor gathers what is known of one table of a compactor.
type Compactor struct {
	node, table string

	mu      sync.Mutex // guards what follows
	planned time.Time
	days    map[schema.Day]*day
	window  tierWindow
	lease   Lease
	pass    *Failing // of the last pass; nil if it went well
}

// day is what is known of a day: what the last plan said of it, and what was done since.
type day struct {
	step    tiering.Step
	doing   *Doing
	failed  error
	damaged bool
}

// NewCompactor returns a table of a compactor of which nothing is known.
func NewCompactor(node, table string) *Compactor {
	return &Compactor{node: node, table: table, days: map[schema.Day]*day{}}
}

// TieringEvents returns the hooks by which it knows.
func (c *Compactor) TieringEvents() tiering.Events {
	return tiering.Events{
		Planned: c.plannedSteps,
		Begun: func(s tiering.Step) {
			c.update(s.Day, func(d *day, now time.Time) {
				d.step, d.doing = s, &Doing{Action: string(s.Action), Since: now.UTC()}
			})
		},
		Done: func(s tiering.Step, _ time.Duration) {
			c.update(s.Day, func(d *day, _ time.Time) {
				*d = day{step: s}
				d.step.State, d.step.Action = after[s.Action], tiering.Nothing
			})
		},
		Failed: func(s tiering.Step, err error) {
			c.update(s.Day, func(d *day, _ time.Time) {
				if d.doing = nil; errors.Is(err, context.Canceled) {
					return // which another day's failure or a stop has done
				}
				faults, _ := tiering.Faults(err)
				d.step, d.failed, d.damaged = s, err, len(faults) > 0
			})
		},
		Exporting: func(id schema.Day, rows, of uint64) {
			c.counted(id, "export", rows, of, func(more uint64) { c.window.open.rows += float64(more) })
		},
		FileStored: func(id schema.Day, f tiering.File) {
			c.update(id, func(*day, time.Time) { c.window.open.bytes += float64(f.Bytes) })
		},
		Verified: func(id schema.Day, rows, of uint64) { c.counted(id, "verify", rows, of, nil) },
		Loaded:   func(id schema.Day, rows, of uint64) { c.counted(id, "load", rows, of, nil) },
		Compared: func(id schema.Day, rows, of uint64) { c.counted(id, "compare", rows, of, nil) },
		Yielded: func(id schema.Day, why string) {
			c.update(id, func(d *day, _ time.Time) {
				if d.doing != nil {
					d.doing.Waiting = why
				}
			})
		},
		LeaseTaken: func(fence uint64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.lease = Lease{Held: true, Fence: fence}
		},
	}
}

// after is the state that an action leaves a day in, until it is planned again.
var after = map[tiering.Action]tiering.State{
	tiering.Seal: tiering.Sealed, tiering.Export: tiering.Published, tiering.CutOver: tiering.Cut, tiering.Expire: tiering.Cold,
	tiering.Merge: tiering.Cold, tiering.Retire: tiering.Retired,
	tiering.Load: tiering.Restored, tiering.Release: tiering.Released, tiering.Drop: tiering.Cold,
}

// plannedSteps takes the steps of all days. What failed
// is kept for as long as it is what comes next.
func (c *Compactor) plannedSteps(steps []tiering.Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned = time.Now()
	days := make(map[schema.Day]*day, len(steps))
	for _, s := range steps {
		d := c.days[s.Day]
		if d == nil || d.step.Action != s.Action || d.step.Generation != s.Generation {
			d = new(day)
		}
		d.step = s
		days[s.Day] = d
	}
	c.days = days
}

// Passed tells how a pass ended.
func (c *Compactor) Passed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UTC()
	switch {
	case err == nil:
		c.pass = nil
		return
	case errors.Is(err, tiering.ErrHeld):
		c.pass, c.lease.Held, c.lease.Other = nil, false, visible(err.Error(), maxError)
		return
	case c.pass == nil:
		c.pass = &Failing{Node: c.node, What: "pass", Since: now}
	}
	next := *c.pass // a state that was handed out keeps what it says
	next.Last, next.Times, next.Cause, next.Error = now, next.Times+1, CauseOf(err), visible(err.Error(), maxError)
	c.pass = &next
}

// update changes what is known of a day.
func (c *Compactor) update(id schema.Day, change func(*day, time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.window.roll(now)
	d := c.days[id]
	if d == nil {
		d = &day{step: tiering.Step{Day: id}}
		c.days[id] = d
	}
	change(d, now)
}

// counted notes how far a step is, and tells how many rows that is more.
func (c *Compactor) counted(id schema.Day, what string, rows, of uint64, more func(uint64)) {
	c.update(id, func(d *day, _ time.Time) {
		if d.doing == nil {
			return // of a command that is no pass
		}
		before := d.doing.Rows
		if d.doing.What != what || rows < before {
			before = 0
		}
		if more != nil {
			more(rows - before)
		}
		d.doing.What, d.doing.Rows, d.doing.Of, d.doing.Waiting = what, rows, of, ""
	})
}

// Table returns what is known.
func (c *Compactor) Table() Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.roll(time.Now())
	t := Table{Name: c.table, Node: c.node, Planned: utc(c.planned), Days: []Day{}, Rates: c.window.rates(), Lease: c.lease, Failing: c.pass}
	for _, id := range slices.Sorted(maps.Keys(c.days)) {
		t.Days = append(t.Days, c.days[id].shown())
	}
	return t
}

func (d *day) shown() Day {
	s := d.step
	out := Day{
		Day: s.Day.String(), State: string(s.State), Late: s.State == tiering.Cold && s.HotRows > 0,
		HotRows: s.HotRows, SealedRows: s.SealedRows, ColdRows: s.ColdRows, LocalBytes: s.HotBytes + s.SealedBytes, ColdBytes: uint64(s.ColdBytes),
		Damaged: d.damaged,
	}
	if s.Action != tiering.Nothing {
		out.NextAction, out.Due = string(s.Action), utc(s.Due)
	}
	if d.doing != nil {
		doing := *d.doing
		out.Doing = &doing
	}
	if d.failed != nil {
		out.Error = visible(d.failed.Error(), maxError)
	}
	return out
}

// tierWindow is a window of what goes to S3.
type tierWindow struct {
	ends   time.Time
	open   tierCounts
	closed []tierCounts // oldest first
}

type tierCounts struct{ rows, bytes float64 }

func (w *tierWindow) roll(now time.Time) {
	if now.Sub(w.ends) > ratesOver*SampleEvery {
		*w = tierWindow{ends: now.Truncate(SampleEvery).Add(SampleEvery)}
	}
	for ; !now.Before(w.ends); w.ends = w.ends.Add(SampleEvery) {
		w.closed = keep(append(w.closed, w.open), ratesOver)
		w.open = tierCounts{}
	}
}

func (w *tierWindow) rates() TableRates {
	var all tierCounts
	for _, c := range w.closed {
		all.rows += c.rows
		all.bytes += c.bytes
	}
	seconds := max(1, float64(len(w.closed))*SampleEvery.Seconds())
	return TableRates{Rows: all.rows / seconds, Bytes: all.bytes / seconds}
}
