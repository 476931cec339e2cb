package ops

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// lagAt returns the lag of a node whose clock the test sets.
func lagAt(start time.Time) (lag *Lag, now *time.Time) {
	now = &start
	lag = NewLag(slog.New(slog.DiscardHandler))
	lag.now = func() time.Time { return *now }
	return lag, now
}

// comeback is a node with two partitions that was away for a minute: 1,000
// records a second came to each, and were all sent at their time. It commits so
// many of each partition a second while more come, until told to stop; each is
// called after each second.
func comeback(lag *Lag, now *time.Time, perSecond int64, seconds int, each func(second int)) {
	const first = 500_000
	began := *now
	e := lag.PipelineEvents()
	e.Assigned([]int32{0, 1})
	sentAt := func(offset int64) int64 {
		return began.Add(time.Duration(offset-first)*time.Millisecond - time.Minute).UnixMilli()
	}
	next := int64(first)
	for p := range int32(2) {
		e.Settled(pipeline.Settled{Partition: p, Next: next})
	}
	for second := range seconds {
		high := first + 60_000 + 1_000*int64(second)
		for p := range int32(2) {
			if next < high {
				e.Polled(pipeline.Polled{Partition: p, First: next, Time: sentAt(next), HighWatermark: high})
			}
		}
		*now = now.Add(time.Second)
		next = min(next+perSecond, high)
		e.Committed(pipeline.Committed{Next: map[int32]int64{0: next, 1: next}})
		each(second + 1)
	}
}

// TestCatchUpSeconds holds the forecast against what comes: a backlog of a
// minute at three times the live rate takes half a minute.
func TestCatchUpSeconds(t *testing.T) {
	lag, now := lagAt(storyTime)
	reg := prometheus.NewPedanticRegistry()
	NewMetrics(reg).PipelineEvents(pipeline.Default(), lag)
	value := func(name string) (v float64, ok bool) {
		for _, line := range exposition(t, reg) {
			if _, err := fmt.Sscanf(line, "penstock_ingest_"+name+" %g", &v); err == nil {
				return v, true
			}
		}
		return 0, false
	}
	if _, ok := value("catch_up_seconds"); ok {
		t.Error("a node without partitions forecasts")
	}
	comeback(lag, now, 3_000, 40, func(second int) {
		said, ok := value("catch_up_seconds")
		age, _ := value("backlog_seconds")
		switch takes := float64(30 - second); {
		case second == 1 && ok:
			t.Errorf("after the first commit it forecasts %v", said)
		case second > 1 && age > 5 && (!ok || said < takes-2 || said > takes+2):
			t.Errorf("after %d s it says %v s (%v), and it takes %v", second, said, ok, takes)
		case second > 32 && (!ok || said != 0):
			t.Errorf("after %d s it has caught up and says %v s (%v)", second, said, ok)
		}
	})

	// It stands still: there is nothing to be said, neither 0 nor a year.
	lag, now = lagAt(storyTime)
	reg = prometheus.NewPedanticRegistry()
	NewMetrics(reg).PipelineEvents(pipeline.Default(), lag)
	comeback(lag, now, 1_000, 20, func(second int) {
		if said, ok := value("catch_up_seconds"); ok {
			t.Errorf("after %d s of standing still it says %v s", second, said)
		}
	})
}

// TestLagLines shows what a node that is behind tells the log, and its page.
func TestLagLines(t *testing.T) {
	f := func(name string, perSecond int64, seconds int) {
		t.Helper()
		lag, now := lagAt(storyTime)
		log, written := journal(slog.LevelInfo)
		lag.log = log
		var got strings.Builder
		comeback(lag, now, perSecond, seconds, func(second int) {
			for line := range strings.Lines(written.String()) {
				fmt.Fprintf(&got, "%3d s  %s", second, line)
			}
			written.Reset()
			if second == 4 {
				fmt.Fprintf(&got, "\n%s\n", lag)
			}
		})
		golden(t, name, got.String())
	}
	f("lag_catching_up.txt", 3_000, 45)
	f("lag_growing.txt", 500, 25)
}

// TestLagIsQuiet: a restart is nobody's concern.
func TestLagIsQuiet(t *testing.T) {
	lag, now := lagAt(storyTime)
	var written bytes.Buffer
	lag.log = slog.New(slog.NewTextHandler(&written, nil))
	e := lag.PipelineEvents()
	e.Assigned([]int32{0})
	e.Settled(pipeline.Settled{Next: 0})
	for second := range int64(60) {
		age := max(1, 25-5*second) * 1000
		e.Polled(pipeline.Polled{First: 100 * second, Time: now.UnixMilli() - age, HighWatermark: 100*second + 200})
		*now = now.Add(time.Second)
		e.Committed(pipeline.Committed{Next: map[int32]int64{0: 100*second + 100}})
	}
	if written.Len() > 0 {
		t.Errorf("it told:\n%s", &written)
	}
}
