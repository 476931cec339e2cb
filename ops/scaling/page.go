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
	partitions  map[int32]position // those the node owns
}

// position is where a node stands in a partition.
type position struct {
	high   float64
	lag    int64
	behind time.Duration
}

// page is a node's page of metrics, as it is about one stream.
type page struct {
	families map[string]*dto.MetricFamily
	stream   string
}

const prefix = "penstock_ingest_"

// read reads a node's page. Without a name of a stream it is whichever there is.
func read(text io.Reader, stream string, at time.Time) (sample, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return sample{}, fmt.Errorf("what it answered is no page of metrics: %w", err)
	}
	p := page{families, stream}
	if err := p.choose(); err != nil {
		return sample{}, err
	}
	s := sample{
		at: at, began: p.total("process_start_time_seconds"), cores: p.total("go_sched_gomaxprocs_threads"), cpu: p.total("process_cpu_seconds_total"),
		records: p.total(prefix + "sealed_records_total"), pausedLanes: p.total(prefix + "paused_lanes"),
		breakerOpen: p.total(prefix+"breaker_open") > 0, partitions: map[int32]position{},
	}
	if s.began == 0 || s.cores == 0 {
		return sample{}, fmt.Errorf("its page has no process_start_time_seconds or go_sched_gomaxprocs_threads; is it a node of ours?")
	}
	for _, m := range p.of(prefix + "insert_duration_seconds") {
		s.inserts += float64(m.GetHistogram().GetSampleCount())
		s.insertSeconds += m.GetHistogram().GetSampleSum()
	}
	for name, set := range map[string]func(*position, float64){
		"high_watermark": func(at *position, v float64) { at.high = v },
		"lag_records":    func(at *position, v float64) { at.lag = int64(v) },
		"lag_seconds":    func(at *position, v float64) { at.behind = time.Duration(v * float64(time.Second)) },
	} {
		for _, m := range p.of(prefix + name) {
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

// choose makes sure that the page is about the stream, or names the only one.
func (p *page) choose() error {
	names := map[string]bool{}
	for _, m := range p.families[prefix+"assigned_partitions"].GetMetric() {
		names[label(m, "stream")] = true
	}
	there := slices.Sorted(maps.Keys(names))
	switch {
	case p.stream == "" && len(there) == 1:
		p.stream = there[0]
		return nil
	case names[p.stream]:
		return nil
	case len(there) == 0:
		return fmt.Errorf("its page has no %sassigned_partitions; is it a node of ours?", prefix)
	case p.stream == "":
		return fmt.Errorf("it has several streams, of which each group is scaled by itself; name one with --stream: %s", strings.Join(there, ", "))
	}
	return fmt.Errorf("it has no stream %q; there are %s", p.stream, strings.Join(there, ", "))
}

// of returns the metrics of a family that are the stream's, or the process's.
func (p *page) of(family string) (all []*dto.Metric) {
	for _, m := range p.families[family].GetMetric() {
		if !strings.HasPrefix(family, prefix) || label(m, "stream") == p.stream {
			all = append(all, m)
		}
	}
	return all
}

// total adds up a family's counters and gauges.
func (p *page) total(family string) (sum float64) {
	for _, m := range p.of(family) {
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
