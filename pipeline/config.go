package pipeline

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/pipeline/enrich"
	"penstock/pipeline/evolve"
	"penstock/schema"
	"penstock/transport/brokers"
	"penstock/transport/native"
)

// Config is everything an ingest node needs to know. Start from [Default].
type Config struct {
	Kafka      Kafka      `koanf:"kafka"`
	ClickHouse ClickHouse `koanf:"clickhouse"`
	Batch      Batching   `koanf:"batch"`
	Dedup      Dedup      `koanf:"dedup"`
	Breaker    Breaker    `koanf:"breaker"`
	// Evolution says how the schema may grow.
	Evolution evolve.Config `koanf:"evolution"`
	// Enrich says what tells of devices, for fields that the schema has from them.
	Enrich  enrich.Config `koanf:"enrich"`
	Rejects Rejects       `koanf:"rejects"`

	// Lanes is how many shares the node's partitions are in. A lane fills one
	// batch at a time: twice the lanes are twice the inserts, of half the rows,
	// and each costs ClickHouse the same whatever its size. The default value is
	// half the number of cores: what the Kafka client does for a lane, to fetch
	// and to unpack, keeps about as busy as the lane itself.
	Lanes int `koanf:"lanes"`
	// Decoders is how many goroutines a lane may decode with: its own, and others
	// that help it while more waits than one core decodes, such as when one
	// device fills a partition. The default value is 2.
	Decoders int `koanf:"decoders"`
	// Memory is the node's budget in bytes: its batches, queues, fetches and
	// identities fit in it. The default value is 256 MiB a core. Of the
	// 512 of a lane identities may take 143, and each of its batches 27.
	//
	// Why not smaller? A batch gets what is left for it, and small batches
	// cost ClickHouse as much as large ones. Why not larger? Nothing waits in
	// the node longer than an insert takes; the backlog is Kafka's to keep.
	Memory int64 `koanf:"memory"`
	// StopTimeout bounds an orderly stop: what is decoded is stored and
	// committed within it, and read again by the next owner otherwise. Keep
	// it below the grace period of whatever stops the node. The default value
	// is 20 s.
	StopTimeout time.Duration `koanf:"stop_timeout"`
	// MaxRecordBytes: larger records are rejected. The default value is 1 MiB.
	MaxRecordBytes int `koanf:"max_record_bytes"`
	// Bounds are those of what is in a record; what is beyond them is rejected.
	Bounds Bounds `koanf:"bounds"`
}

// Bounds bound what a record may bring.
type Bounds struct {
	schema.Bounds
	// HeaderBytes is how large a record's key and headers may be together. They are
	// not stored, but are copied to the dead letters of all of its events. The default
	// value is 64 KiB.
	HeaderBytes int `koanf:"header_bytes"`
}

// Kafka says what to read and where rejects go.
type Kafka struct {
	Brokers []string `koanf:"brokers"`
	// Security is how brokers and the node know each other, for every client that
	// the programs have.
	brokers.Security `koanf:",squash"`
	Topic            string `koanf:"topic"`
	// Encoding is how the topic's records are written: json; protobuf, a
	// message as "ingest schema proto" prints it; or avro, a record of AvroSchema or
	// of the registry's. A topic has one: records of another are rejected as
	// malformed. Protobuf is half the bytes and half the CPU to decode; JSON is what
	// devices send that were told nothing. The default value is json.
	Encoding schema.Encoding `koanf:"encoding"`
	// AvroSchema is the file of the Avro schema that all records of the topic were
	// written by, where they name none: needed for avro without a registry. There
	// is no default value: a schema of ours that has grown since would misread what
	// devices write by an older one. "ingest schema avro" prints one to begin with.
	AvroSchema string   `koanf:"avro_schema"`
	Registry   Registry `koanf:"registry"`
	// Framing is how many events a record holds: single, or batched, for a JSON array
	// of events or an event a line. Batched, a record that is one event is read
	// too, but its end has to be looked for. The default value is single.
	Framing schema.Framing `koanf:"framing"`
	// MaxBatchBytes is what a batch of Kafka's may take in memory once it is unpacked,
	// its records included. A partition with a larger one is parked: it is not read,
	// and the node says which batch and what to do, while others go on. Smaller: what
	// a hostile producer can make of a few kilobytes is less. Larger: producers may
	// have batches of more, or that compress better. It is never more than the share
	// of memory that fetches have, a sixth or so. The default value is 32 MiB, thirty
	// times what brokers allow on the wire as they come.
	MaxBatchBytes int `koanf:"max_batch_bytes"`
	// Group is the consumer group. The default value is "penstock".
	Group string `koanf:"group"`
	// DeadLetterTopic takes the records that cannot be stored. The default
	// value is the topic's name with ".dead".
	DeadLetterTopic string `koanf:"dead_letter_topic"`
	// SessionTimeout is how long Kafka waits for a silent node before others
	// take its partitions. Smaller: a killed node's partitions are read on
	// sooner. Larger: a pause of the node is forgiven. The default value is 6 s,
	// the least that brokers allow as they come.
	SessionTimeout time.Duration `koanf:"session_timeout"`
	// Recovery is what a node does with a partition it is given that is behind:
	// in-order reads it from where it was left, fresh-first reads what comes now
	// and beside it the backlog. In order, an analyst sees nothing new until the
	// backlog is stored, but sees everything up to one moment; and there are fewer
	// inserts, since live records share those of the backlog. The default value is
	// in-order: that what is visible is complete is what a node promises otherwise.
	Recovery Recovery `koanf:"recovery"`
	// FreshAfter: a partition is behind if the next record to be stored came to
	// Kafka so long ago. Smaller: a restart leaves a gap more often, and a crash
	// after it more to settle. Larger: live data waits for so much backlog. The
	// default value is 30 s, more than a restart or a takeover takes.
	FreshAfter time.Duration `koanf:"fresh_after"`
}

// Recovery is a way to come back from being behind.
type Recovery string

// The ways; see [Kafka].Recovery.
const (
	InOrder    Recovery = "in-order"
	FreshFirst Recovery = "fresh-first"
)

// ClickHouse says where rows go.
type ClickHouse struct {
	// Addr is host:port of the native protocol, if one server takes all rows.
	// It is the shard of the name 1. Of several replicas it is one, and not a
	// balancer over them: what is stored is asked where it was inserted.
	Addr string `koanf:"addr"`
	// Shards, instead of Addr, is where rows go by the partition of their
	// record, each name=host:port. To change their number moves partitions to
	// other shards; what is in flight then is settled where it was.
	Shards []Shard `koanf:"shards"`
	// Retired are shards that take no rows any more, but took some: batches that
	// name them are settled there, and what they hold is still known.
	Retired  []Shard `koanf:"retired"`
	Database string  `koanf:"database"`
	// Login is the same for all shards.
	native.Login `koanf:",squash"`
	// Compression of blocks on the wire: none, lz4 or zstd. The default value
	// is none: on a fast network it costs more CPU than the rest of the node.
	Compression string `koanf:"compression"`
	// Replicated and Cluster: see [schema.Tables].
	Replicated bool   `koanf:"replicated"`
	Cluster    string `koanf:"cluster"`
	// InsertTimeout bounds one attempt of an insert; it is then tried again
	// on a fresh connection with the same token. The default value is 30 s.
	InsertTimeout time.Duration `koanf:"insert_timeout"`
}

// Tables returns where the schema's tables stand.
func (c ClickHouse) Tables() schema.Tables {
	return schema.Tables{Database: c.Database, Replicated: c.Replicated, Cluster: c.Cluster}
}

// Batching says when a batch is sealed: by the first of its bounds it reaches.
type Batching struct {
	// Rows. Larger: fewer parts in ClickHouse when there is a backlog.
	// The default value is 100,000.
	Rows int `koanf:"rows"`
	// Age is how long the first record of a batch waits for others while ClickHouse
	// takes batches as they come. Smaller: visible sooner. Larger: fewer inserts;
	// each costs ClickHouse some 50 ms of CPU for a day with a rollup, whatever its
	// size, and a batch with late rows is an insert for each of their days. The
	// default value is 200 ms.
	Age time.Duration `koanf:"age"`
	// AgeLimit is up to where batches wait longer by themselves: four times as
	// long as inserts take. The default value is 1 s, which with the inserts keeps
	// the 99th percentile under two seconds.
	AgeLimit time.Duration `koanf:"age_limit"`
	// Behind: a batch of records older than this, of partitions that have more,
	// waits until it is full, or this much longer. Smaller: fewer inserts after a
	// short pause. Larger: visible sooner after a long one. The default value is
	// 5 s, the time in which an event is promised to be visible.
	Behind time.Duration `koanf:"behind"`
	// PerLane is how many batches a lane has: one fills while the others are
	// stored. The default value is 3.
	PerLane int `koanf:"per_lane"`
}

// Dedup bounds the window in which a resend of an event is recognised.
type Dedup struct {
	// Window is how long an identity is remembered at least, by record time.
	// The default value is one hour.
	Window time.Duration `koanf:"window"`
	// Blocks bounds a lane's memory for identities: a block holds 512
	// consecutive sequence numbers of one device and takes up to 150 bytes, see
	// package dedup. At the bound the older half of the
	// window is forgotten. Larger: less of memory is left for batches. The
	// default value is 1,000,000.
	Blocks int `koanf:"blocks"`
}

// Breaker stops a node from hammering a ClickHouse that does not answer.
type Breaker struct {
	// Failures within Window open the breaker. The default value is 5.
	Failures uint `koanf:"failures"`
	// Window: see Failures. The default value is 30 s.
	Window time.Duration `koanf:"window"`
	// Cooldown is how long it stays open before one insert is tried as a
	// probe. The default value is 2 s: well inside the five seconds in which
	// an event is promised to be visible.
	Cooldown time.Duration `koanf:"cooldown"`
}

// Default returns a config that lacks only addresses and the topic.
func Default() Config {
	return Config{
		Kafka: Kafka{Encoding: schema.JSON, Framing: schema.Single, MaxBatchBytes: 32 << 20, Group: "penstock", SessionTimeout: 6 * time.Second, Recovery: InOrder, FreshAfter: 30 * time.Second,
			Registry: Registry{Patience: 15 * time.Second, MaxBytes: 1 << 20}},
		ClickHouse:     ClickHouse{Database: "default", Login: native.Default(), Compression: "none", InsertTimeout: 30 * time.Second},
		Batch:          Batching{Rows: 100_000, Age: 200 * time.Millisecond, AgeLimit: time.Second, Behind: 5 * time.Second, PerLane: 3},
		Dedup:          Dedup{Window: time.Hour, Blocks: 1_000_000},
		Evolution:      evolve.Default(),
		Breaker:        Breaker{Failures: 5, Window: 30 * time.Second, Cooldown: 2 * time.Second},
		Enrich:         enrich.Default(),
		Rejects:        DefaultRejects(),
		Lanes:          (runtime.NumCPU() + 1) / 2,
		Decoders:       2,
		Memory:         int64(runtime.NumCPU()) * 256 << 20,
		StopTimeout:    20 * time.Second,
		MaxRecordBytes: schema.DefaultMaxRecordBytes,
		Bounds:         Bounds{Bounds: schema.DefaultBounds(), HeaderBytes: 64 << 10},
	}
}

// Options are those by which every client of this Kafka is made, under the id, and
// more of its own: who it is, and what a batch may unpack to.
func (k Kafka) Options(id string, more ...kgo.Opt) []kgo.Opt {
	return slices.Concat([]kgo.Opt{kgo.SeedBrokers(k.Brokers...), kgo.ClientID(id)}, k.Security.Options(), []kgo.Opt{kgo.MaxDecompressBatchBytes(k.MaxBatchBytes)}, more)
}

// DeadLetters returns the configured or the derived name.
func (k Kafka) DeadLetters() string {
	if k.DeadLetterTopic != "" {
		return k.DeadLetterTopic
	}
	return k.Topic + ".dead"
}

// splitter returns a splitter of the topic's records.
func (c Config) splitter() splitter {
	return splitter{schema.NewSplitter(c.Kafka.Framing, c.MaxRecordBytes).Within(c.Bounds.Bounds), c.Bounds.HeaderBytes}
}

// unpackedBytes is the bound of one of Kafka's batches.
func (c Config) unpackedBytes() int { return min(c.Kafka.MaxBatchBytes, int(c.share())) }

// minBatchBytes is the smallest batch worth an insert.
const minBatchBytes = 1 << 20

// blockBytes is about what a block of identities takes, see [Dedup].Blocks.
var blockBytes = int64(dedup.Sequences.Bytes())

// Fetches are bounded by what they are on the wire, and by their number: one a
// broker would be no bound. Telemetry is packed to some quarter of its size.
const (
	fetchesAtOnce = 4
	unpacked      = 4 // times what is on the wire
)

// identityBytes is what the dedup windows of all lanes may take.
func (c Config) identityBytes() int64 { return int64(c.Lanes) * int64(c.Dedup.Blocks) * blockBytes }

// blocks bounds each of the two generations of each of a lane's windows.
func (c Config) blocks(windows int) int { return max(1, c.Dedup.Blocks/2/max(1, windows)) }

// share is how the budget is shared: a quarter is the runtime's, for garbage
// not yet collected, and of what identities leave of the others a third each
// is for fetches inside the Kafka client, records queued for the lanes, and
// batches.
func (c Config) share() int64 { return (c.Memory/4*3 - c.identityBytes()) / 3 }

// memoryFor is the budget that leaves so much for each batch.
func (c Config) memoryFor(batch int64) int64 {
	held := 3*batch*int64(c.Lanes*c.Batch.PerLane) + c.identityBytes()
	return (held + 2) / 3 * 4
}

func (c Config) batchBytes() int { return int(c.share()) / (c.Lanes * c.Batch.PerLane) }

// queueBytes bounds what waits for a lane. Half of it is left to what is read in
// gaps, where a node makes any: one that only takes them over is soon done.
func (c Config) queueBytes() int {
	if c.Kafka.Recovery == FreshFirst {
		return int(c.share()) / c.Lanes / 2
	}
	return int(c.share()) / c.Lanes
}

// fetchBytes is the bound of one fetch, on the wire.
func (c Config) fetchBytes() int32 { return int32(min(c.share()/(fetchesAtOnce*unpacked), 64<<20)) }

// gapFetchBytes is the bound of one fetch of a lane's gap reader, on the wire. It
// has one in the Kafka client while the lane decodes another.
func (c Config) gapFetchBytes() int32 {
	return int32(min(c.share()/int64(c.Lanes)/2/(2*unpacked), 64<<20))
}

// Bounds of what the budget is computed from. They are beyond any machine, and
// keep a slip of the keyboard from overflowing it.
const (
	maxLanes    = 1024
	maxDecoders = 64
	maxPerLane  = 1024
	maxBlocks   = 1 << 30
)

// Validate reports every fault of the config.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Kafka.Brokers) > 0, "kafka.brokers is empty; name at least one, such as [localhost:9092]")
	check(c.Kafka.Topic != "", "kafka.topic is empty; name the topic the devices send to")
	check(slices.Contains(schema.Encodings(), c.Kafka.Encoding), "kafka.encoding is %q; want one of %v", c.Kafka.Encoding, schema.Encodings())
	plainAvro := c.Kafka.Encoding == schema.Avro && c.Kafka.Registry.URL == ""
	check(!plainAvro || c.Kafka.AvroSchema != "", "kafka.encoding is avro, and nothing says by which schema records are written; set kafka.avro_schema to its file, or kafka.registry.url")
	check(plainAvro || c.Kafka.AvroSchema == "", "kafka.avro_schema is %q and would not be read; drop it, or set kafka.encoding to avro and no kafka.registry", c.Kafka.AvroSchema)
	errs = append(errs, c.Kafka.Registry.validate())
	check(slices.Contains(schema.Framings(), c.Kafka.Framing), "kafka.framing is %q; want one of %v", c.Kafka.Framing, schema.Framings())
	check(c.Kafka.Framing != schema.Batched || c.Kafka.Encoding == schema.JSON, "kafka.framing is batched and kafka.encoding %s; only JSON says where an event ends", c.Kafka.Encoding)
	check(c.Kafka.Framing != schema.Batched || c.Kafka.Registry.URL == "", "kafka.framing is batched and kafka.registry.url %q; what names a schema is one event", c.Kafka.Registry.URL)
	check(c.Kafka.MaxBatchBytes >= 1<<20 && c.Kafka.MaxBatchBytes <= 1<<30, "kafka.max_batch_bytes is %d; want %d to %d, and rather 33554432", c.Kafka.MaxBatchBytes, 1<<20, 1<<30)
	check(c.Kafka.Group != "", "kafka.group is empty; the default is penstock")
	check(c.Kafka.DeadLetters() != c.Kafka.Topic, "kafka.dead_letter_topic is %q, the topic itself; rejects would be read again for ever", c.Kafka.DeadLetterTopic)
	check(c.Kafka.SessionTimeout >= time.Second, "kafka.session_timeout is %v; want at least 1s, or every pause is taken for a death", c.Kafka.SessionTimeout)
	check(c.Kafka.Recovery == InOrder || c.Kafka.Recovery == FreshFirst, "kafka.recovery is %q; want in-order or fresh-first", c.Kafka.Recovery)
	check(c.Kafka.FreshAfter >= time.Second, "kafka.fresh_after is %v; want at least 1s, or every restart leaves a gap", c.Kafka.FreshAfter)
	errs = append(errs, c.Kafka.Security.Validate())
	errs = append(errs, c.ClickHouse.faults()...)
	errs = append(errs, c.ClickHouse.Login.Validate())
	check(c.ClickHouse.Database != "", "clickhouse.database is empty; the default is default")
	_, known := compressions[c.ClickHouse.Compression]
	check(known, "clickhouse.compression is %q; want none, lz4 or zstd", c.ClickHouse.Compression)
	check(c.ClickHouse.InsertTimeout > 0, "clickhouse.insert_timeout is %v; want a positive duration such as 30s", c.ClickHouse.InsertTimeout)
	check(c.Batch.Rows >= 1, "batch.rows is %d; want at least 1", c.Batch.Rows)
	check(c.Batch.Age > 0, "batch.age is %v; want a positive duration such as 200ms", c.Batch.Age)
	check(c.Batch.AgeLimit > 0, "batch.age_limit is %v; want a positive duration such as 1s, or batch.age for batches that never wait longer", c.Batch.AgeLimit)
	check(c.Batch.Behind > 0, "batch.behind is %v; want a positive duration such as 5s", c.Batch.Behind)
	check(c.Batch.PerLane >= 2, "batch.per_lane is %d; need 2: one fills while one is stored", c.Batch.PerLane)
	check(c.Batch.PerLane <= maxPerLane, "batch.per_lane is %d; want at most %d, and rather 3", c.Batch.PerLane, maxPerLane)
	check(c.Dedup.Window >= time.Millisecond, "dedup.window is %v; want at least 1ms, and rather 1h", c.Dedup.Window)
	blocks := c.Dedup.Blocks >= 2 && c.Dedup.Blocks <= maxBlocks
	check(blocks, "dedup.blocks is %d; want 2 to %d", c.Dedup.Blocks, maxBlocks)
	check(c.Breaker.Failures >= 1, "breaker.failures is %d; want at least 1", c.Breaker.Failures)
	check(c.Breaker.Window > 0, "breaker.window is %v; want a positive duration such as 30s", c.Breaker.Window)
	check(c.Breaker.Cooldown > 0, "breaker.cooldown is %v; want a positive duration such as 2s", c.Breaker.Cooldown)
	if err := c.Enrich.Validate(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.Rejects.faults()...)
	check(c.StopTimeout > 0, "stop_timeout is %v; want a positive duration such as 20s", c.StopTimeout)
	check(c.MaxRecordBytes >= 1, "max_record_bytes is %d; want at least 1", c.MaxRecordBytes)
	errs = append(errs, c.Bounds.Faults()...)
	check(c.Bounds.HeaderBytes >= 1, "bounds.header_bytes is %d; want at least 1, and rather 65536", c.Bounds.HeaderBytes)
	if err := c.Evolution.Validate(); err != nil {
		errs = append(errs, err)
	}
	lanes := c.Lanes >= 1 && c.Lanes <= maxLanes
	check(lanes, "lanes is %d; want 1 to %d, and rather half the number of cores", c.Lanes, maxLanes)
	check(c.Decoders >= 1 && c.Decoders <= maxDecoders, "decoders is %d; want 1 to %d, and rather 2", c.Decoders, maxDecoders)
	if lanes && blocks && c.Batch.PerLane >= 2 && c.Batch.PerLane <= maxPerLane {
		least := c.memoryFor(minBatchBytes)
		check(c.Memory >= least, "memory is %d bytes, which leaves %d for each of %d batches; raise it to %d, or lower lanes, batch.per_lane or dedup.blocks",
			c.Memory, max(0, c.batchBytes()), c.Lanes*c.Batch.PerLane, least)
	}
	return errors.Join(errs...)
}
