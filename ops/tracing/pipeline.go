package tracing

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"penstock/pipeline"
)

// batches are the inserts of batches that are on their way.
type batches struct {
	tracer trace.Tracer
	now    func() time.Time
	stream attribute.KeyValue

	mu      sync.Mutex          // guards what follows
	inserts map[string][]insert // by batch; those of others, of settlements, are of no span
}

// insert is one that was acknowledged.
type insert struct {
	pipeline.Inserted
	ended time.Time
}

// PipelineEvents returns the hooks that make spans of a stream's batches.
func (t *Tracer) PipelineEvents(stream string) pipeline.Events {
	if t.provider == nil {
		return pipeline.Events{}
	}
	b := &batches{tracer: t.tracer(), now: t.now, stream: attribute.String("penstock.stream", stream), inserts: map[string][]insert{}}
	return pipeline.Events{
		Sealed:   func(s pipeline.Sealed) { b.update(func() { b.inserts[s.Batch] = nil }) },
		Inserted: b.inserted,
		Stored:   b.stored,
		// What was in flight is settled by whoever is next, and never stored as itself.
		Doubted: func(error) { b.update(func() { clear(b.inserts) }) },
	}
}

func (b *batches) update(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *batches) inserted(i pipeline.Inserted) {
	now := b.now()
	b.update(func() {
		// What is left of a batch is stored under its id with a number behind it.
		id, _, _ := strings.Cut(i.Batch, ".")
		if before, ours := b.inserts[id]; ours {
			b.inserts[id] = append(before, insert{i, now})
		}
	})
}

// stored makes the spans of a batch.
func (b *batches) stored(s pipeline.Stored) {
	var inserts []insert
	b.update(func() {
		id, _, _ := strings.Cut(s.Batch, ".")
		inserts = b.inserts[id]
		delete(b.inserts, id)
	})
	partitions := make([]string, len(s.Shares))
	for i, p := range s.Shares {
		partitions[i] = fmt.Sprintf("%d[%d,%d)", p.Partition, p.First, p.Next)
	}
	ctx, batch := b.tracer.Start(context.Background(), "batch", trace.WithTimestamp(s.Opened), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links(s.Traces)...),
		trace.WithAttributes(b.stream, attribute.String("messaging.system", "kafka"), attribute.String("penstock.batch", s.Batch), attribute.Int("penstock.lane", s.Lane),
			attribute.String("penstock.cause", string(s.Cause)), attribute.Int("penstock.rows", s.Rows), attribute.StringSlice("penstock.partitions", partitions),
			attribute.Float64("penstock.oldest_seconds", s.Done.Sub(time.UnixMilli(s.Oldest)).Seconds())))
	b.step(ctx, "fill", s.Opened, s.Sealed)
	b.step(ctx, "declare", s.Sealed, s.Declared)
	storing := b.step(ctx, "store", s.Declared, s.Done)
	for _, i := range inserts {
		_, span := b.tracer.Start(storing, "insert", trace.WithTimestamp(i.ended.Add(-i.Took)), trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attribute.String("db.system.name", "clickhouse"), attribute.String("penstock.token", i.Batch), attribute.String("penstock.day", i.Day.String()),
				attribute.Int("penstock.rows", i.Rows), attribute.Int("penstock.bytes", i.Bytes), attribute.Int("penstock.attempts", i.Attempts), attribute.Bool("penstock.found", i.Found)))
		span.End(trace.WithTimestamp(i.ended))
	}
	batch.End(trace.WithTimestamp(s.Done))
}

// step makes a span of a part of the way, and returns the context of what is below it.
func (b *batches) step(ctx context.Context, name string, from, to time.Time) context.Context {
	ctx, span := b.tracer.Start(ctx, name, trace.WithTimestamp(from))
	span.End(trace.WithTimestamp(to))
	return ctx
}

// links returns links to the traces; one that is none is left out: it came from
// outside, and is nothing to fail by.
func links(traceparents []string) []trace.Link {
	all := make([]trace.Link, 0, len(traceparents))
	for _, traceparent := range traceparents {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
		if of := trace.SpanContextFromContext(ctx); of.IsValid() {
			all = append(all, trace.Link{SpanContext: of})
		}
	}
	return all
}
