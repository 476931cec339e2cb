package pipeline

import (
	"strings"
	"testing"
	"time"
)

// Leaving the group revokes, and a revocation waits as a stop does: both
// together have to keep the one deadline.
func TestAStopKeepsItsDeadline(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = time.Second
	r.table.setFault(away)
	sealed := make(chan Sealed, 100)
	stop := r.start(Events{Sealed: func(s Sealed) { sealed <- s }})
	r.sendEvents(10)
	<-sealed
	began := time.Now()
	err := stop()
	if err == nil || !strings.Contains(err.Error(), "the next owner settles them: stop_timeout is 1s and over") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 1900*time.Millisecond {
		t.Errorf("it took %v; stop_timeout is %v", took, r.cfg.StopTimeout)
	}
	r.expectNothingConfirmed()
}

// So has a stop that Kafka is the reason for.
func TestAStopOfItsOwnKeepsItsDeadline(t *testing.T) {
	r := newRig(t)
	r.cfg.StopTimeout = time.Second
	r.cfg.Memory = r.cfg.memoryFor(minBatchBytes)
	r.table.setFault(away)
	sealed := make(chan Sealed, 100)
	n := r.run(Events{Sealed: func(s Sealed) { sealed <- s }})
	r.sendEvents(10)
	<-sealed
	r.send(0, strings.Repeat(" ", int(r.cfg.share())+1)) // more than the node may unpack
	r.expectEnd(n, "--reset-offsets", "not stored in time")
}
