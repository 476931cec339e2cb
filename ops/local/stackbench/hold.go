package stackbench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// hold sends a load at a constant rate and returns what it took.
func (r *rig) hold(ctx context.Context, phase Phase, l Load) (*Held, error) {
	r.say("%s: %d devices send %d records/s for %v", phase, r.cfg.Devices, l.Rate, l.Hold)
	f, err := r.startFleet(phase, l)
	if err != nil {
		return nil, err
	}
	end := f.began.Add(l.Hold)
	samples, err := r.watch(ctx, phase, f, func(s sample) bool { return !s.at.Before(end) })
	if err != nil {
		return nil, errors.Join(err, f.Kill())
	}
	r.say("%s: sent; waiting for the proof", phase)
	report, err := f.result(ctx)
	if err != nil {
		return nil, err
	}
	h := held(l.Rate, warm(samples, f.began.Add(r.cfg.WarmUp)), report)
	r.say("%s: %s", phase, h)
	return &h, nil
}

// watch samples until a sample says that it is over, and tells what it sees every
// so often.
func (r *rig) watch(ctx context.Context, phase Phase, f *fleet, over func(sample) bool) ([]sample, error) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	first, err := r.look(ctx, f)
	if err != nil {
		return nil, errors.Join(err, f.Err())
	}
	all, told := []sample{first}, first
	for s := first; !over(s); {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-f.Done():
			return nil, errors.Join(errors.New("loadtest ended before the load was over"), f.Err())
		case <-tick.C:
		}
		if err := r.stack.Err(); err != nil {
			return nil, err
		}
		if r.node != nil && r.node.Err() != nil {
			return nil, r.node.Err()
		}
		if s, err = r.look(ctx, f); err != nil {
			return nil, errors.Join(err, f.Err())
		}
		all = append(all, s)
		if s.at.Sub(told.at) >= r.cfg.ProgressEvery {
			r.say("%s: %s", phase, progress(told, s))
			told = s
		}
	}
	return all, nil
}

// warm are the samples from a time on; at least the last two of all.
func warm(all []sample, from time.Time) []sample {
	for i := range all {
		if len(all)-i == 2 || !all[i].at.Before(from) {
			return all[i:]
		}
	}
	return all
}

// progress says what happened between two samples.
func progress(from, to sample) string {
	seconds := to.at.Sub(from.at).Seconds()
	var cpu []string
	for _, program := range programs {
		if used, ok := to.cpu[program]; ok && used >= from.cpu[program] {
			cpu = append(cpu, fmt.Sprintf("%s %.0f%%", program, 100*(used-from.cpu[program])/seconds))
		}
	}
	forecast := ""
	if !math.IsNaN(to.forecast) && to.forecast > 0 {
		forecast = fmt.Sprintf(" (ingest says %.0f s)", to.forecast)
	}
	return fmt.Sprintf("sent %.0f/s, done %.0f/s, lag %d%s; parts %d (+%d); CPU %s",
		float64(to.produced-from.produced)/seconds, float64(to.committed-from.committed)/seconds, to.lag(), forecast,
		to.tables[hotTable].active, to.tables[hotTable].inserted-from.tables[hotTable].inserted, strings.Join(cpu, ", "))
}
