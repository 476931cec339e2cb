package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSampledTraceparents(t *testing.T) {
	const ids = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	f := func(traceparent string, want bool) {
		t.Helper()
		if got := isSampled([]byte(traceparent)); got != want {
			t.Errorf("%q is sampled: %v; want %v", traceparent, got, want)
		}
	}
	f("00"+ids+"01", true)
	f("00"+ids+"03", true) // the trace's random flag beside it
	f("00"+ids+"0f", true)
	f("00"+ids+"00", false)
	f("00"+ids+"02", false)
	f("00"+ids+"0F", false) // the format has no capitals
	f("00"+ids, false)
	f("", false)
	f(strings.Repeat("1", 1000), false)
}

// A batch tells of its whole way: what it accounts for, when its oldest record
// came, and which traces go on with it.
func TestStoredTellsOfTheWay(t *testing.T) {
	r := newRig(t)
	trace := func(i int) string { return fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba9%04x-01", i) }
	oldest := time.Now().Add(-3 * time.Second).Truncate(time.Millisecond)
	records := []*kgo.Record{{Topic: "telemetry", Partition: 2, Value: []byte("{"), Timestamp: oldest}}
	for i := range 20 {
		records = append(records, &kgo.Record{
			Topic: "telemetry", Partition: 2, Value: []byte(event("dev", i)), Timestamp: oldest.Add(time.Second),
			Headers: []kgo.RecordHeader{{Key: "firmware", Value: []byte("7")}, {Key: "traceparent", Value: []byte(trace(i))}},
		})
	}
	if err := r.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	stored, inserted, taken := make(chan Stored, 100), make(chan Inserted, 100), make(chan Taken, 100)
	stop := r.start(Events{
		Stored: func(s Stored) { stored <- s }, Inserted: func(i Inserted) { inserted <- i }, Taken: func(k Taken) { taken <- k },
	})
	r.awaitStored(20)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, i, k := <-stored, <-inserted, <-taken
	if s.Batch == "" || s.Batch != i.Batch || s.Rows != 20 || s.Oldest != oldest.UnixMilli() ||
		!slices.Equal(s.Shares, []Share{{Partition: 2, First: 0, Next: 21}}) {
		t.Errorf("stored %+v after %+v", s, i)
	}
	if times := []time.Time{s.Opened, s.Sealed, s.Declared, s.Done}; !slices.IsSortedFunc(times, time.Time.Compare) || s.Opened.IsZero() {
		t.Errorf("the batch was opened, sealed, declared and stored at %v", times)
	}
	if len(s.Traces) != maxTraces || s.Traces[0] != trace(0) || s.Traces[15] != trace(15) {
		t.Errorf("the traces are %q; want the first %d", s.Traces, maxTraces)
	}
	if k.Partition != 2 || k.Waited < 0 || k.Waited > time.Minute {
		t.Errorf("taken: %+v", k)
	}
}
