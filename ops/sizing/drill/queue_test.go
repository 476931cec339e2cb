package drill

import (
	"testing"
	"time"
)

func TestQueue(t *testing.T) {
	q := &queue{}
	f := func(arrive, store, lag int64, behind time.Duration) {
		t.Helper()
		q.arrive(arrive)
		q.store(store)
		now := time.Duration(len(q.seconds)) * time.Second
		if q.lag() != lag || q.behind(now) != behind {
			t.Errorf("at %v %d wait, for %v; want %d, for %v", now, q.lag(), q.behind(now), lag, behind)
		}
	}
	f(100, 100, 0, 0)
	f(100, 0, 100, time.Second)
	f(100, 50, 150, 2*time.Second)
	f(0, 50, 100, 2*time.Second) // the second second is done, to its last event
	f(10, 109, 1, time.Second)
	f(0, 1, 0, 0)
}
