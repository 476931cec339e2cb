package intent

import (
	"fmt"
	"testing"
)

// BenchmarkCommit is what one commit of a busy lane costs before Kafka: eight
// partitions with four batches in flight, one stored and one declared, what is
// due, its text, and, as for an assignment, the text read again. A lane commits
// once a batch, about twice a second.
func BenchmarkCommit(b *testing.B) {
	const partitions, inFlight = 8, 4
	l := NewLedger()
	batch := func(i int) Batch {
		spans := map[int32]Span{}
		for p := range int32(partitions) {
			spans[p] = Span{Shard: "east-1", First: 1e9 + 5000*int64(i), Next: 1e9 + 5000*int64(i+1)}
		}
		return Batch{ID: fmt.Sprintf("r7f3a-2-%d", i), At: 1795544815, Spans: spans}
	}
	for p := range int32(partitions) {
		l.Begin(p, State{Offset: 1e9}, 1e9)
	}
	for i := range inFlight {
		l.Declare(batch(i))
	}
	l.Committed(l.Due())
	size := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Stored(fmt.Sprintf("r7f3a-2-%d", i))
		l.Declare(batch(i + inFlight))
		due := l.Due()
		for _, s := range due {
			text := s.Metadata()
			if _, err := Parse(s.Offset, text); err != nil {
				b.Fatal(err)
			}
			size = len(text)
		}
		l.Committed(due)
	}
	b.ReportMetric(float64(size), "B/partition")
}
