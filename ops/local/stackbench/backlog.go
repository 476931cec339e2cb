package stackbench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"penstock/loadtest"
)

// afterBacklog is how long the fleet goes on once the node has caught up.
const afterBacklog = 5 * time.Second

// catchUp lets a backlog grow while the node is away, and watches it being
// worked off while the fleet goes on. The node comes back with the given
// recovery; empty for its default.
func (r *rig) catchUp(ctx context.Context, phase Phase, b Backlog, recovery string) (_ *Drained, err error) {
	r.say("%s: %d devices send %d records/s, and after %v the node is away for %v", phase, r.cfg.Devices, b.Rate, b.Before, b.Outage)
	f, err := r.startFleet(phase, Load{Rate: b.Rate})
	if err != nil {
		return nil, err
	}
	d, err := r.outage(ctx, phase, f, b, recovery)
	if err != nil {
		return nil, errors.Join(err, f.Kill())
	}
	r.say("%s: caught up; waiting for the proof", phase)
	report, err := f.finish()
	if err != nil {
		return nil, err
	}
	d.report(report)
	r.say("%s: %s", phase, d)
	return d, nil
}

// outage is the node's absence and what follows until it has caught up. The
// fleet is left running.
func (r *rig) outage(ctx context.Context, phase Phase, f *fleet, b Backlog, recovery string) (*Drained, error) {
	until := func(t time.Time) func(sample) bool { return func(s sample) bool { return !s.at.Before(t) } }
	before, err := r.watch(ctx, phase, f, until(f.began.Add(b.Before)))
	if err != nil {
		return nil, err
	}
	if err := r.node.Stop(); err != nil {
		return nil, err
	}
	r.node = nil
	r.say("%s: stopped ingest", phase)
	away := time.Now()
	if _, err := r.watch(ctx, phase, f, until(away.Add(b.Outage))); err != nil {
		return nil, err
	}
	d := &Drained{Rate: b.Rate, Recovery: recovery, began: f.began, OutageSeconds: round(time.Since(away).Seconds(), 10)}
	if err := r.writeConfig(recovery); err != nil {
		return nil, err
	}
	starts := time.Now()
	if err := r.startNode(ctx); err != nil {
		return nil, err
	}
	ready := time.Now()
	d.ReadySeconds = round(ready.Sub(starts).Seconds(), 100)
	enough := caughtUp(before, b.Rate)
	late := ready.Add(b.Timeout)
	drain, err := r.watch(ctx, phase, f, func(s sample) bool { return s.lag() <= enough || s.at.After(late) })
	if err != nil {
		return nil, err
	}
	if lag := drain[len(drain)-1].lag(); lag > enough {
		return nil, fmt.Errorf("the node has not caught up within %v: %d records are left, %d would be usual; lower --backlog-rate, or raise --catch-up-timeout",
			b.Timeout, lag, enough)
	}
	d.drained(ready, drain, r.cores())
	_, err = r.watch(ctx, phase, f, until(time.Now().Add(afterBacklog)))
	return d, err
}

// liveLag is the lag, in seconds, of a node that is not behind: that of batches
// on their way, as the goal for the 99th percentile of visibility has it.
const liveLag = 2

// caughtUp is how many records may be left for a backlog to be gone: two seconds'
// worth, or as many as there were at most before the node went away. The first
// half of that time is left out, in which the fleet began.
func caughtUp(before []sample, rate int) int64 {
	most := int64(liveLag * rate)
	for _, s := range before[len(before)/2:] {
		most = max(most, s.lag())
	}
	return most
}

// Drained is a backlog that was worked off while more came.
type Drained struct {
	Rate int `json:"rate"` // of the fleet, before, meanwhile and after
	// Sent is what Kafka acknowledged of it a second.
	Sent float64 `json:"rate_sent"`
	// Recovery is the node's kafka.recovery; empty for its default.
	Recovery string `json:"recovery,omitempty"`
	// OutageSeconds is how long the node was away, and ReadySeconds how long its
	// start took after that.
	OutageSeconds float64 `json:"outage_seconds"`
	ReadySeconds  float64 `json:"ready_seconds"`
	// Backlog is how many records were not committed when the node was ready, and
	// CatchUpSeconds how long it took from then on until two seconds' worth of them
	// were left, or as many as before it went away if that was more.
	Backlog        int64   `json:"backlog"`
	CatchUpSeconds float64 `json:"catch_up_seconds"`
	// DrainRate is how many rows were stored a second meanwhile, and Over that
	// over those that came.
	DrainRate float64 `json:"drain_rows_per_second"`
	Over      float64 `json:"drain_over_live"`
	// EngineShare is ClickHouse's part of all cores meanwhile.
	EngineShare float64 `json:"engine_share"`
	// Forecasts are what the node said meanwhile, at some moments.
	Forecasts []Forecast `json:"forecasts"`
	// LiveP50 and LiveP99 are how soon readings were visible that were sent
	// meanwhile: of the worst two seconds. They are not measured if the node
	// caught up in less than that.
	LiveP50 float64 `json:"live_visible_p50_ms,omitempty"`
	LiveP99 float64 `json:"live_visible_p99_ms,omitempty"`

	use
	proven

	began, ready, end time.Time
	rows              float64 // stored meanwhile
}

// Forecast is what the node said at a moment and what became of it.
type Forecast struct {
	At   float64 `json:"at_seconds"` // since it was ready
	Said float64 `json:"said_seconds"`
	Took float64 `json:"took_seconds"`
}

// drained fills in what follows from the samples between ready and caught up.
func (d *Drained) drained(ready time.Time, samples []sample, cores int) {
	first, last := samples[0], samples[len(samples)-1]
	d.ready, d.end = ready, last.at
	d.Backlog, d.CatchUpSeconds = first.lag(), round(last.at.Sub(ready).Seconds(), 10)
	d.use = used(samples)
	d.rows = float64(last.tables[hotTable].rows - first.tables[hotTable].rows)
	d.DrainRate = round(d.rows/d.Seconds, 1)
	d.EngineShare = round((last.cpu["clickhouse"]-first.cpu["clickhouse"])/d.Seconds/float64(cores), 1000)
	d.Forecasts = forecasts(ready, samples)
}

// forecasts picks the first one there is, and one each time that the time since
// the node was ready has doubled.
func forecasts(ready time.Time, samples []sample) (out []Forecast) {
	end, next := samples[len(samples)-1].at, time.Duration(0)
	for _, s := range samples {
		if since := s.at.Sub(ready); !math.IsNaN(s.forecast) && since >= next && s.at.Before(end) {
			out = append(out, Forecast{round(since.Seconds(), 10), round(s.forecast, 10), round(end.Sub(s.at).Seconds(), 10)})
			next = 2 * since
		}
	}
	return out
}

// report fills in what the fleet has to say.
func (d *Drained) report(r loadtest.Result) {
	d.Sent, d.proven = round(r.Rate, 1), newProven(r)
	if r.Produced > 0 {
		// Not all that is sent becomes a row: some are resends, some malformed.
		live := float64(d.Rate) * float64(r.Good) / float64(r.Produced)
		d.Over = round(d.DrainRate/live, 100)
	}
	from, to := d.ready.Sub(d.began).Seconds(), d.end.Sub(d.began).Seconds()
	for _, i := range r.Intervals {
		if i.From >= from && i.From+liveInterval.Seconds() <= to {
			d.LiveP50, d.LiveP99 = max(d.LiveP50, i.VisibleP50), max(d.LiveP99, i.VisibleP99)
		}
	}
}

// String sums a backlog up for a person.
func (d Drained) String() string {
	s := fmt.Sprintf("%d records after %.0f s without the node were worked off in %.1f s at %d records/s: %.0f rows stored a second, %.2f times the live rate; "+
		"ClickHouse took %.0f %% of all cores; us of CPU an event: %s",
		d.Backlog, d.OutageSeconds, d.CatchUpSeconds, d.Rate, d.DrainRate, d.Over, 100*d.EngineShare, list(d.CPUMicros))
	for _, f := range d.Forecasts {
		s += fmt.Sprintf("; after %.0f s it said %.0f s, and it took %.0f s", f.At, f.Said, f.Took)
	}
	if d.LiveP99 > 0 {
		s += fmt.Sprintf("; live readings were visible after %.0f ms (p50), %.0f ms (p99) meanwhile", d.LiveP50, d.LiveP99)
	}
	return s + fmt.Sprintf("; missing %d, duplicated %d", d.Missing, d.Duplicated)
}
