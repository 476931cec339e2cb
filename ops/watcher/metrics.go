package watcher

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops/canary"
	"penstock/ops/state"
)

const prefix = "penstock_watch_"

// bounds are the buckets of the time until a canary is seen, in seconds: fine where the
// promise of five is kept or broken.
var bounds = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, state.Promise, 6, 8, 10, 15, 20, 30, 45, 60, 120, 300, 600}

// canaryMetrics are those of canaries.
type canaryMetrics struct {
	visible    prometheus.Histogram
	sent, lost prometheus.Counter
	failures   *prometheus.CounterVec
	limit      time.Duration
}

// What failed.
const (
	sending  = "send"
	querying = "query"
)

func newCanaryMetrics(cfg canary.Config, reg prometheus.Registerer) canaryMetrics {
	var buckets []float64
	for _, b := range bounds {
		if b <= cfg.Limit.Seconds() {
			buckets = append(buckets, b)
		}
	}
	m := canaryMetrics{
		limit: cfg.Limit,
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "canary_visible_seconds", Buckets: buckets,
			Help:                        "From before an event is produced to the answer of a query that has it. One that could not be sent or was not seen within watch.canary_limit is above every bound, and counts as twice the limit in the sum.",
			NativeHistogramBucketFactor: 1.1,
			// What client_golang advises: about 10 kB a histogram at most.
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "canary_sent_total", Help: "Canaries that Kafka has acknowledged."}),
		lost:     prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "canary_lost_total", Help: "Canaries of these that were not seen within watch.canary_limit."}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "canary_failures_total", Help: "Canaries that could not be sent, and queries for canaries that failed."}, []string{"what"}),
	}
	m.failures.WithLabelValues(sending)
	m.failures.WithLabelValues(querying)
	reg.MustRegister(m.visible, m.sent, m.lost, m.failures)
	return m
}

// invisible counts a canary that is above every bound. Not as +Inf: the sum of all
// would be that for ever.
func (m canaryMetrics) invisible() { m.visible.Observe(2 * m.limit.Seconds()) }

// gauges are what the last looks say. They are made when they are asked for, so that
// what is not known is absent.
type gauges struct {
	watcher *Watcher
	descs   map[string]*prometheus.Desc
}

// gaugeHelp is every gauge with its labels.
var gaugeHelp = []struct {
	name, help string
	labels     []string
}{
	{"up", "1 while Kafka, or every ClickHouse server, answers what the watcher asks.", []string{"what"}},
	{"lag_records", "Records between the group's committed offset and the end, by Kafka.", []string{"partition"}},
	{"lag_seconds", "Age of the oldest of them by its own time.", []string{"partition"}},
	{"group_members", "Nodes in the consumer group.", nil},
	{"pending_intents", "Batches that were declared in the commit and are not confirmed.", []string{"partition"}},
	{"oldest_intent_seconds", "Since when the oldest of them was declared; 0 if there is none.", []string{"partition"}},
	{"retention_seconds", "How much older the oldest record that Kafka keeps is than the next to be stored. Near 0 records are about to be lost; 0 only once they are. Absent until Kafka deletes any.", []string{"partition"}},
	{"parts", "Active parts of a table, on all shards.", []string{"table"}},
	{"partition_parts_max", "Active parts of the partition that has most, of any shard.", []string{"table"}},
	{"parts_delay_limit", "From how many parts of a partition on ClickHouse slows inserts down.", []string{"table"}},
	{"parts_throw_limit", "From how many it refuses them.", []string{"table"}},
	{"readonly_replicas", "Tables of the database that are replicas and take no writes, on all shards.", nil},
	{"disk_free_bytes", "Free space of a disk of ClickHouse.", []string{"disk"}},
	{"disk_total_bytes", "Size of a disk of ClickHouse.", []string{"disk"}},
	{"days", "Days that have rows, by where they are.", []string{"state"}},
	{"oldest_untiered_day_seconds", "Since when the oldest day is over that is hot or sealed; 0 if there is none.", nil},
}

// register registers the gauges of a watcher.
func register(w *Watcher, reg prometheus.Registerer) {
	g := gauges{w, map[string]*prometheus.Desc{}}
	for _, one := range gaugeHelp {
		g.descs[one.name] = prometheus.NewDesc(prefix+one.name, one.help, one.labels, nil)
	}
	reg.MustRegister(g)
}

// Describe implements [prometheus.Collector].
func (g gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(to chan<- prometheus.Metric) {
	set := func(name string, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(g.descs[name], prometheus.GaugeValue, value, labels...)
	}
	now := g.watcher.known()
	set("up", number(now.kafka.up()), "kafka")
	set("up", number(now.serversUp()), "clickhouse")
	if now.kafka.up() {
		now.kafka.value.collect(set)
	}
	if now.serversUp() {
		collectServers(now.servers(), len(now.clickhouse) > 1, set)
		now.days().collect(set)
	}
}

type set = func(name string, value float64, labels ...string)

func (g Group) collect(set set) {
	set("group_members", float64(g.Members))
	for _, p := range g.Partitions {
		id := strconv.Itoa(int(p.ID))
		set("lag_records", float64(p.Lag), id)
		if p.Behind.known {
			set("lag_seconds", p.Behind.value.Seconds(), id)
		}
		set("pending_intents", float64(p.Pending), id)
		set("oldest_intent_seconds", p.OldestIntent.Seconds(), id)
		if p.Retention.known {
			set("retention_seconds", p.Retention.value.Seconds(), id)
		}
	}
}

// collectServers tells of all shards together; disks have the shard's name before their
// own where there are several.
func collectServers(all []Server, several bool, set set) {
	tables := map[string]Table{}
	readOnly := is(uint64(0))
	for _, s := range all {
		for _, t := range s.Tables {
			tables[t.Name] = tables[t.Name].with(t)
		}
		readOnly = maybe[uint64]{readOnly.value + s.ReadOnly.value, readOnly.known && s.ReadOnly.known}
		for _, d := range s.Disks {
			name := d.Name
			if several {
				name = s.Name + "/" + name
			}
			set("disk_free_bytes", float64(d.Free), name)
			set("disk_total_bytes", float64(d.Total), name)
		}
	}
	for name, t := range tables {
		set("parts", float64(t.Parts), name)
		set("partition_parts_max", float64(t.Fullest), name)
		if t.Delay > 0 {
			set("parts_delay_limit", float64(t.Delay), name)
		}
		if t.Throw > 0 {
			set("parts_throw_limit", float64(t.Throw), name)
		}
	}
	if readOnly.known {
		set("readonly_replicas", float64(readOnly.value))
	}
}

// with adds what another shard has of the same table. Of limits the lower counts.
func (t Table) with(other Table) Table {
	lower := func(a, b uint64) uint64 {
		if a == 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	other.Parts += t.Parts
	if t.Fullest > other.Fullest {
		other.Fullest, other.Partition = t.Fullest, t.Partition
	}
	other.Delay, other.Throw = lower(t.Delay, other.Delay), lower(t.Throw, other.Throw)
	return other
}

func (d Days) collect(set set) {
	set("days", float64(d.Hot), "hot")
	set("days", float64(d.Sealed), "sealed")
	set("days", float64(d.Cold), "cold")
	set("oldest_untiered_day_seconds", d.Age.Seconds())
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
