package ops

import "penstock/pipeline"

// Tee returns events that call the functions of all, in their order.
func Tee(all ...pipeline.Events) pipeline.Events {
	var t pipeline.Events
	for _, e := range all {
		t.Assigned = both(t.Assigned, e.Assigned)
		t.Revoked = both(t.Revoked, e.Revoked)
		t.Lost = both(t.Lost, e.Lost)
		t.Polled = both(t.Polled, e.Polled)
		t.PollFailed = both(t.PollFailed, e.PollFailed)
		t.Paused = both(t.Paused, e.Paused)
		t.Resumed = both(t.Resumed, e.Resumed)
		t.Sealed = both(t.Sealed, e.Sealed)
		t.Rejected = both(t.Rejected, e.Rejected)
		t.Inserted = both(t.Inserted, e.Inserted)
		t.Retrying = both(t.Retrying, e.Retrying)
		t.Breaker = both(t.Breaker, e.Breaker)
		t.Committed = both(t.Committed, e.Committed)
		t.CommitFailed = both(t.CommitFailed, e.CommitFailed)
		t.DedupShrunk = both(t.DedupShrunk, e.DedupShrunk)
	}
	return t
}

func both[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}
