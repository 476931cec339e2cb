package pipeline

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// throttled is what a queue told, in order.
type throttled []bool

func (h *throttled) tell(pause bool) { *h = append(*h, pause) }

func TestQueuePausesAtItsBoundAndReadsOnAtHalf(t *testing.T) {
	var told throttled
	q := newQueue(100, told.tell)
	expect := func(what string, want ...bool) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("%s: told %v; want %v", what, told, want)
		}
	}
	for i := range int32(4) {
		q.push(chunk{partition: i, bytes: 30})
		if i == 2 {
			expect("90 of 100")
		}
	}
	expect("120 of 100", true)
	q.push(chunk{partition: 4, bytes: 30}) // of a poll that was under way
	expect("full already", true)
	for want := range int32(5) {
		c, ok := q.pop()
		if !ok || c.partition != want {
			t.Errorf("pop gave %v, %v; want partition %d", c, ok, want)
		}
		if want == 2 { // 60 are left
			expect("more than half", true)
		}
	}
	expect("emptied", true, false)
	if _, ok := q.pop(); ok {
		t.Error("popped from an empty queue")
	}
	expect("and no more than once", true, false)
}

func TestQueueKeepsOrderAndTellsInTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 50).Draw(t, "bound")
		var told throttled
		q := newQueue(bound, told.tell)
		var model []int
		bytes, pushed := 0, 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				n := rapid.IntRange(0, 30).Draw(t, "bytes")
				q.push(chunk{epoch: uint64(pushed), bytes: n})
				model = append(model, n)
				bytes += n
				pushed++
			} else if c, ok := q.pop(); ok {
				if want := uint64(pushed - len(model)); c.epoch != want {
					t.Fatalf("chunk %d came; want %d", c.epoch, want)
				}
				bytes -= model[0]
				model = model[1:]
			} else if len(model) > 0 {
				t.Fatalf("pop gave none of %d", len(model))
			}
			paused := len(told) > 0 && told[len(told)-1]
			if bytes >= bound && !paused || bytes <= bound/2 && paused {
				t.Fatalf("%d bytes of %d, and paused is %v", bytes, bound, paused)
			}
			select { // a token whenever a chunk waits
			case <-q.ready:
				q.signal()
			default:
				if len(model) > 0 {
					t.Fatalf("%d chunks wait, and nobody is told", len(model))
				}
			}
		}
		for i, pause := range told {
			if pause != (i%2 == 0) {
				t.Fatalf("told %v; want turns", told)
			}
		}
	})
}

// The lane empties the queue while the poll loop is still about to pause its
// partitions. Were they paused last, they would stay so for good.
func TestAQueueThatHasRoomIsNeverLeftPaused(t *testing.T) {
	var told throttled
	var q *queue
	var popping sync.WaitGroup
	q = newQueue(100, func(pause bool) {
		if pause {
			popping.Go(func() { q.pop() })
			for q.isFull() { // until it is emptied; what the pop then tells has to wait
				runtime.Gosched()
			}
		}
		told.tell(pause)
	})
	q.push(chunk{bytes: 100})
	popping.Wait()
	if !slices.Equal(told, throttled{true, false}) {
		t.Errorf("told %v; want [true false]", told)
	}
	q.admit(func(pause bool) {
		if pause {
			t.Error("new partitions begin paused")
		}
	})
}

// Tombstones have no bytes of their own; a flood of them has to end somewhere.
func TestAnEmptyRecordIsNotFree(t *testing.T) {
	empty := sizeOf(&kgo.Record{})
	if empty < 100 {
		t.Errorf("an empty record is taken for %d bytes", empty)
	}
	full := &kgo.Record{Key: make([]byte, 10), Value: make([]byte, 100), Headers: []kgo.RecordHeader{{Key: "k", Value: make([]byte, 1000)}}}
	if got := sizeOf(full); got < empty+1111 {
		t.Errorf("%d bytes; want its key, value and header on top of %d", got, empty)
	}
}
