package tracing

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"penstock/pipeline"
	"penstock/tiering"
	"penstock/transport"
)

var rewrite = flag.Bool("rewrite", false, "write what is got into the golden files; read the difference before you keep it")

var begin = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const sampled, unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

// recorded returns a tracer whose spans are kept here, and tells the time by now.
func recorded(ratio float64, now *time.Time) (*Tracer, *tracetest.InMemoryExporter) {
	to := tracetest.NewInMemoryExporter()
	return &Tracer{provider: sdk.NewTracerProvider(sdk.WithSyncer(to), sdk.WithSampler(sampler(ratio))), now: func() time.Time { return *now }}, to
}

// stored is a batch with its way.
func stored(id string, traces ...string) pipeline.Stored {
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	return pipeline.Stored{
		Batch: id, Lane: 1, Cause: pipeline.SealedByAge, Rows: 105, Shares: []pipeline.Share{{Partition: 3, First: 890, Next: 990}, {Partition: 4, First: 7, Next: 12}},
		Oldest: at(-300 * time.Millisecond).UnixMilli(), Opened: at(0), Sealed: at(200 * time.Millisecond), Declared: at(210 * time.Millisecond), Done: at(400 * time.Millisecond), Traces: traces,
	}
}

func draw(spans tracetest.SpanStubs, times bool) string {
	var out strings.Builder
	var below func(parent trace.SpanID, indent string)
	below = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent {
				continue
			}
			took := ""
			if times {
				took = fmt.Sprintf(" %v to %v", s.StartTime.Sub(begin), s.EndTime.Sub(begin))
			}
			fmt.Fprintf(&out, "%s%s%s %s %s\n", indent, s.Name, took, s.SpanKind, strings.TrimSpace(s.Status.Code.String()+" "+s.Status.Description))
			for _, a := range s.Attributes {
				fmt.Fprintf(&out, "%s    %s=%v\n", indent, a.Key, a.Value.String())
			}
			for _, l := range s.Links {
				fmt.Fprintf(&out, "%s    link %s-%s\n", indent, l.SpanContext.TraceID(), l.SpanContext.SpanID())
			}
			for _, e := range s.Events {
				fmt.Fprintf(&out, "%s    event %s %v\n", indent, e.Name, e.Attributes)
			}
			below(s.SpanContext.SpanID(), indent+"  ")
		}
	}
	below(trace.SpanID{}, "")
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("got:\n%s\nwant, from %s (%v):\n%s", got, path, err, want)
	}
}

// A batch's spans: its way, the inserts below the last of it, of late days and of
// what was stored under another id too, and links to the traces of its records.
func TestBatch(t *testing.T) {
	now := begin
	tracer, spans := recorded(0, &now)
	e := tracer.PipelineEvents("fleet")
	e.Sealed(pipeline.Sealed{Batch: "run-1-7"})
	now = begin.Add(330 * time.Millisecond)
	e.Inserted(pipeline.Inserted{Batch: "run-1-7", Day: 20_787, Rows: 100, Bytes: 40_000, Attempts: 2, Took: 110 * time.Millisecond})
	now = begin.Add(400 * time.Millisecond)
	e.Inserted(pipeline.Inserted{Batch: "run-1-7.1", Day: 20_786, Rows: 5, Bytes: 2000, Attempts: 1, Found: true, Took: 60 * time.Millisecond})
	e.Inserted(pipeline.Inserted{Batch: "another-0-9", Day: 20_786, Rows: 1}) // a settlement's
	e.Stored(stored("run-1-7.1", sampled, "00-zz-zz-01"))
	golden(t, "batch.txt", draw(spans.GetSpans(), true))
}

// What is traced: batches with records of sampled traces, and a share of the rest.
func TestSampling(t *testing.T) {
	f := func(ratio float64, want int, traces ...string) {
		t.Helper()
		tracer, spans := recorded(ratio, &begin)
		tracer.PipelineEvents("fleet").Stored(stored("run-1-7", traces...))
		if got := len(spans.GetSpans()); got != want {
			t.Errorf("%v of batches, one with %q: %d spans, want %d", ratio, traces, got, want)
		}
	}
	f(0, 0)
	f(0, 0, unsampled)
	f(0, 4, unsampled, sampled)
	f(1, 4)
}

// What a node had in flight when it was in doubt is never told of again, and is
// not kept.
func TestDoubtForgets(t *testing.T) {
	tracer, spans := recorded(1, &begin)
	e := tracer.PipelineEvents("fleet")
	e.Sealed(pipeline.Sealed{Batch: "run-1-7"})
	e.Inserted(pipeline.Inserted{Batch: "run-1-7"})
	e.Doubted(nil)
	e.Stored(stored("run-1-7"))
	if n := len(spans.GetSpans()); n != 4 {
		t.Errorf("%d spans; want the batch and its way without an insert", n)
	}
}

func TestSteps(t *testing.T) {
	tracer, spans := recorded(1, &begin)
	e := tracer.TieringEvents("telemetry")
	step := tiering.Step{Day: 20_700, Action: tiering.Export, Generation: 2}
	e.Begun(step)
	e.FileStored(step.Day, tiering.File{Path: "day=2026-09-04/1.parquet", Rows: 990, Bytes: 65_000})
	e.FileRead(step.Day, tiering.File{Path: "day=2026-09-04/1.parquet", Rows: 990, Bytes: 65_000})
	e.FileRead(20_600, tiering.File{Path: "day=2026-05-27/1.parquet"}) // verify, of a day with no step
	e.Done(step, time.Minute)
	step.Action = tiering.Expire
	e.Begun(step)
	e.Failed(step, errors.New("bucket cold: access denied"))
	e.Failed(step, errors.New("again")) // one that had not begun
	golden(t, "steps.txt", draw(spans.GetSpans(), false))
}

// fails fails the test with whatever is written to it.
type fails struct{ t *testing.T }

func (f fails) Write(text []byte) (int, error) {
	f.t.Errorf("it logs %s", text)
	return len(text), nil
}

// A collector gets them, with the token; without one nothing is traced.
func TestCollector(t *testing.T) {
	got := make(chan *collector.ExportTraceServiceRequest, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(body)
		request := new(collector.ExportTraceServiceRequest)
		if err := errors.Join(err, proto.Unmarshal(text, request)); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer open sesame" {
			t.Errorf("%s with %q: %v", r.URL, r.Header, err)
		}
		got <- request
	}))
	defer server.Close()
	f := func(cfg Config) *Tracer {
		t.Helper()
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		tracer, err := Open(t.Context(), cfg, "penstock-ingest", slog.New(slog.NewTextHandler(fails{t}, nil)))
		if err != nil {
			t.Fatal(err)
		}
		return tracer
	}
	none := f(Default())
	if e := none.PipelineEvents("fleet"); e.Stored != nil || none.TieringEvents("telemetry").Begun != nil || none.Close() != nil {
		t.Error("without an endpoint something is traced")
	}
	tracer := f(Config{Endpoint: server.URL, Token: transport.NewSecret("open sesame"), Ratio: 1})
	tracer.PipelineEvents("fleet").Stored(stored("run-1-7"))
	if err := tracer.Close(); err != nil {
		t.Error(err)
	}
	r := (<-got).GetResourceSpans()[0]
	if n := len(r.GetScopeSpans()[0].GetSpans()); n != 4 || !strings.Contains(r.GetResource().String(), "penstock-ingest") {
		t.Errorf("the collector got %d spans of %v", n, r.GetResource())
	}
}

func TestConfig(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", cfg, err, want)
		}
	}
	f(Config{Endpoint: "localhost:4318"}, `traces.endpoint is "localhost:4318"; want the URL`)
	f(Config{Endpoint: "grpc://localhost:4317"}, "want the URL")
	f(Config{Ratio: 2}, "traces.ratio is 2")
	f(Config{Token: transport.SecretFile("/nowhere/token")}, "traces.token_file cannot be used")
}
