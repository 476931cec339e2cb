package ops

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"penstock/pipeline"
	"penstock/pipeline/enrich"
	"penstock/schema"
	"penstock/tiering"
)

var rewrite = flag.Bool("rewrite", false, "write what is got into the golden files; read the difference before you keep it")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant, from %s:\n%s", got, path, want)
	}
}

// event is one call of a hook.
type event struct {
	hook string
	call func()
}

var errBomb = errors.New("read telemetry p5: the batch of offsets 40 to 59 takes more memory than kafka.max_batch_bytes")

var errDown = errors.New("dial tcp 10.0.0.7:9000: connection refused")

// storyTime is when the stories are told.
var storyTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pipelineStory calls every hook of a node at least once, in an order that
// could be.
func pipelineStory(e pipeline.Events) []event {
	sealed := pipeline.Sealed{Batch: "run-1-7", Lane: 1, Cause: pipeline.SealedByAge, Records: 110, Rows: 100, Duplicates: 8, Rejects: 2, Extra: 3, Unknown: 4, Bytes: 40_000, Age: 700 * time.Millisecond}
	sealed.Lateness = pipeline.Lateness{Within: [12]uint64{90, 7, 0, 0, 0, 0, 3}, Early: 2, Sum: 4_021_500, Newest: storyTime.UnixMilli() - 120}
	rejected := pipeline.Rejected{Partition: 3, Offset: 41, Rejection: &schema.Rejection{Reason: schema.ReasonType, Detail: `seq is "x"`}}
	return []event{
		{"Assigned", func() { e.Assigned([]int32{3, 4, 5}) }},
		{"Settled", func() {
			e.Settled(pipeline.Settled{Partition: 3, Next: 890, Intents: 2, Rows: 40, Rewound: 15, Took: 300 * time.Millisecond})
		}},
		{"Settled", func() { e.Settled(pipeline.Settled{Partition: 4, Next: 6, Gap: 400}) }},
		{"Polled", func() {
			e.Polled(pipeline.Polled{Partition: 3, First: 890, Time: storyTime.Add(-7 * time.Second).UnixMilli(), Records: 110, Bytes: 55_000, HighWatermark: 1000})
		}},
		{"Polled", func() {
			e.Polled(pipeline.Polled{Partition: 4, First: 6, Time: -1, Records: 1, Bytes: 500, HighWatermark: 7})
		}},
		{"Taken", func() { e.Taken(pipeline.Taken{Lane: 1, Partition: 3, Waited: 20 * time.Millisecond}) }},
		{"PollFailed", func() { e.PollFailed(errDown) }},
		{"Parked", func() { e.Parked(pipeline.Parked{Partition: 5, Err: errBomb}) }},
		{"Paused", func() { e.Paused(1) }},
		{"Paused", func() { e.Paused(0) }},
		{"Resumed", func() { e.Resumed(1) }},
		{"Rejected", func() { e.Rejected(rejected) }},
		{"RejectRate", func() {
			e.RejectRate(pipeline.RejectRate{High: true, Records: 2000, Rejects: 250, Window: time.Minute, Reason: schema.ReasonType, Top: 240, Sample: rejected})
		}},
		{"RejectRate", func() { e.RejectRate(pipeline.RejectRate{Records: 2000, Rejects: 90, Window: time.Minute}) }},
		{"Sealed", func() { e.Sealed(sealed) }},
		{"Retrying", func() {
			e.Retrying(pipeline.Retrying{What: "check", Err: errDown, Attempt: 1, Wait: 50 * time.Millisecond})
		}},
		{"Retrying", func() {
			e.Retrying(pipeline.Retrying{What: "insert", Batch: "run-1-7", Err: errDown, Attempt: 1, Wait: 80 * time.Millisecond})
		}},
		{"Retrying", func() {
			e.Retrying(pipeline.Retrying{What: "dead-letter", Err: errDown, Attempt: 2, Wait: time.Second})
		}},
		{"Breaker", func() { e.Breaker(true) }},
		{"Breaker", func() { e.Breaker(false) }},
		{"Inserted", func() {
			e.Inserted(pipeline.Inserted{Batch: "run-1-7", Lane: 1, Day: 20_780, Rows: 100, Bytes: 40_000, Attempts: 2, Took: 120 * time.Millisecond})
		}},
		{"Inserted", func() {
			e.Inserted(pipeline.Inserted{Batch: "run-1-7", Lane: 1, Day: 20_779, Rows: 5, Bytes: 2_000, Attempts: 3, Found: true, Took: 900 * time.Millisecond})
		}},
		{"Retrying", func() {
			e.Retrying(pipeline.Retrying{What: "commit", Err: errDown, Attempt: 1, Wait: 90 * time.Millisecond})
		}},
		{"Retrying", func() {
			e.Retrying(pipeline.Retrying{What: "settle", Err: errDown, Attempt: 1, Wait: 70 * time.Millisecond})
		}},
		{"Confirmed", func() {
			if e.Confirmed != nil { // it is for the audit; what is committed tells the rest
				e.Confirmed(pipeline.Confirmed{Partition: 3, First: 780, Next: 890, Rows: 100})
			}
		}},
		{"Committed", func() {
			e.Committed(pipeline.Committed{Lane: 1, InFlight: 2, Next: map[int32]int64{3: 890, 4: 8, 9: 5}, Gap: map[int32]int64{4: 398}})
		}},
		{"Stored", func() {
			e.Stored(pipeline.Stored{
				Batch: "run-1-7", Lane: 1, Cause: pipeline.SealedByAge, Rows: 100, Shares: []pipeline.Share{{Partition: 3, First: 890, Next: 1000}},
				Oldest: storyTime.Add(-7 * time.Second).UnixMilli(), Opened: storyTime.Add(-time.Second), Sealed: storyTime.Add(-300 * time.Millisecond),
				Declared: storyTime.Add(-290 * time.Millisecond), Done: storyTime.Add(-100 * time.Millisecond),
				Traces: []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
			})
		}},
		{"DedupShrunk", func() { e.DedupShrunk(1) }},
		{"Revoked", func() { e.Revoked([]int32{3}) }},
		{"Committed", func() { e.Committed(pipeline.Committed{Next: map[int32]int64{3: 1000}}) }},
		{"Lost", func() { e.Lost([]int32{5}) }},
		{"Doubted", func() { e.Doubted(errors.New("ownership is in doubt")) }},
		{"DevicesKnown", func() {
			e.DevicesKnown(enrich.Current{Devices: 2000, Bytes: 120_000, Changed: true, Misfits: 2, Misfit: errors.New("line 7: no device"), At: storyTime, Took: 12 * time.Millisecond})
		}},
		{"DevicesKnown", func() {
			e.DevicesKnown(enrich.Current{Devices: 2000, Bytes: 120_000, At: storyTime.Add(30 * time.Second)})
		}},
		{"DevicesAway", func() { e.DevicesAway(errors.New("enrich.file: no such file")) }},
	}
}

// tieringStory calls every hook of a compactor at least once.
func tieringStory(e tiering.Events) []event {
	step := tiering.Step{Day: 20_700, State: tiering.Sealed, Action: tiering.Export, Generation: 1, Partition: tiering.Partition{SealedRows: 1000}}
	beside := tiering.Step{Day: 20_701, State: tiering.Sealed, Action: tiering.Export, Generation: 1, Partition: tiering.Partition{SealedRows: 600}}
	return []event{
		{"LeaseTaken", func() { e.LeaseTaken(7) }},
		{"Planned", func() { e.Planned([]tiering.Step{step, beside}) }},
		{"Strayed", func() { e.Strayed(20_699, 17) }},
		{"Loaded", func() { e.Loaded(20_600, 400, 800) }},
		{"Loaded", func() { e.Loaded(20_600, 600, 800) }},
		{"Compared", func() { e.Compared(20_600, 200, 800) }},
		{"Begun", func() { e.Begun(step) }},
		{"Exporting", func() { e.Exporting(step.Day, 400, 1000) }},
		{"Yielded", func() { e.Yielded(step.Day, "2026-11-30 has 312 active parts") }},
		{"Begun", func() { e.Begun(beside) }},
		{"Exporting", func() { e.Exporting(beside.Day, 200, 600) }},
		{"Exporting", func() { e.Exporting(step.Day, 1000, 1000) }},
		{"Failed", func() { e.Failed(beside, fmt.Errorf("stopped: %w", context.Canceled)) }}, // no failure of its own
		{"FileStored", func() {
			e.FileStored(step.Day, tiering.File{Path: "day=2026-09-04/1.parquet", Rows: 990, Bytes: 65_000})
		}},
		{"FileRead", func() {
			e.FileRead(step.Day, tiering.File{Path: "day=2026-09-04/1.parquet", Rows: 990, Bytes: 65_000})
		}},
		{"Verified", func() { e.Verified(step.Day, 990, 990) }},
		{"Done", func() { e.Done(step, 90*time.Second) }},
		{"Begun", func() { e.Begun(step) }},
		{"Exporting", func() { e.Exporting(step.Day, 400, 1000) }},
		{"Failed", func() { e.Failed(step, errDown) }},
		{"Begun", func() { e.Begun(step) }},
		{"Exporting", func() { e.Exporting(step.Day, 500, 1000) }}, // from the beginning: 500 more
		{"Verified", func() { e.Verified(step.Day, 600, 990) }},
		{"Verified", func() { e.Verified(step.Day, 300, 990) }}, // again, as on its own: 300 more
	}
}

// TestStoriesAreComplete: a hook that is added to the events has to be added
// to the stories, and so to the golden files.
func TestStoriesAreComplete(t *testing.T) {
	f := func(events any, story []event) {
		t.Helper()
		typ := reflect.TypeOf(events)
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if !slices.ContainsFunc(story, func(e event) bool { return e.hook == name }) {
				t.Errorf("no story calls %s.%s", typ, name)
			}
		}
	}
	f(pipeline.Events{}, pipelineStory(pipeline.Events{}))
	f(tiering.Events{}, tieringStory(tiering.Events{}))
}

// TestTee: each function of each is called once, in order; a missing one is
// no obstacle.
func TestTee(t *testing.T) {
	var got []string
	a, b := recorder[pipeline.Events]("a", &got), recorder[pipeline.Events]("b", &got)
	for _, e := range pipelineStory(Tee(pipeline.Events{}, a, pipeline.Events{}, b)) {
		got = nil
		e.call()
		if want := "a." + e.hook + " b." + e.hook; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	c, d := recorder[tiering.Events]("c", &got), recorder[tiering.Events]("d", &got)
	for _, e := range tieringStory(TeeTiering(tiering.Events{}, c, d)) {
		got = nil
		e.call()
		if want := "c." + e.hook + " d." + e.hook; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	if Tee(pipeline.Events{}).Polled != nil {
		t.Error("nobody listens, and yet there is a function")
	}
}

// recorder returns events of which every function notes that it was called.
func recorder[E any](name string, to *[]string) E {
	var events E
	v := reflect.ValueOf(&events).Elem()
	for i := range v.NumField() {
		hook := name + "." + v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			*to = append(*to, hook)
			return nil
		}))
	}
	return events
}
