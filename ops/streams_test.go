package ops

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
)

// Two streams register the same metrics, and whoever looks at a node is told
// which of them is behind, or not ready.
func TestStreamsAreToldApart(t *testing.T) {
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	trucks, meters := NewStream("trucks", Default(), reg, log), NewStream("meters", Default(), reg, log)
	events := trucks.PipelineEvents(pipeline.Default())
	events.Assigned([]int32{3})
	events.Settled(pipeline.Settled{Partition: 3})
	meters.PipelineEvents(pipeline.Default())
	both := Streams{trucks, meters}

	if got := both.Problems(); len(got) != 1 || !strings.HasPrefix(got[0], "stream meters: no partition is assigned") {
		t.Errorf("the problems are %q", got)
	}
	page := both.String()
	if first, second, ok := strings.Cut(page, "\nstream meters\n\n"); !ok || !strings.HasPrefix(first, "stream trucks\n\n") ||
		strings.Count(page, "caught up in:") != 2 || !strings.Contains(first, " 3          0") || strings.Contains(second, " 3          0") {
		t.Errorf("the page is\n%s", page)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "penstock_ingest_assigned_partitions" {
			continue
		}
		got := map[string]float64{}
		for _, m := range f.GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
		if len(got) != 2 || got["trucks"] != 1 || got["meters"] != 0 {
			t.Errorf("assigned partitions are %v", got)
		}
	}
}
