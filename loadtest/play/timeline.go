package play

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"penstock/loadtest/gate"
)

// event is the beginning or the end of a fault.
type event struct {
	at    time.Duration // since the beginning of the load
	fault gate.Fault
	ends  bool
}

// events are those of faults, in their order.
func events(faults []gate.Fault) []event {
	var all []event
	for _, f := range faults {
		all = append(all, event{f.At, f, false}, event{f.At + f.For, f, true})
	}
	slices.SortStableFunc(all, func(a, b event) int { return int(a.at - b.at) })
	return all
}

// timeline does faults at their times. One that takes long makes those after it
// late; the marks say when each really was.
type timeline struct {
	hands    Hands
	events   []event
	progress io.Writer
	marks    []gate.Mark
}

// run does all of them, unless ctx ends before.
func (t *timeline) run(ctx context.Context, start time.Time) error {
	for _, e := range t.events {
		timer := time.NewTimer(time.Until(start.Add(e.at)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		since := func() float64 { return time.Since(start).Seconds() }
		if !e.ends {
			say(t.progress, "fault %s begins", e.fault)
			t.marks = append(t.marks, gate.Mark{Name: e.fault.Name, Kind: e.fault.Kind, From: since()})
			if err := t.hands.Begin(ctx, e.fault); err != nil {
				return fmt.Errorf("begin fault %s: %w", e.fault, err)
			}
			continue
		}
		// It is over when what has to be there again is asked to be: how long that
		// takes is part of the recovery.
		i := slices.IndexFunc(t.marks, func(m gate.Mark) bool { return m.Name == e.fault.Name })
		t.marks[i].To = since()
		if err := t.hands.End(ctx, e.fault); err != nil {
			return fmt.Errorf("end fault %s: %w", e.fault, err)
		}
		say(t.progress, "fault %s is over", e.fault)
	}
	return nil
}
