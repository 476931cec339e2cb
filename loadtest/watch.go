package loadtest

import (
	"context"
	"sync/atomic"
	"time"
)

// stored is what the watcher asks of the hot table.
type stored interface {
	// Rows returns how many rows the table has on the days live readings fall
	// on. It has to be cheap: it is asked at every poll.
	Rows(ctx context.Context) (uint64, error)
	// Arrivals returns, of the partitions asked for, the offsets of those days
	// above the one given; a partition without any is left out.
	Arrivals(ctx context.Context, above []watermark) ([]arrivals, error)
}

const (
	// pollTimeout ends a poll that hangs, as one does when ClickHouse is gone.
	pollTimeout = 5 * time.Second
	// pollWhole is how often the offsets are asked for although the number
	// of rows stands still: as many could have gone as came.
	pollWhole = time.Second
)

// watcher polls ClickHouse for what has become visible.
//
// A poll asks for the number of rows, which ClickHouse knows without reading;
// only when that has moved, a few times a second, does it ask for offsets: they
// have to be read, and the engine shares the machine with all that is measured.
//
// Both look at the days of live readings only: those of late ones are many, and
// nobody waits for them.
//
// It asks for every offset above the lowest that is waited for, and not for the
// highest one there is, which the engine would read as much for. Two batches of a
// partition are stored side by side, and one whose insert hangs is behind the
// other for seconds: by the highest offset its readings would look visible.
type watcher struct {
	table  stored
	queues *visibility
	every  time.Duration // how finely visibility is measured

	polls  atomic.Uint64
	errors atomic.Uint64
	// trouble is the error of the last poll, nil if it went well.
	trouble atomic.Pointer[error]
}

// run polls until ctx ends. ClickHouse being away does not stop it: the time
// until it is back is part of the latency.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var rows uint64
	var whole time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		above := w.queues.awaited()
		if len(above) == 0 {
			continue
		}
		w.polls.Add(1)
		found, err := w.poll(ctx, above, &rows, &whole)
		if err != nil {
			if ctx.Err() == nil {
				w.errors.Add(1)
				w.trouble.Store(&err)
			}
			rows = 0 // ask for offsets as soon as it is back
			continue
		}
		w.trouble.Store(nil)
		now := time.Now()
		for _, a := range found {
			w.queues.arrived(a, now)
		}
	}
}

// poll returns what has become visible. rows is the count at the last poll; it
// is read before the offsets, so that rows which arrive between the two are
// noticed by the next poll at the latest.
func (w *watcher) poll(ctx context.Context, above []watermark, rows *uint64, whole *time.Time) ([]arrivals, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	n, err := w.table.Rows(ctx)
	if err != nil {
		return nil, err
	}
	if n == *rows && time.Since(*whole) < pollWhole {
		return nil, nil
	}
	found, err := w.table.Arrivals(ctx, above)
	if err != nil {
		return nil, err
	}
	*rows, *whole = n, time.Now()
	return found, nil
}
