package faults

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// marksEvery is how finely progress is measured.
const marksEvery = 150 * time.Millisecond

// progress knows when each partition's rows came on, as a query sees it: so it
// needs nobody's word for it. It reads no clock and does no I/O.
type progress struct {
	mu sync.Mutex
	// What follows is guarded by mu.

	// marks are the highest offsets stored, and advances when each partition's
	// became higher.
	marks    map[int32]int64
	advances map[int32][]time.Time
}

func newProgress() *progress {
	return &progress{marks: map[int32]int64{}, advances: map[int32][]time.Time{}}
}

// saw enters what a query that began at now has found.
func (p *progress) saw(marks map[int32]int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for partition, mark := range marks {
		if before, ok := p.marks[partition]; !ok || mark > before {
			p.marks[partition] = mark
			p.advances[partition] = append(p.advances[partition], now)
		}
	}
}

// passed tells whether a record at or beyond each of the offsets is stored, and
// if not, of which partition it is not.
func (p *progress) passed(ends map[int32]int64) (ok bool, behind int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for partition, end := range ends {
		if mark, ok := p.marks[partition]; !ok || mark < end {
			return false, partition
		}
	}
	return true, 0
}

// stall is the longest time that any partition made no progress, of those times
// that touch the one from from to to.
func (p *progress) stall(from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, advances := range p.advances {
		for i := 1; i < len(advances); i++ {
			began, ended := advances[i-1], advances[i]
			if ended.After(from) && began.Before(to) {
				longest = max(longest, ended.Sub(began))
			}
		}
	}
	return longest
}

// watch looks every so often until ctx ends. ClickHouse being away is part of
// what is measured.
func (p *progress) watch(ctx context.Context, t *tables) {
	tick := time.NewTicker(marksEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		if marks, err := t.marks(ctx); err == nil {
			p.saw(marks, began)
		}
	}
}

// await waits until a record beyond each of the ends is stored: one that was
// produced after they were asked for. Meanwhile it calls look now and then.
func (p *progress) await(ctx context.Context, ends map[int32]int64, timeout time.Duration, look func() error) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, behind := p.passed(ends)
		if ok {
			return nil
		}
		if err := look(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return &stuckError{fmt.Sprintf("partition %d has stored nothing beyond offset %d within %v", behind, ends[behind], timeout)}
		case <-tick.C:
		}
	}
}

// stuckError is the product's failure, not the harness's: it makes no progress.
type stuckError struct{ what string }

func (e *stuckError) Error() string { return "stuck: " + e.what }
