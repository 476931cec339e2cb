package ops

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"penstock/pipeline"
	"penstock/schema"
	"penstock/tiering"
)

// journal is a log without times, which are of the day the test runs.
func journal(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}})), &b
}

func TestLog(t *testing.T) {
	f := func(name string, level slog.Level, story func(*slog.Logger) []event) {
		t.Helper()
		log, written := journal(level)
		for _, e := range story(log) {
			e.call()
		}
		golden(t, name, written.String())
	}
	pipelines := func(log *slog.Logger) []event { return pipelineStory(LogPipeline(log)) }
	f("log_pipeline_info.txt", slog.LevelInfo, pipelines)
	f("log_pipeline_debug.txt", slog.LevelDebug, pipelines)
	f("log_tiering_debug.txt", slog.LevelDebug, func(log *slog.Logger) []event {
		e := LogTiering(log)
		if e.Failed != nil {
			t.Error("a failed step is logged and returned")
		}
		e.Failed = func(_ tiering.Step, _ error) {}
		return tieringStory(e)
	})
}

// TestRejectsAreSparse: of a fleet that sends nothing but rubbish a few lines
// are shown, every line not shown is counted, and after the last reject the
// next batch tells of the rest.
func TestRejectsAreSparse(t *testing.T) {
	log, written := journal(slog.LevelInfo)
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	e := logPipeline(log, func() time.Time { return now })
	reject := func(n int) {
		for range n {
			e.Rejected(pipeline.Rejected{Partition: 1, Offset: 5, Rejection: &schema.Rejection{Reason: schema.ReasonEmpty, Detail: "no value"}})
		}
	}
	step := func(what string, do func(), want ...string) {
		t.Helper()
		written.Reset()
		do()
		var got []string
		for line := range strings.Lines(written.String()) {
			_, count, _ := strings.Cut(strings.TrimSpace(line), "not_shown=")
			got = append(got, count)
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: lines with not_shown %q, want %q", what, got, want)
		}
	}
	step("batches without rejects", func() {
		for range 2 * sparseBurst {
			e.Sealed(pipeline.Sealed{})
		}
	})
	step("a burst", func() { reject(sparseBurst) }, make([]string, sparseBurst)...)
	step("more at once", func() { reject(1000) })
	step("a batch at once", func() { e.Sealed(pipeline.Sealed{}) })
	now = now.Add(sparseInterval)
	step("one later", func() { reject(1) }, "1000")
	step("more", func() { reject(7) })
	now = now.Add(sparseInterval)
	step("the next batch", func() { e.Sealed(pipeline.Sealed{}) }, "7")
	now = now.Add(sparseInterval)
	step("and then nothing", func() { e.Sealed(pipeline.Sealed{}) })
}

func TestLogConfig(t *testing.T) {
	var b bytes.Buffer
	LogConfig{Level: slog.LevelWarn, Format: "json"}.New(&b).Info("hidden")
	if b.Len() > 0 {
		t.Errorf("below its level it wrote %s", &b)
	}
	DefaultLog().New(&b).Info("shown")
	if !strings.Contains(b.String(), "level=INFO msg=shown") {
		t.Errorf("as text it wrote %s", &b)
	}
	b.Reset()
	LogConfig{Format: "json"}.New(&b).Info("shown")
	if !strings.Contains(b.String(), `"msg":"shown"`) {
		t.Errorf("as json it wrote %s", &b)
	}
}
