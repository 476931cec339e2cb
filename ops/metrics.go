package ops

import (
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are a program's Prometheus collectors. Those of the Go runtime and
// of the process (process_resident_memory_bytes among them) are always there;
// those of the ingest node or the compactor once its events are asked for.
type Metrics struct {
	reg prometheus.Registerer
}

// cpuClasses has the runtime tell what its CPU time went to, the garbage
// collector's share above all (go_cpu_classes_*).
var cpuClasses = collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/cpu/classes/")})

// NewMetrics registers the collectors of the runtime, the process and the build,
// by which a rollout that is stuck between two versions is seen. Like all of
// Metrics it panics if one is registered twice.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	reg.MustRegister(collectors.NewGoCollector(cpuClasses), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return &Metrics{reg: reg}
}

// family makes the metrics of one program: their names begin with a prefix.
type family struct {
	reg    prometheus.Registerer
	prefix string
}

func (f family) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: f.prefix + name, Help: help})
	f.reg.MustRegister(c)
	return c
}

// counters makes a counter for each value of a label. Values that are known
// begin at zero: a rate over a series that appears with its first count misses
// that one.
func (f family) counters(name, help, label string, known ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.prefix + name, Help: help}, []string{label})
	for _, value := range known {
		c.WithLabelValues(value)
	}
	f.reg.MustRegister(c)
	return c
}

func (f family) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: f.prefix + name, Help: help})
	f.reg.MustRegister(g)
	return g
}

func (f family) gauges(name, help string, label ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.prefix + name, Help: help}, label)
	f.reg.MustRegister(g)
	return g
}

// histograms makes native histograms, which a Prometheus that knows them reads
// with a resolution of 10 %; the buckets are for those that do not. The label
// is empty for a single one.
func (f family) histograms(name, help string, buckets []float64, label ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: f.prefix + name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1,
		// What client_golang advises: about 10 kB a histogram at most.
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, label)
	f.reg.MustRegister(h)
	return h
}
