package loadtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const pollEvery = 20 * time.Millisecond

// hotTable is a table whose rows and availability a test sets.
type hotTable struct {
	mu      sync.Mutex
	away    bool
	rows    uint64
	offsets map[int32]int64 // the highest of each partition; all up to it are there
	asked   int             // how often for offsets
}

func (h *hotTable) Rows(context.Context) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return 0, errors.New("connection refused")
	}
	return h.rows, nil
}

func (h *hotTable) Arrivals(_ context.Context, above []watermark) ([]arrivals, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	var out []arrivals
	for _, w := range above {
		if highest, ok := h.offsets[w.partition]; ok && highest > w.offset {
			out = append(out, upTo(w.partition, w.offset+1, highest))
		}
	}
	return out, nil
}

// upTo are the offsets of a partition from one to another.
func upTo(partition int32, from, to int64) arrivals {
	a := arrivals{partition: partition}
	for offset := from; offset <= to; offset++ {
		a.offsets = append(a.offsets, offset)
	}
	return a
}

func (h *hotTable) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := &hotTable{offsets: map[int32]int64{}}
		w := &watcher{table: table, queues: newVisibility(), every: pollEvery}
		var done sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		done.Go(func() { w.run(ctx) })
		defer done.Wait()
		defer stop()

		time.Sleep(time.Second)
		if n := w.polls.Load(); n != 0 {
			t.Errorf("%d polls while no reading is awaited", n)
		}
		w.queues.produced(0, 10, time.Now())
		time.Sleep(500 * time.Millisecond)
		table.set(func() {
			if table.asked != 1 {
				t.Errorf("offsets asked for %d times while no row came; want once", table.asked)
			}
		})
		table.set(func() { table.rows, table.offsets[0] = 1, 10 })
		time.Sleep(2 * pollEvery)
		if got, _, _ := w.queues.overall(); w.queues.left() != 0 || got.max < 500*time.Millisecond || got.max > 530*time.Millisecond {
			t.Errorf("%d left, latency %v; want 0 and 500 to 520 ms", w.queues.left(), got.max)
		}

		// A row went as another came: the count stands still.
		w.queues.produced(0, 11, time.Now())
		table.set(func() { table.offsets[0] = 11 })
		time.Sleep(pollWhole + 2*pollEvery)
		if w.queues.left() != 0 {
			t.Error("a reading stored while the number of rows stood still is not seen")
		}

		// ClickHouse is away for 20 s and has the reading when it is back.
		w.queues.produced(0, 12, time.Now())
		table.set(func() { table.away, table.rows, table.offsets[0] = true, 1, 12 })
		time.Sleep(20 * time.Second)
		if w.trouble.Load() == nil || w.queues.left() != 1 {
			t.Errorf("away: trouble %v, %d left; want an error and 1", w.trouble.Load(), w.queues.left())
		}
		table.set(func() { table.away = false })
		time.Sleep(2 * pollEvery)
		if got, _, _ := w.queues.overall(); w.queues.left() != 0 || got.max < 20*time.Second {
			t.Errorf("back: %d left, latency %v; want 0 and 20 s", w.queues.left(), got.max)
		}
		if w.trouble.Load() != nil {
			t.Error("back: the trouble is still told")
		}
	})
}
