package pipeline

import (
	"testing"
	"time"
)

func TestLateness(t *testing.T) {
	const now = 1_793_000_000_000
	var l Lateness
	hour := time.Hour.Milliseconds()
	for _, event := range []int64{
		now, now - 1000, // on their way
		now - 1001,     // in a packet
		now - hour,     // offline for an hour, to the millisecond
		now - hour - 1, // and for longer
		now - 31*24*hour,
		now + hour, // the clock is ahead
	} {
		l.add(event, now)
	}
	want := Lateness{Early: 1, Newest: now, Sum: 1000 + 1001 + hour + hour + 1 + 31*24*hour}
	want.Within[0], want.Within[1], want.Within[6], want.Within[7], want.Within[11] = 3, 1, 1, 1, 1
	if l != want {
		t.Errorf("lateness is %+v, want %+v", l, want)
	}
}
