package ops

import (
	"penstock/pipeline"
	"penstock/tiering"
)

// Tee returns events that call the functions of all, in their order.
func Tee(all ...pipeline.Events) pipeline.Events {
	var t pipeline.Events
	for _, e := range all {
		t.Assigned = both(t.Assigned, e.Assigned)
		t.Settled = both(t.Settled, e.Settled)
		t.Revoked = both(t.Revoked, e.Revoked)
		t.Lost = both(t.Lost, e.Lost)
		t.Polled = both(t.Polled, e.Polled)
		t.Taken = both(t.Taken, e.Taken)
		t.PollFailed = both(t.PollFailed, e.PollFailed)
		t.Parked = both(t.Parked, e.Parked)
		t.Paused = both(t.Paused, e.Paused)
		t.Resumed = both(t.Resumed, e.Resumed)
		t.Sealed = both(t.Sealed, e.Sealed)
		t.Rejected = both(t.Rejected, e.Rejected)
		t.RejectRate = both(t.RejectRate, e.RejectRate)
		t.Inserted = both(t.Inserted, e.Inserted)
		t.Stored = both(t.Stored, e.Stored)
		t.Retrying = both(t.Retrying, e.Retrying)
		t.Breaker = both(t.Breaker, e.Breaker)
		t.Committed = both(t.Committed, e.Committed)
		t.Confirmed = both(t.Confirmed, e.Confirmed)
		t.Doubted = both(t.Doubted, e.Doubted)
		t.DedupShrunk = both(t.DedupShrunk, e.DedupShrunk)
		t.DevicesKnown = both(t.DevicesKnown, e.DevicesKnown)
		t.DevicesAway = both(t.DevicesAway, e.DevicesAway)
	}
	return t
}

// TeeTiering is Tee for the compactor's events.
func TeeTiering(all ...tiering.Events) tiering.Events {
	var t tiering.Events
	for _, e := range all {
		t.Planned = both(t.Planned, e.Planned)
		t.Begun = both(t.Begun, e.Begun)
		t.Done = both2(t.Done, e.Done)
		t.Failed = both2(t.Failed, e.Failed)
		t.Exporting = both3(t.Exporting, e.Exporting)
		t.FileStored = both2(t.FileStored, e.FileStored)
		t.FileRead = both2(t.FileRead, e.FileRead)
		t.Verified = both3(t.Verified, e.Verified)
		t.Strayed = both2(t.Strayed, e.Strayed)
		t.Loaded = both3(t.Loaded, e.Loaded)
		t.Compared = both3(t.Compared, e.Compared)
		t.Yielded = both2(t.Yielded, e.Yielded)
		t.LeaseTaken = both(t.LeaseTaken, e.LeaseTaken)
	}
	return t
}

// both returns a function that calls a and then b, either of which may be nil.
func both[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}

func both2[T, U any](a, b func(T, U)) func(T, U) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(t T, u U) { a(t, u); b(t, u) }
}

func both3[T, U, V any](a, b func(T, U, V)) func(T, U, V) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(t T, u U, v V) { a(t, u, v); b(t, u, v) }
}
