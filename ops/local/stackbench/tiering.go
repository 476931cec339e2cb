package stackbench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/coldday"
	"penstock/ops/local/procfs"
	"penstock/schema"
)

const (
	// coldFor is the age of the day that is moved, in days: it is due.
	coldFor = 60
	// coldPrefix is the folder of the bucket that it goes to.
	coldPrefix = "cold"
)

// Tiered is what became of a fleet's readings while a day went to the cold tier.
type Tiered struct {
	Rate int `json:"rate"` // of the fleet
	// DayRows are those of the day, and DaySeconds how long it took to be moved:
	// sealed, exported, verified, published and cut over.
	DayRows    uint64  `json:"day_rows"`
	DaySeconds float64 `json:"day_seconds"`
	// CompactorCPUSeconds and CompactorPeakMiB are those of the compactor.
	CompactorCPUSeconds float64 `json:"compactor_cpu_seconds"`
	CompactorPeakMiB    float64 `json:"compactor_peak_mib"`
	// DayMissing and DayDoubled count the day's rows, as the analysts' view shows
	// them in the end.
	DayMissing uint64 `json:"day_missing"`
	DayDoubled uint64 `json:"day_doubled"`
	// LiveP50 and LiveP99 are how soon the fleet's readings were visible: of the
	// worst two seconds meanwhile. VisibleP50 and VisibleP99 are of the whole
	// phase.
	LiveP50    float64 `json:"live_visible_p50_ms"`
	LiveP99    float64 `json:"live_visible_p99_ms"`
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`

	use
	proven
}

// tiering stores a day of weeks ago, and has it moved while a fleet sends.
func (r *rig) tiering(ctx context.Context, c ColdDay) (_ *Tiered, err error) {
	day, a := schema.DayOf(time.Now().AddDate(0, 0, -coldFor).UnixMilli()), r.stack.Addresses()
	r.say("%s: storing %d readings of %s", TieringDay, c.Rows, day)
	if _, err := coldday.Load(ctx, a.ClickHouse, schema.Telemetry(), day, c.Rows, r.cfg.Devices); err != nil {
		return nil, err
	}
	r.say("%s: %d devices send %d records/s, and after %v the compactor moves the day", TieringDay, r.cfg.Devices, c.Rate, c.Before)
	f, err := r.startFleet(TieringDay, Load{Rate: c.Rate})
	if err != nil {
		return nil, err
	}
	out, from, to, err := r.move(ctx, f, c)
	if err != nil {
		return nil, errors.Join(err, f.Kill())
	}
	r.say("%s: the day is moved; waiting for the proof", TieringDay)
	report, err := f.finish()
	if err != nil {
		return nil, err
	}
	out.report(report, from.Sub(f.began), to.Sub(f.began))
	if err := r.countDay(ctx, day, out); err != nil {
		return nil, err
	}
	r.say("%s: %s", TieringDay, out)
	return out, nil
}

// move has the compactor make one pass. The fleet is left running.
func (r *rig) move(ctx context.Context, f *fleet, c ColdDay) (_ *Tiered, from, to time.Time, err error) {
	if _, err := r.watch(ctx, TieringDay, f, func(s sample) bool { return s.at.Sub(f.began) >= c.Before }); err != nil {
		return nil, from, to, err
	}
	from = time.Now()
	compactor, err := child.Start(child.Spec{
		Name: "compactor", Log: r.log("compactor"),
		Args: []string{r.program("compactor"), "run", "--once"},
		Env:  coldday.CompactorEnv(r.stack.Addresses(), coldPrefix),
	})
	if err != nil {
		return nil, from, to, err
	}
	out := &Tiered{Rate: c.Rate, DayRows: uint64(c.Rows)}
	ended := func(s sample) bool {
		select {
		case <-compactor.Done():
			return true
		default:
		}
		// Of a process that has just ended there is none; the last one stays.
		if peak, err := procfs.PeakMemory(compactor.Pid()); err == nil {
			out.CompactorPeakMiB = round(float64(peak)/(1<<20), 1)
		}
		return s.at.Sub(from) > c.Timeout
	}
	during, err := r.watch(ctx, TieringDay, f, ended)
	if err == nil {
		select {
		case <-compactor.Done():
			err = compactor.Wait(ctx)
		default:
			err = fmt.Errorf("the day was not moved within %v; make it smaller with --day-rows, or raise --catch-up-timeout", c.Timeout)
		}
	}
	if err != nil {
		return nil, from, to, errors.Join(err, compactor.Kill())
	}
	to = time.Now()
	out.DaySeconds, out.CompactorCPUSeconds, out.use = round(to.Sub(from).Seconds(), 10), round(compactor.CPU().Seconds(), 100), used(during)
	_, err = r.watch(ctx, TieringDay, f, func(s sample) bool { return s.at.Sub(to) >= afterBacklog })
	return out, from, to, err
}

// report fills in what the fleet has to say of a part of its run.
func (t *Tiered) report(r loadtest.Result, from, to time.Duration) {
	t.proven, t.VisibleP50, t.VisibleP99 = newProven(r), r.VisibleP50, r.VisibleP99
	t.LiveP50, t.LiveP99 = worst(r, from, to)
}

// countDay compares what the view shows of the day with what was stored of it.
func (r *rig) countDay(ctx context.Context, day schema.Day, t *Tiered) error {
	var rows, distinct uint64
	err := r.tables.QueryRow(ctx, fmt.Sprintf("SELECT count(), uniqExact(_partition, _offset) FROM %s WHERE ts >= %s AND ts < %s", allView,
		schema.QuoteString(day.String()), schema.QuoteString((day+1).String()))).Scan(&rows, &distinct)
	if err != nil {
		return fmt.Errorf("count what the view shows of %s: %w", day, err)
	}
	t.DayMissing, t.DayDoubled = t.DayRows-min(distinct, t.DayRows), rows-distinct
	return nil
}

func (t Tiered) fault() error {
	err := t.proven.fault(TieringDay)
	if t.DayMissing+t.DayDoubled > 0 {
		err = errors.Join(err, fmt.Errorf("phase %s is void: of the day's rows %d are missing, %d doubled", TieringDay, t.DayMissing, t.DayDoubled))
	}
	return err
}

// String sums the move of a day up for a person.
func (t Tiered) String() string {
	return fmt.Sprintf("a day of %d rows was moved in %.1f s, with %.1f s of the compactor's CPU and %.0f MiB, beside %d records/s; live readings were visible after "+
		"%.0f ms (p50), %.0f ms (p99) in the worst two seconds meanwhile, %.0f ms and %.0f ms in the whole phase; us of CPU an event: %s; parts at most %d; missing %d, duplicated %d",
		t.DayRows, t.DaySeconds, t.CompactorCPUSeconds, t.CompactorPeakMiB, t.Rate, t.LiveP50, t.LiveP99, t.VisibleP50, t.VisibleP99, list(t.CPUMicros), t.PartsMax,
		t.Missing+t.DayMissing, t.Duplicated+t.DayDoubled)
}
