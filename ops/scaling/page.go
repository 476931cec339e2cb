package scaling

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Sample is what a node's page of metrics says of a stream at one moment.
type Sample struct {
	At time.Time
	// Began is the process's start as Unix time: counters begin anew with it.
	Began float64
	Cores float64

	// Ever: records of sealed batches, CPU seconds of the process, inserts that
	// were acknowledged and the seconds they took.
	Records, CPU, Inserts, InsertSeconds float64

	BreakerOpen bool
	PausedLanes float64
	Assigned    int                // partitions that the node owns
	Partitions  map[int32]Position // those of them of which it has read something
}

// Position is where a node stands in a partition.
type Position struct {
	High   float64
	Lag    int64
	Gap    int64 // of it, where the partition is read at its head too
	Behind time.Duration
}

// page is a node's page of metrics.
type page map[string]*dto.MetricFamily

const prefix = "penstock_ingest_"

// read reads a node's page.
func read(text io.Reader, at time.Time) (Sample, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return Sample{}, fmt.Errorf("what it answered is no page of metrics: %w", err)
	}
	p := page(families)
	if err := p.ours(); err != nil {
		return Sample{}, err
	}
	s := Sample{
		At: at, Began: p.total("process_start_time_seconds"), Cores: p.total("go_sched_gomaxprocs_threads"), CPU: p.total("process_cpu_seconds_total"),
		Records: p.total(prefix + "sealed_records_total"), PausedLanes: p.total(prefix + "paused_lanes"),
		BreakerOpen: p.total(prefix+"breaker_open") > 0, Assigned: int(p.total(prefix + "assigned_partitions")), Partitions: map[int32]Position{},
	}
	if s.Began == 0 || s.Cores == 0 {
		return Sample{}, fmt.Errorf("its page has no process_start_time_seconds or go_sched_gomaxprocs_threads; is it a node of ours?")
	}
	for _, m := range p.of("insert_duration_seconds") {
		s.Inserts += float64(m.GetHistogram().GetSampleCount())
		s.InsertSeconds += m.GetHistogram().GetSampleSum()
	}
	for name, set := range map[string]func(*Position, float64){
		"high_watermark": func(at *Position, v float64) { at.High = v },
		"lag_records":    func(at *Position, v float64) { at.Lag = int64(v) },
		"lag_seconds":    func(at *Position, v float64) { at.Behind = time.Duration(v * float64(time.Second)) },
		"gap_records":    func(at *Position, v float64) { at.Gap = int64(v) },
	} {
		for _, m := range p.of(name) {
			id, err := strconv.ParseInt(label(m, "partition"), 10, 32)
			if err != nil {
				return Sample{}, fmt.Errorf("%s%s is of partition %q", prefix, name, label(m, "partition"))
			}
			at := s.Partitions[int32(id)]
			set(&at, value(m))
			s.Partitions[int32(id)] = at
		}
	}
	return s, nil
}

// ours makes sure that it is the page of a node with one stream. Of several, the
// CPU time of the process could not be told apart, nor could each have its number of
// nodes.
func (p page) ours() error {
	streams := map[string]bool{}
	for _, m := range p.of("assigned_partitions") {
		streams[label(m, "stream")] = true
	}
	switch len(streams) {
	case 0:
		return fmt.Errorf("its page has no %sassigned_partitions; is it a node of ours?", prefix)
	case 1:
		return nil
	}
	return fmt.Errorf("it has the streams %s, which share its CPU time and the number of nodes; run nodes of one stream each (--stream) to scale them", strings.Join(slices.Sorted(maps.Keys(streams)), ", "))
}

// of returns the metrics of a node's family.
func (p page) of(family string) []*dto.Metric { return p[prefix+family].GetMetric() }

// total adds up the counters and gauges of a family.
func (p page) total(family string) (sum float64) {
	for _, m := range p[family].GetMetric() {
		sum += value(m)
	}
	return sum
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// value is that of a counter, a gauge or an untyped metric.
func value(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
}
