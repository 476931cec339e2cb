package pipeline

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// What a node writes of a record is read back as that record, whatever headers
// it brought.
func TestALetterIsReadAsItWasWritten(t *testing.T) {
	d := deadLetters{topic: "telemetry.dead", schema: schema.Telemetry}
	at := time.UnixMilli(1_700_000_000_123)
	f := func(name string, headers ...kgo.RecordHeader) {
		t.Helper()
		in := &kgo.Record{Topic: "telemetry", Partition: 3, Offset: 1 << 40, Timestamp: at, Key: []byte("key"), Value: []byte("\x00{"), Headers: headers}
		written := d.letter(whole(in, &schema.Rejection{Reason: schema.ReasonMalformed, Detail: "it ends"}))
		written.Timestamp = at.Add(time.Second)
		l, err := ParseLetter(written)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out := l.Record
		if out.Topic != in.Topic || out.Partition != in.Partition || out.Offset != in.Offset || !out.Timestamp.Equal(in.Timestamp) ||
			!bytes.Equal(out.Key, in.Key) || !bytes.Equal(out.Value, in.Value) || !slices.EqualFunc(out.Headers, in.Headers, func(a, b kgo.RecordHeader) bool {
			return a.Key == b.Key && bytes.Equal(a.Value, b.Value)
		}) {
			t.Errorf("%s: read %+v, want %+v", name, out, in)
		}
		if l.Reason != schema.ReasonMalformed || l.Detail != "it ends" || l.Schema != "telemetry/1" || l.CutFrom != 0 || !l.At.Equal(at.Add(time.Second)) {
			t.Errorf("%s: read %+v", name, l)
		}
	}
	f("no headers")
	f("headers", header("tenant", "a"), header("tenant", "b"))
	f("headers that name another record", header(HeaderOffset, "1"), header(HeaderReason, "empty"), header("tenant", "a"))

	in := &kgo.Record{Topic: "telemetry", Timestamp: at, Value: make([]byte, truncated+1), Headers: []kgo.RecordHeader{header("tenant", "a")}}
	written := d.letter(whole(in, &schema.Rejection{Reason: schema.ReasonTooLarge}))
	if !truncate(written) {
		t.Fatal("nothing to cut")
	}
	if l, err := ParseLetter(written); err != nil || l.CutFrom != truncated+1+len("tenant")+1 || len(l.Record.Headers) != 0 {
		t.Errorf("of a letter that was cut %+v, %v", l, err)
	}
}

func TestWhatIsNoLetter(t *testing.T) {
	good := func() []kgo.RecordHeader {
		return []kgo.RecordHeader{header(HeaderTopic, "telemetry"), header(HeaderPartition, "1"), header(HeaderOffset, "2"), header(HeaderTimestamp, "2026-11-22T13:00:00.000Z")}
	}
	if _, err := ParseLetter(&kgo.Record{Headers: good()}); err != nil {
		t.Fatal(err)
	}
	f := func(name string, change func(h []kgo.RecordHeader) []kgo.RecordHeader, want string) {
		t.Helper()
		_, err := ParseLetter(&kgo.Record{Topic: "telemetry.dead", Partition: 4, Offset: 5, Headers: change(good())})
		if !errors.Is(err, ErrNoLetter) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "telemetry.dead p4@5") {
			t.Errorf("%s: %v; want it to say %q", name, err, want)
		}
	}
	f("no headers", func([]kgo.RecordHeader) []kgo.RecordHeader { return nil }, "parsing")
	f("no topic", func(h []kgo.RecordHeader) []kgo.RecordHeader { return h[1:] }, "no header penstock-topic")
	f("a partition of another kind", func(h []kgo.RecordHeader) []kgo.RecordHeader { h[1].Value = []byte("one"); return h }, `"one"`)
	f("no time", func(h []kgo.RecordHeader) []kgo.RecordHeader { return h[:3] }, "parsing time")
	f("cut from nothing", func(h []kgo.RecordHeader) []kgo.RecordHeader { return append(h, header(HeaderTruncated, "")) }, "parsing")
	f("another header first", func(h []kgo.RecordHeader) []kgo.RecordHeader {
		return append([]kgo.RecordHeader{header("tenant", "a")}, h...)
	}, "parsing")
}

// Whenever a letter is read, its record came at the same time.
func TestWhenTheRecordOfALetterCame(t *testing.T) {
	dead := time.UnixMilli(1_700_000_000_000)
	f := func(name string, stamp, want time.Time) {
		t.Helper()
		if got := (Letter{Record: &kgo.Record{Timestamp: stamp}, At: dead}).arrival(); got != want.UnixMilli() {
			t.Errorf("%s: %v, want %v", name, time.UnixMilli(got), want)
		}
	}
	f("as Kafka says", dead.Add(-time.Hour), dead.Add(-time.Hour))
	f("by a clock that is a little ahead", dead.Add(time.Second), dead.Add(time.Second))
	f("yet to come", dead.Add(time.Hour), dead)
	f("never", time.UnixMilli(-1), dead)
}
