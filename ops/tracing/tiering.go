package tracing

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"penstock/schema"
	"penstock/tiering"
)

// steps are the spans of steps that have begun.
type steps struct {
	tracer trace.Tracer
	table  attribute.KeyValue

	mu    sync.Mutex // guards what follows
	spans map[schema.Day]trace.Span
}

// TieringEvents returns the hooks that make a span of each step of a table's days,
// with an event for each file that is stored or read back.
func (t *Tracer) TieringEvents(table string) tiering.Events {
	if t.provider == nil {
		return tiering.Events{}
	}
	s := &steps{tracer: t.tracer(), table: attribute.String("penstock.table", table), spans: map[schema.Day]trace.Span{}}
	return tiering.Events{
		Begun:      s.begin,
		Done:       func(step tiering.Step, _ time.Duration) { s.end(step, nil) },
		Failed:     s.end,
		FileStored: func(day schema.Day, f tiering.File) { s.tell(day, "file stored", f) },
		FileRead:   func(day schema.Day, f tiering.File) { s.tell(day, "file read back", f) },
	}
}

func (s *steps) begin(step tiering.Step) {
	_, span := s.tracer.Start(context.Background(), string(step.Action), trace.WithAttributes(s.table,
		attribute.String("penstock.day", step.Day.String()), attribute.Int("penstock.generation", step.Generation)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans[step.Day] = span // a day has one step at a time
}

func (s *steps) end(step tiering.Step, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	span, begun := s.spans[step.Day]
	if !begun {
		return
	}
	delete(s.spans, step.Day)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, "the step failed; both copies of the day stay")
	}
	span.End()
}

// tell adds what became of a file to the day's step. A file that is read without
// one, by "compactor verify", is of no span.
func (s *steps) tell(day schema.Day, what string, f tiering.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if span, begun := s.spans[day]; begun {
		span.AddEvent(what, trace.WithAttributes(attribute.String("penstock.file", f.Path),
			attribute.Int64("penstock.rows", int64(f.Rows)), //nolint:gosec // of one file
			attribute.Int64("penstock.bytes", f.Bytes)))
	}
}
