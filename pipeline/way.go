package pipeline

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// way is when a batch came where; see [Stored].
type way struct {
	cause  SealCause
	oldest int64 // 0 while it has no record
	traces []string

	opened, sealed, declared time.Time
}

// maxTraces bounds the traceparents of a batch. A batch of 100,000 records has
// more of them than anybody looks at.
const maxTraces = 16

// add takes note of records that are about to be decoded. It asks the first when
// it came to Kafka: within a partition they come in order, or nearly.
func (w *way) add(records []*kgo.Record, now time.Time) {
	if len(records) == 0 {
		return
	}
	if at := arrival(records[0], now); w.oldest == 0 || at < w.oldest {
		w.oldest = at
	}
	for _, r := range records {
		for _, h := range r.Headers {
			if len(w.traces) < maxTraces && h.Key == "traceparent" && isSampled(h.Value) {
				w.traces = append(w.traces, string(h.Value))
			}
		}
	}
}

// isSampled says whether a W3C traceparent, "00-<trace id>-<parent id>-<flags>", has
// the flag of that name. The rest of it is for who knows the format.
func isSampled(traceparent []byte) bool {
	const length, flags = 55, 54
	if len(traceparent) != length {
		return false
	}
	switch traceparent[flags] {
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return true
	}
	return false
}

// stored tells of the batch, which is stored by now.
func (b *batch) stored(lane int, now time.Time) Stored {
	s := Stored{
		Batch: b.id, Lane: lane, Cause: b.way.cause, Rows: b.rows, Oldest: b.way.oldest,
		Opened: b.way.opened, Sealed: b.way.sealed, Declared: b.way.declared, Done: now, Traces: b.way.traces,
	}
	for _, p := range slices.Sorted(maps.Keys(b.spans)) {
		s.Shares = append(s.Shares, Share{Partition: p, First: b.spans[p].first, Next: b.spans[p].next})
	}
	return s
}
