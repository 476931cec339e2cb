package ops

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"penstock/pipeline"
)

// TestPipelineMetrics tells a node's story and shows after each event the
// series that it moved; at the end, everything.
func TestPipelineMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	cfg := pipeline.Default()
	cfg.Memory = 384 << 20 // its default follows the machine
	lag, _ := lagAt(storyTime)
	golden(t, "metrics_pipeline.txt", tell(t, reg, pipelineStory(Tee(lag.PipelineEvents(), NewMetrics(reg).PipelineEvents(cfg, lag)))))
}

func TestTieringMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	golden(t, "metrics_tiering.txt", tell(t, reg, tieringStory(NewMetrics(reg).TieringEvents())))
}

func tell(t *testing.T, reg *prometheus.Registry, story []event) string {
	t.Helper()
	var b strings.Builder
	had := exposition(t, reg)
	for _, e := range story {
		e.call()
		has := exposition(t, reg)
		fmt.Fprintf(&b, "%s\n", e.hook)
		moved := false
		for _, line := range has {
			if !slices.Contains(had, line) && !strings.HasPrefix(line, "#") && !strings.Contains(line, "_bucket{") {
				fmt.Fprintf(&b, "  %s\n", line)
				moved = true
			}
		}
		for _, line := range had {
			series, _, _ := strings.Cut(line, " ")
			gone := !slices.ContainsFunc(has, func(l string) bool { return strings.HasPrefix(l, series+" ") })
			if gone && !strings.HasPrefix(line, "#") {
				fmt.Fprintf(&b, "  no more %s\n", series)
				moved = true
			}
		}
		if !moved && e.hook != "Confirmed" { // see pipelineStory
			t.Errorf("%s moved no metric", e.hook)
		}
		had = has
	}
	return b.String() + "\n" + strings.Join(had, "\n") + "\n"
}

// exposition returns what Prometheus would be served, without the runtime's
// and the process's own.
func exposition(t *testing.T, reg *prometheus.Registry) []string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	resident := false
	for _, f := range families {
		resident = resident || f.GetName() == "process_resident_memory_bytes"
		if !strings.HasPrefix(f.GetName(), "penstock_") {
			continue
		}
		for _, m := range f.GetMetric() {
			// Lateness is counted by the batch, in buckets that are fixed.
			if h := m.GetHistogram(); h != nil && h.Schema == nil && f.GetName() != "penstock_ingest_event_lateness_seconds" {
				t.Errorf("%s is no native histogram", f.GetName())
			}
		}
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	if !resident && runtime.GOOS == "linux" { // elsewhere it takes cgo
		t.Error("process_resident_memory_bytes is missing, to compare the budget with")
	}
	return strings.Split(strings.TrimSpace(text.String()), "\n")
}
