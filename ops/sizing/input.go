package sizing

import (
	"errors"
	"fmt"
	"time"

	"penstock/schema"
)

// Input is what somebody wants of a system, and of what it is to be built.
type Input struct {
	// Rate is how many events come a second, as the mean of a day; Peak how many
	// times that in the busiest moment. The defaults are 1,000,000 and 1.5: cars by
	// day, machines all night.
	Rate float64 `json:"rate"`
	Peak float64 `json:"peak_factor"`
	// Size of an event written as JSON, in bytes; of Protobuf, too, that of the
	// same event as JSON: bytes on the wire and on disk, and CPU time, are taken to
	// grow with it. The default is 500.
	Size float64 `json:"size"`
	// Encoding of the topic, json or protobuf. The default is json.
	Encoding schema.Encoding `json:"encoding"`
	// Devices that send. Each has blocks in the window of identities. The default
	// is 1,000,000.
	Devices float64 `json:"devices"`
	// Days that are kept in Kafka, hot in ClickHouse, and on S3. The defaults are 7,
	// 30 and 365.
	KafkaDays float64 `json:"kafka_days"`
	HotDays   float64 `json:"hot_days"`
	ColdDays  float64 `json:"cold_days"`
	// Replicas of Kafka's partitions and of ClickHouse's shards. Each is taken to
	// cost as much as the first, which is too much for a replica that fetches
	// parts that were merged elsewhere. The defaults are 3 and 2.
	KafkaReplicas      float64 `json:"kafka_replicas"`
	ClickHouseReplicas float64 `json:"clickhouse_replicas"`

	// Outage is for how long everything may be away at the peak, Drain within what
	// time that is to be caught up with. Shorter Drain: more of everything, for a
	// day that is rare. The defaults are 10m and 30m.
	Outage time.Duration `json:"outage_ns"`
	Drain  time.Duration `json:"drain_ns"`
	// Headroom is the share of CPU and network that is planned with at the peak.
	// The default is 0.7, that of the scaler: at 0.73 of both cores the slowest
	// hundredth was visible after 1.9 s.
	Headroom float64 `json:"headroom"`
	// DiskFill is how full a disk may be: a merge needs room for what it writes. The
	// default is 0.7.
	DiskFill float64 `json:"disk_fill"`
	// Queries is the share of ClickHouse's cores that is left to analysts. Nobody
	// but you knows it; the default is 0.3.
	Queries float64 `json:"queries"`

	// NodeCores, BrokerCores and ServerCores are those of a machine for ingest, Kafka
	// and ClickHouse. The defaults are 2, what was measured, 8 and 8.
	NodeCores   float64 `json:"node_cores"`
	BrokerCores float64 `json:"broker_cores"`
	ServerCores float64 `json:"server_cores"`
	// BrokerDisk and ServerDisk are theirs, in bytes. The defaults are 16 TB and 24 TB.
	BrokerDisk float64 `json:"broker_disk"`
	ServerDisk float64 `json:"server_disk"`
	// CoreMemory is a broker's and a server's memory, in GiB a core. The default is 4.
	CoreMemory float64 `json:"core_memory"`
	// Network of a machine, in bytes a second each way. The default is 1.25 GB/s.
	Network float64 `json:"network"`
	// Zones over which all is spread. Between them traffic costs. The default is 3.
	Zones float64 `json:"zones"`

	// BatchAge is the nodes' batch.age. Longer: fewer and larger inserts, visible
	// later. The default is 200ms, that of the nodes.
	BatchAge time.Duration `json:"batch_age_ns"`
	// MoveTime is within what time a day is moved to S3. The default is 12h: a day
	// that was missed can be caught up with.
	MoveTime time.Duration `json:"move_time_ns"`
}

// DefaultInput returns the defaults.
func DefaultInput() Input {
	return Input{
		Rate: 1_000_000, Peak: 1.5, Size: 500, Encoding: schema.JSON, Devices: 1_000_000,
		KafkaDays: 7, HotDays: 30, ColdDays: 365, KafkaReplicas: 3, ClickHouseReplicas: 2,
		Outage: 10 * time.Minute, Drain: 30 * time.Minute, Headroom: 0.7, DiskFill: 0.7, Queries: 0.3,
		NodeCores: 2, BrokerCores: 8, ServerCores: 8, BrokerDisk: 16e12, ServerDisk: 24e12, CoreMemory: 4, Network: 1.25e9, Zones: 3,
		BatchAge: 200 * time.Millisecond, MoveTime: 12 * time.Hour,
	}
}

// Validate returns every fault.
func (in Input) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	between := func(name string, v, least, most float64) {
		check(v >= least && v <= most, "%s is %v; want %v to %v", name, v, least, most)
	}
	between("rate", in.Rate, 1, 1e9)
	// The day is a cosine around the mean, which has to stay above 0.
	between("peak", in.Peak, 1, 2)
	between("size", in.Size, 1, 1<<20)
	check(in.Encoding == schema.JSON || in.Encoding == schema.Protobuf, "encoding is %q; want json or protobuf, of which there are figures", in.Encoding)
	between("devices", in.Devices, 1, 1e10)
	between("retention kafka", in.KafkaDays, 0.01, 10_000)
	between("retention hot", in.HotDays, 1, 10_000)
	between("retention cold", in.ColdDays, 0, 100_000)
	between("kafka-replicas", in.KafkaReplicas, 1, 9)
	between("clickhouse-replicas", in.ClickHouseReplicas, 1, 9)
	check(in.Outage >= 0, "outage is %v; want 0s or more", in.Outage)
	check(in.Outage <= 12*time.Hour, "outage is %v; want at most 12h, or the day is over before it has been caught up with", in.Outage)
	check(in.Drain > 0, "drain is %v; want a positive duration such as 30m", in.Drain)
	between("headroom", in.Headroom, 0.05, 1)
	between("disk-fill", in.DiskFill, 0.05, 1)
	between("queries", in.Queries, 0, 0.95)
	between("node-cores", in.NodeCores, 1, 1024)
	between("broker-cores", in.BrokerCores, 1, 1024)
	between("server-cores", in.ServerCores, 1, 1024)
	between("broker-disk-tb", in.BrokerDisk/1e12, 0.01, 10_000)
	between("server-disk-tb", in.ServerDisk/1e12, 0.01, 10_000)
	between("core-memory", in.CoreMemory, 0.5, 64)
	between("network-gbit", in.Network*8/1e9, 0.1, 1000)
	between("zones", in.Zones, 1, 9)
	check(in.BatchAge >= 10*time.Millisecond && in.BatchAge <= time.Minute, "batch-age is %v; want 10ms to 1m", in.BatchAge)
	check(in.MoveTime > 0 && in.MoveTime <= 24*time.Hour, "move-time is %v; want at most 24h, or days pile up", in.MoveTime)
	return errors.Join(errs...)
}

// given is one of an input's numbers, under the name that formulas know it by.
type given struct {
	name  string
	value float64
	unit  unit
	what  string
}

func (in Input) given() []given {
	return []given{
		{"rate", in.Rate, perSecond, "events, as the mean of a day"},
		{"peak_factor", in.Peak, plain, "times the mean, in the busiest moment"},
		{"size", in.Size, bytesUnit, "of an event as JSON"},
		{"devices", in.Devices, plain, "that send"},
		{"kafka_days", in.KafkaDays, plain, "days kept in Kafka"},
		{"hot_days", in.HotDays, plain, "days hot in ClickHouse"},
		{"cold_days", in.ColdDays, plain, "days on S3"},
		{"kafka_replicas", in.KafkaReplicas, plain, "of each partition"},
		{"clickhouse_replicas", in.ClickHouseReplicas, plain, "of each shard"},
		{"outage", in.Outage.Seconds(), seconds, "for which all may be away at the peak"},
		{"drain", in.Drain.Seconds(), seconds, "in which that is caught up with"},
		{"headroom", in.Headroom, plain, "share of CPU and network that is planned with"},
		{"disk_fill", in.DiskFill, plain, "share of a disk that is used"},
		{"queries", in.Queries, plain, "share of ClickHouse's cores for analysts"},
		{"node_cores", in.NodeCores, cores, "of a node"},
		{"broker_cores", in.BrokerCores, cores, "of a broker"},
		{"server_cores", in.ServerCores, cores, "of a ClickHouse server"},
		{"broker_disk", in.BrokerDisk, bytesUnit, "of a broker"},
		{"server_disk", in.ServerDisk, bytesUnit, "of a ClickHouse server"},
		{"core_memory", in.CoreMemory, plain, "GiB a core, of brokers and servers"},
		{"network", in.Network, bytesPerSecond, "of a machine, each way"},
		{"zones", in.Zones, plain, "over which all is spread"},
		{"batch_age", in.BatchAge.Seconds(), seconds, "a live batch waits"},
		{"move_time", in.MoveTime.Seconds(), seconds, "in which a day is moved to S3"},
	}
}
