package state

import (
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/pipeline"
	"penstock/schema"
)

// started returns a node and the events that tell it, its lag and its health.
func started() (*Node, pipeline.Events) {
	cfg := pipeline.Default()
	cfg.Kafka.Topic, cfg.Lanes = "telemetry", 2
	stream := ops.NewStream("fleet", ops.Default(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	n := NewNode("ingest-0:9464", stream, cfg)
	return n, ops.Tee(stream.PipelineEvents(cfg), n.PipelineEvents())
}

// TestNode: what a node does for half a minute, and is seen of it. ClickHouse goes away
// in the middle.
func TestNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, e := started()
		e.Assigned([]int32{3, 4})
		e.Settled(pipeline.Settled{Partition: 3, Next: 1000})
		offset := int64(1000)
		second := func(stores bool) {
			time.Sleep(time.Second)
			now := time.Now()
			e.Polled(pipeline.Polled{Partition: 3, First: offset, Time: now.Add(-200 * time.Millisecond).UnixMilli(), Records: 100, Bytes: 50_000, HighWatermark: offset + 100})
			if stores {
				e.Sealed(pipeline.Sealed{Records: 100, Rows: 97, Duplicates: 2, Rejects: 1})
				e.Rejected(pipeline.Rejected{Partition: 3, Offset: offset, Rejection: &schema.Rejection{Reason: schema.ReasonMalformed, Detail: "a\x1b[2Jb"}})
				e.Committed(pipeline.Committed{InFlight: 1, Next: map[int32]int64{3: offset}})
				e.Inserted(pipeline.Inserted{Rows: 97, Bytes: 40_000, Attempts: 1, Took: 30 * time.Millisecond})
				e.Stored(pipeline.Stored{Rows: 97, Oldest: now.Add(-400 * time.Millisecond).UnixMilli(), Done: now})
				e.Committed(pipeline.Committed{InFlight: 0, Next: map[int32]int64{3: offset + 100}})
			}
			offset += 100
		}
		for range 20 {
			second(true)
		}
		e.Committed(pipeline.Committed{InFlight: 2, Next: map[int32]int64{3: offset}})
		for range 11 {
			second(false)
			e.Retrying(pipeline.Retrying{What: "insert", Err: &netError{}, Attempt: 1})
		}
		e.Breaker(true)
		e.Paused(1)
		time.Sleep(7 * time.Second) // in which nothing is told
		golden(t, "node.json", n.Stream())

		e.Breaker(false)
		e.Resumed(1)
		e.Inserted(pipeline.Inserted{Rows: 100})
		e.Committed(pipeline.Committed{InFlight: 0, Next: map[int32]int64{3: offset}})
		e.Settled(pipeline.Settled{Partition: 4})
		s := n.Stream()
		if len(s.Breakers)+len(s.Failing)+len(s.Settling) > 0 || !s.Lanes[1].PausedSince.IsZero() || s.InFlight != (InFlight{}) || s.Backlog.Behind() {
			t.Errorf("it is over, and yet: %+v", s)
		}
		e.Lost([]int32{3, 4})
		if s := n.Stream(); len(s.Partitions) > 0 {
			t.Errorf("what it has lost is still there: %+v", s.Partitions)
		}
	})
}

type netError struct{}

func (*netError) Error() string { return "dial tcp 10.0.3.7:9000: connect: connection refused" }
func (*netError) Unwrap() error { return syscall.ECONNREFUSED }

// TestHistory: it is bounded, and a node of which nothing was heard for longer begins
// anew.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, e := started()
		for range 20 * 60 {
			time.Sleep(time.Second)
			e.Polled(pipeline.Polled{Partition: 3, Records: 10})
		}
		s := n.Stream()
		if want := int(HistoryFor / SampleEvery); len(s.History) != want || s.History[0].Read != 10 || s.History[want-1].Read != 10 {
			t.Errorf("%d samples, from %+v; want %d of 10/s", len(s.History), s.History[0], want)
		}
		if got := s.Rates.Read; got != 10 {
			t.Errorf("%v/s are read, want 10", got)
		}
		time.Sleep(time.Hour)
		if s := n.Stream(); len(s.History) > 0 || s.Rates.Read > 0 {
			t.Errorf("an hour later: %d samples, %v/s", len(s.History), s.Rates.Read)
		}
	})
}

// TestRejects: a flood of one reason does not hide what else there is.
func TestRejects(t *testing.T) {
	n, e := started()
	reject := func(reason schema.Reason, offset int64) {
		e.Rejected(pipeline.Rejected{Partition: 1, Offset: offset, Rejection: &schema.Rejection{Reason: reason}})
	}
	reject(schema.ReasonTime, 7)
	for i := range int64(10_000) {
		reject(schema.ReasonType, 100+i)
	}
	r := n.Stream().Rejects
	if r.Total != 10_001 || len(r.Reasons) != 2 || r.Reasons[0] != (RejectReason{"type", 10_000}) {
		t.Errorf("counted %d, %v", r.Total, r.Reasons)
	}
	if len(r.Samples) != SamplesPerReason+1 {
		t.Fatalf("%d samples", len(r.Samples))
	}
	offsets := map[int64]bool{}
	for _, s := range r.Samples {
		offsets[s.Offset] = true
	}
	for _, want := range []int64{7, 10_099, 10_098, 10_097, 10_096} {
		if !offsets[want] {
			t.Errorf("the newest samples lack offset %d: %v", want, offsets)
		}
	}
}

// TestRejectsAreMany: what is said of them is of the last minute, and not of when they
// became too many.
func TestRejectsAreMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, e := started()
		for range 30 {
			time.Sleep(5 * time.Second)
			e.Sealed(pipeline.Sealed{Records: 100, Rejects: 40})
		}
		e.RejectRate(pipeline.RejectRate{High: true, Records: 1000, Rejects: 51, Sample: pipeline.Rejected{Rejection: &schema.Rejection{}}})
		told := time.Now()
		for range 15 {
			time.Sleep(5 * time.Second)
			e.Sealed(pipeline.Sealed{Records: 200, Rejects: 20})
		}
		r := n.Stream().Rejects
		if share, ok := r.Share(); !ok || share != 0.1 || r.Records < 2400 || r.Records > 2600 {
			t.Errorf("%v of %d, %v; want a tenth of some 2400", share, r.Records, ok)
		}
		if !r.High || !r.HighSince.Equal(told) {
			t.Errorf("high is %v since %v, want since %v", r.High, r.HighSince, told)
		}
		e.RejectRate(pipeline.RejectRate{Records: 1000, Rejects: 49})
		time.Sleep(2 * time.Minute)
		r = n.Stream().Rejects
		if share, ok := r.Share(); r.High || !r.HighSince.IsZero() || ok || share != 0 {
			t.Errorf("it is over, and nothing comes: %+v", r)
		}
	})
}

func TestQuantiles(t *testing.T) {
	f := func(what string, p50, p99 float64, rows ...time.Duration) {
		t.Helper()
		var a ages
		for _, age := range rows {
			a.add(age, 10)
		}
		got50, got99 := a.quantiles()
		if off(*got50, p50) > 0.2 || off(*got99, p99) > 0.2 {
			t.Errorf("%s: %v and %v, want about %v and %v", what, *got50, *got99, p50, p99)
		}
	}
	f("one", 0.3, 0.3, 300*time.Millisecond)
	f("a tail", 0.5, 60, append(make99(500*time.Millisecond), time.Minute, time.Minute)...)
	f("no time at all", 0.005, 0.01, 0)
	f("weeks", 700_000, 830_000, 21*24*time.Hour)
	var none ages
	if p50, p99 := none.quantiles(); p50 != nil || p99 != nil {
		t.Error("nothing was stored, and yet it has an age")
	}
}

func make99(age time.Duration) []time.Duration {
	all := make([]time.Duration, 98)
	for i := range all {
		all[i] = age
	}
	return all
}

// off is by which share a number is off, at least 0.
func off(got, want float64) float64 { return max(got/want, want/got) - 1 }

func TestVisible(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := visible(text, 30); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("seq is 7", "seq is 7")
	f("größer 💧", "größer 💧")
	f("a\x1b[2J\r\nb\x00", `a\u001b[2J\u000d\u000ab\u0000`)
	f("right \u202eto left\u200b", `right \u202eto left\u200b`)
	f("\xff", "\uFFFD")
	f("0123456789012345678901234567890123456789", "012345678901234567890123456789… (10 bytes more)")
}

func TestHot(t *testing.T) {
	f := func(what string, hot int, all ...Partition) {
		t.Helper()
		markHot(all)
		for i, p := range all {
			if p.Hot != (i == hot) {
				t.Errorf("%s: partition %d hot is %v", what, i, p.Hot)
			}
		}
	}
	well, behind := Partition{Lag: 100, Seconds: 0.3, Arriving: 1000}, Partition{Lag: 100_000, Seconds: 60, Arriving: 1000}
	whale := Partition{Lag: 500_000, Seconds: 60, Arriving: 9000}
	const none = -1
	f("all is well", none, well, well, well)
	f("an outage", none, behind, behind, behind)
	f("a whale", 1, well, whale, well)
	f("a whale that keeps up", none, well, Partition{Lag: 900, Seconds: 0.4, Arriving: 9000}, well)
	f("one of a slow node", none, well, behind, well, Partition{Lag: 110_000, Seconds: 62, Arriving: 1000})
	f("held up for another reason than that more comes", none, well, behind, well)
	f("the only one", none, whale)
}

func TestProcess(t *testing.T) {
	p := NewProcess("ingest-0:9464", "ingest", 1<<30, []Setting{{"lanes", "2"}})
	got := p.Program([]string{"no partition is assigned"})
	if got.Memory.Used < 1<<20 || got.Memory.Budget != 1<<30 || got.CPU.Cores < 1 || got.CPU.Used < 0 || got.Version == "" || got.Started.IsZero() || len(got.Problems) != 1 {
		t.Errorf("%+v", got)
	}
	if Name("localhost:0") == Name("localhost:1") || Name(":9464") != Name("localhost:9464") {
		t.Errorf("names are %q and %q", Name("localhost:0"), Name(":9464"))
	}
}

func TestCauses(t *testing.T) {
	f := func(err error, want Cause) {
		t.Helper()
		if got := CauseOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	f(errors.New("what is this?"), CauseOther)
	f(&netError{}, CauseAway)
	for code, want := range causes {
		f(inserting(code, "said"), want)
	}
	f(inserting(74, "Cannot write to file: No space left on device"), CauseDisk)
}
