package pipeline

// LatenessBounds part how late events are: what is on its way, what a device or
// a gateway sends in packets, what was offline for hours, and history. In
// milliseconds, so that a row is counted by comparing two integers.
var LatenessBounds = [...]int64{1e3, 5e3, 30e3, 60e3, 300e3, 900e3, 3600e3, 6 * 3600e3, 24 * 3600e3, 7 * 24 * 3600e3, 30 * 24 * 3600e3}

// Lateness is how late the rows of a batch are: how long after the device took
// the reading its record came to Kafka. A clock that is ahead makes an event
// early, which counts as not late.
type Lateness struct {
	// Within is how many are as late as each of LatenessBounds, and later than the
	// bound before; the last is those later than all.
	Within [len(LatenessBounds) + 1]uint64
	// Early is how many of the first were early.
	Early uint64
	// Sum is that of all that are late, in milliseconds: as a [time.Duration] a few
	// dozen clocks that were never set would overflow it.
	Sum int64
	// Newest is the newest event time, in Unix milliseconds, but for events that
	// are early: when their records came. It is the batch's watermark; 0 if it
	// has no rows.
	Newest int64
}

// add counts an event of the time event, whose record came at.
func (l *Lateness) add(event, at int64) {
	late := at - event
	if late < 0 {
		l.Early++
		late, event = 0, at
	}
	i := 0
	for i < len(LatenessBounds) && late > LatenessBounds[i] {
		i++
	}
	l.Within[i]++
	l.Sum += late
	l.Newest = max(l.Newest, event)
}
