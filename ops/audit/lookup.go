package audit

import (
	"context"
	"fmt"
	"slices"

	"penstock/pipeline/receipts"
	"penstock/schema"
)

const (
	// nearMost bounds the identities that are looked up near the record at once:
	// each is some 40 bytes of a statement.
	nearMost = 3_000
	// farMost bounds the events that are looked up everywhere at once.
	farMost = 500
)

// lookUp decides the undecided. The first copy of a resend is nearly always
// within the dedup window before it, where one pass over the partition's
// receipts finds all of them. What is not there is looked for by device and time
// in the analysts' view, which has the cold tier too.
func (e *examiner) lookUp(ctx context.Context) error {
	var open []*fated
	for i := range e.fates {
		if e.fates[i].fate == undecided {
			open = append(open, &e.fates[i])
		}
	}
	var far []*fated
	for these := range slices.Chunk(open, nearMost) {
		left, err := e.lookNear(ctx, these)
		if err != nil {
			return err
		}
		far = append(far, left...)
	}
	for these := range slices.Chunk(far, farMost) {
		if err := e.lookFar(ctx, these); err != nil {
			return err
		}
	}
	return nil
}

// lookNear decides what has a copy near it and returns the others.
func (e *examiner) lookNear(ctx context.Context, these []*fated) (left []*fated, err error) {
	ids := make([]schema.Identity, 0, len(these))
	for _, f := range these {
		ids = append(ids, f.id)
	}
	copies := map[schema.Identity][]receipts.Copy{}
	span := e.span(e.near(Range{these[0].First, these[len(these)-1].Next}))
	for _, s := range e.stores {
		found, err := s.Copies(ctx, span, ids)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			copies[c.Identity] = append(copies[c.Identity], c)
		}
	}
	for _, f := range these {
		switch found := copies[f.id]; {
		case slices.ContainsFunc(found, func(c receipts.Copy) bool { return c.Offset == f.First }):
			f.fate = stored // since it was looked for
		case !e.judge(f, found):
			left = append(left, f)
		}
	}
	return left, nil
}

// near returns where the copies of events of a range are looked for first: in
// the windows before it, and a little after.
func (e *examiner) near(of Range) Range {
	return Range{max(min(e.limits.lookback, e.out.First), of.First-e.windows()), min(e.out.Next, of.Next+chunkOffsets)}
}

// lookFar decides what no copy was near.
func (e *examiner) lookFar(ctx context.Context, these []*fated) error {
	events := make([]receipts.Event, 0, len(these))
	for _, f := range these {
		events = append(events, receipts.Event{Device: f.device, Time: f.at})
	}
	copies := map[event][]receipts.Copy{}
	for _, s := range e.stores {
		found, err := s.Everywhere(ctx, e.request.View, events)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			for _, f := range these {
				f.fate, f.why = unproven, fmt.Sprintf("not stored here, and the view that has the cold tier too cannot be read: %v", err)
			}
			return nil
		}
		for _, c := range found {
			key := event{id: c.Identity, at: c.Time}
			copies[key] = append(copies[key], c)
		}
	}
	for _, f := range these {
		if !e.judge(f, copies[event{id: f.id, at: f.at}]) {
			f.fate, f.why = missing, "neither stored nor a duplicate nor a reject"
		}
	}
	return nil
}

// judge decides an offset by the copies there are of its event, and reports
// whether they do.
func (e *examiner) judge(f *fated, copies []receipts.Copy) bool {
	sameTime := false
	for _, c := range copies {
		if c.Partition == e.limits.partition && c.Offset == f.First {
			f.fate = cold // it is not in the tables, so the view has it from elsewhere
			return true
		}
		sameTime = sameTime || c.Time == f.at
	}
	if len(copies) == 0 {
		return false
	}
	if f.fate = duplicate; !sameTime {
		e.out.OtherTime++
	}
	return true
}
