package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans and has them sent. The zero value makes none.
type Tracer struct {
	provider *sdk.TracerProvider // nil for no spans
	now      func() time.Time
}

// closeTimeout is what the last spans may take to be sent.
const closeTimeout = 2 * time.Second

// Open returns a tracer for the program of that name. A collector that is away
// keeps nothing waiting: spans are dropped past a bound, and the log says so from
// time to time, and why.
func Open(ctx context.Context, cfg Config, program string, log *slog.Logger) (*Tracer, error) {
	if cfg.Endpoint == "" {
		return &Tracer{}, nil
	}
	opts := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(cfg.url()), otlptracehttp.WithCompression(otlptracehttp.GzipCompression)}
	if cfg.Token.Given() {
		token, err := cfg.Token.Reveal()
		if err != nil {
			return nil, fmt.Errorf("traces.token: %w", err)
		}
		opts = append(opts, otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + token}))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("traces.endpoint %s: %w", cfg.Endpoint, err)
	}
	// OTEL_RESOURCE_ATTRIBUTES has what an installation says of its programs.
	of, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(attribute.String("service.name", program)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("what traces say of this program: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the library has one for the whole process
		log.Warn("traces were not sent; if it lasts check traces.endpoint", "error", err)
	}))
	return &Tracer{
		provider: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(of), sdk.WithSampler(sampler(cfg.Ratio))),
		now:      time.Now,
	}, nil
}

// sampler takes what records of sampled traces are in, and a share of the rest; and
// of a span all that is below it.
func sampler(ratio float64) sdk.Sampler { return sdk.ParentBased(linked{sdk.TraceIDRatioBased(ratio)}) }

// linked takes what has a link that is sampled, and leaves the rest to another.
type linked struct{ rest sdk.Sampler }

// ShouldSample implements [sdk.Sampler].
func (l linked) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	for _, link := range p.Links {
		if link.SpanContext.IsSampled() {
			return sdk.SamplingResult{Decision: sdk.RecordAndSample, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
		}
	}
	return l.rest.ShouldSample(p)
}

// Description implements [sdk.Sampler].
func (l linked) Description() string { return "linked or " + l.rest.Description() }

// Close sends what is left, for at most two seconds.
func (t *Tracer) Close() error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("the last spans were not sent: %w", err)
	}
	return nil
}

func (t *Tracer) tracer() trace.Tracer { return t.provider.Tracer("penstock") }
