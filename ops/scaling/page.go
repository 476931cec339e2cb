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

// sample is what a node's page of metrics says of a stream at one moment.
type sample struct {
	at time.Time
	// began is the process's start as Unix time: counters begin anew with it.
	began float64
	cores float64

	// Ever: records of sealed batches, CPU seconds of the process, inserts that
	// were acknowledged and the seconds they took.
	records, cpu, inserts, insertSeconds float64

	breakerOpen bool
	pausedLanes float64
	assigned    int                // partitions that the node owns
	partitions  map[int32]position // those of them of which it has read something
}

// position is where a node stands in a partition.
type position struct {
	high   float64
	lag    int64
	gap    int64 // of it, where the partition is read at its head too
	behind time.Duration
}

// page is a node's page of metrics.
type page map[string]*dto.MetricFamily

const prefix = "penstock_ingest_"

// read reads a node's page.
func read(text io.Reader, at time.Time) (sample, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return sample{}, fmt.Errorf("what it answered is no page of metrics: %w", err)
	}
	p := page(families)
	if err := p.ours(); err != nil {
		return sample{}, err
	}
	s := sample{
		at: at, began: p.total("process_start_time_seconds"), cores: p.total("go_sched_gomaxprocs_threads"), cpu: p.total("process_cpu_seconds_total"),
		records: p.total(prefix + "sealed_records_total"), pausedLanes: p.total(prefix + "paused_lanes"),
		breakerOpen: p.total(prefix+"breaker_open") > 0, assigned: int(p.total(prefix + "assigned_partitions")), partitions: map[int32]position{},
	}
	if s.began == 0 || s.cores == 0 {
		return sample{}, fmt.Errorf("its page has no process_start_time_seconds or go_sched_gomaxprocs_threads; is it a node of ours?")
	}
	for _, m := range p.of("insert_duration_seconds") {
		s.inserts += float64(m.GetHistogram().GetSampleCount())
		s.insertSeconds += m.GetHistogram().GetSampleSum()
	}
	for name, set := range map[string]func(*position, float64){
		"high_watermark": func(at *position, v float64) { at.high = v },
		"lag_records":    func(at *position, v float64) { at.lag = int64(v) },
		"lag_seconds":    func(at *position, v float64) { at.behind = time.Duration(v * float64(time.Second)) },
		"gap_records":    func(at *position, v float64) { at.gap = int64(v) },
	} {
		for _, m := range p.of(name) {
			id, err := strconv.ParseInt(label(m, "partition"), 10, 32)
			if err != nil {
				return sample{}, fmt.Errorf("%s%s is of partition %q", prefix, name, label(m, "partition"))
			}
			at := s.partitions[int32(id)]
			set(&at, value(m))
			s.partitions[int32(id)] = at
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
