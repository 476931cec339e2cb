package drill

import "time"

// queue is what is in Kafka: events that have arrived, of which the oldest are
// stored first.
type queue struct {
	arrived, stored int64
	// seconds is arrived at the end of each second, from midnight on; oldest the
	// first of them that is not stored as a whole.
	seconds []int64
	oldest  int
}

// arrive adds the events of a second.
func (q *queue) arrive(events int64) {
	q.arrived += events
	q.seconds = append(q.seconds, q.arrived)
}

// store takes out the oldest.
func (q *queue) store(events int64) {
	q.stored += events
	for q.oldest < len(q.seconds) && q.seconds[q.oldest] <= q.stored {
		q.oldest++
	}
}

// lag is how many events wait.
func (q *queue) lag() int64 { return q.arrived - q.stored }

// behind is how long the oldest event has waited at a time, which is the end of the
// last second that arrived.
func (q *queue) behind(at time.Duration) time.Duration {
	if q.oldest >= len(q.seconds) {
		return 0
	}
	return at - time.Duration(q.oldest)*time.Second
}
