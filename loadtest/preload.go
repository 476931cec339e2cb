package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"penstock/schema"
	"penstock/transport/brokers"
)

const (
	// preloadLinger lets a partition's batch fill up to preloadBatchBytes: at
	// 400,000 records/s over 8 partitions that takes 40 ms. A reader decompresses
	// batch by batch, so small ones would measure the sender and not the reader.
	preloadLinger = 100 * time.Millisecond
	// preloadBatchBytes is below the megabyte that brokers and topics allow as
	// they come.
	preloadBatchBytes = 1_000_000
)

// PreloadConfig says what fills a topic.
type PreloadConfig struct {
	// Brokers are the Kafka seed brokers, host:port.
	Brokers []string
	// Security is how they and the load test know each other.
	Security brokers.Security
	// Topic is filled. It has to exist.
	Topic string
	// Encoding of the events. The default value is json.
	Encoding schema.Encoding
	// Key, if set, is that of all records, so that one partition gets all of
	// them. By default it is the device id.
	Key string

	// Records is how many there are of all kinds. Default 3,000,000.
	Records int
	// Rate is how many of them are a second of the fleet's time. It decides
	// their timestamps, and not how fast they are sent. Default 20,000.
	Rate float64
	// Offline: the devices kept their readings and send them now. Kafka's
	// timestamps are those of sending then, and only the readings' own are the
	// fleet's time.
	Offline bool
	// Pace is how many are sent a second at most; 0: as many as can be.
	Pace int
	// Run, Seed, Devices: see [Config].
	Run     string
	Seed    uint64
	Devices int
	// Shares are those of the unusual records. By default there are none.
	Shares Shares
}

// DefaultPreload returns the defaults.
func DefaultPreload() PreloadConfig {
	c := DefaultConfig()
	return PreloadConfig{Topic: c.Topic, Encoding: schema.JSON, Records: 3_000_000, Rate: c.Rate, Run: c.Run, Seed: c.Seed, Devices: c.Devices}
}

// Validate reports every fault of c at once, each with its value and remedy.
func (c PreloadConfig) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Records > 0, "count is %d; send at least 1 record", c.Records)
	check(c.Pace >= 0, "pace is %d; want a number of records a second, or 0 for as many as can be", c.Pace)
	return errors.Join(append(errs, c.fleet().validateFleet(), validateTopic(c.Brokers, c.Topic), c.Security.Validate())...)
}

// fleet is the part of c that decides what is sent.
func (c PreloadConfig) fleet() Config {
	return Config{Encoding: c.Encoding, Run: c.Run, Seed: c.Seed, Rate: c.Rate, Devices: c.Devices, Shares: c.Shares}
}

// Preloaded is what a topic was filled with.
type Preloaded struct {
	Run      string          `json:"run"`
	Seed     uint64          `json:"seed"`
	Topic    string          `json:"topic"`
	Encoding schema.Encoding `json:"encoding"`
	// Records are those Kafka acknowledged, Bytes the sum of their values.
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
	// Rows have to be stored; Resent records are duplicates of some of them,
	// Rejected ones have to be dead-lettered.
	Rows     uint64 `json:"rows"`
	Resent   uint64 `json:"resent"`
	Rejected uint64 `json:"rejected"`
	// Partitions tell, by number, which offsets were written.
	Partitions map[int32]Span `json:"partitions"`
	// Seconds it took, until the last acknowledgement.
	Seconds float64 `json:"seconds"`
}

// Span is the offsets [First, Next) of a partition.
type Span struct {
	First int64 `json:"first"`
	Next  int64 `json:"next"`
}

// String is the result as people read it.
func (p Preloaded) String() string {
	return fmt.Sprintf("preloaded %s records of %d bytes (%s) into %d partitions of %s in %.1f s\n",
		grouped(p.Records), p.Bytes/max(1, p.Records), p.Encoding, len(p.Partitions), p.Topic, p.Seconds)
}

// Preload fills a topic as fast as it can, or may, with what the fleet of c would
// have sent until now, and returns when all of it is acknowledged. If anybody else
// writes to the topic meanwhile, the spans hold its records, too.
func Preload(ctx context.Context, c PreloadConfig) (_ Preloaded, err error) {
	if err := c.Validate(); err != nil {
		return Preloaded{}, err
	}
	largest := int32(preloadBatchBytes)
	if c.Shares.Malformed > 0 {
		largest = batchBytes // a malformed record may be one of 2 MiB
	}
	client, err := kgo.NewClient(Config{Brokers: c.Brokers, Security: c.Security}.Options("penstock-loadtest",
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(preloadLinger),
		kgo.ProducerBatchMaxBytes(largest),
		kgo.MaxBufferedRecords(maxBuffered),
		kgo.RequiredAcks(kgo.AllISRAcks()),
	)...)
	if err != nil {
		return Preloaded{}, fmt.Errorf("kafka client for %v: %w", c.Brokers, err)
	}
	defer client.Close()
	if err := topicExists(ctx, kadm.NewClient(client), c.Topic); err != nil {
		return Preloaded{}, err
	}
	began := time.Now()
	p := newPreload(c, client, began)
	p.send(ctx)
	if err := client.Flush(ctx); err != nil {
		p.err = errors.Join(p.err, err)
	}
	p.result.Seconds = time.Since(began).Seconds()
	if p.err != nil {
		return p.result, fmt.Errorf("of %d records Kafka acknowledged %d: %w; begin again with an empty topic", c.Records, p.result.Records, p.err)
	}
	return p.result, nil
}

// preload is one filling of a topic.
type preload struct {
	cfg    PreloadConfig
	client *kgo.Client
	fleet  *fleet
	plan   schedule
	pace   *rate.Limiter
	// values and keys are the room the next records are written to.
	room []byte
	// result and err are written by the goroutine of the client that
	// acknowledges, and read after Flush.
	result Preloaded
	err    error
}

func newPreload(c PreloadConfig, client *kgo.Client, now time.Time) *preload {
	start := preloadStart(now, time.Duration(float64(c.Records)/c.Rate*float64(time.Second)))
	p := &preload{cfg: c, client: client, fleet: newFleet(c.fleet(), start), plan: newSchedule(start, constant(c.Rate, 0)), pace: rate.NewLimiter(rate.Inf, preloadStep)}
	if c.Pace > 0 {
		p.pace.SetLimit(rate.Limit(c.Pace))
	}
	p.result = Preloaded{Run: c.Run, Seed: c.Seed, Topic: c.Topic, Encoding: c.Encoding, Partitions: map[int32]Span{}}
	return p
}

// preloadStart is when the fleet began, to have sent for so long by now. What
// would lie on two days is moved to the end of the first, if it fits in it: an
// insert holds one day, and what is measured must not depend on the hour.
func preloadStart(now time.Time, lasted time.Duration) time.Time {
	start := now.UTC().Add(-lasted)
	if midnight := now.UTC().Truncate(24 * time.Hour); start.Before(midnight) && lasted < 24*time.Hour {
		start = midnight.Add(-lasted)
	}
	return start
}

// preloadStep is how many records are handed over at once.
const preloadStep = 1024

// send hands all records to the client.
func (p *preload) send(ctx context.Context) {
	var records []kgo.Record
	for slot := range int64(p.cfg.Records) {
		if ctx.Err() != nil {
			return // Flush says so
		}
		if len(records) == 0 {
			records = make([]kgo.Record, preloadStep)
			if err := p.pace.WaitN(ctx, preloadStep); err != nil {
				return // ctx ended
			}
		}
		k := &records[0]
		records = records[1:]
		at := p.plan.at(slot)
		r := p.fleet.draw(at.UnixMilli())
		*k = kgo.Record{Topic: p.cfg.Topic, Key: p.key(r), Value: p.value(r)}
		if !p.cfg.Offline {
			k.Timestamp = at // otherwise the client's
		}
		p.client.Produce(ctx, k, func(k *kgo.Record, err error) { p.acked(r.kind, k, err) })
	}
}

// roomBytes is how much records are written to at once. It is garbage when the
// last of them is acknowledged; a pool would save an eighth of a second in all.
const roomBytes = 1 << 20

func (p *preload) key(r record) []byte {
	if p.cfg.Key != "" {
		return []byte(p.cfg.Key)
	}
	return p.write(func(b []byte) []byte { return p.fleet.appendKey(b, r) })
}

// value is nil for a record without one.
func (p *preload) value(r record) []byte {
	return p.write(func(b []byte) []byte { return p.fleet.append(b, r) })
}

func (p *preload) write(appendTo func([]byte) []byte) []byte {
	if cap(p.room)-len(p.room) < roomBytes/64 {
		p.room = make([]byte, 0, roomBytes)
	}
	from := len(p.room)
	longer := appendTo(p.room)
	if longer == nil {
		return nil
	}
	p.room = longer
	return longer[from:len(longer):len(longer)]
}

// acked is called once a record, by one goroutine of the client at a time, and
// for a partition in the order of offsets.
func (p *preload) acked(kind kind, k *kgo.Record, err error) {
	if err != nil {
		if p.err == nil {
			p.err = err
		}
		return
	}
	p.result.Records++
	p.result.Bytes += uint64(len(k.Value))
	switch kind {
	case malformed:
		p.result.Rejected++
	case resent:
		p.result.Resent++
	default:
		p.result.Rows++
	}
	span, ok := p.result.Partitions[k.Partition]
	if !ok {
		span.First = k.Offset
	}
	span.Next = k.Offset + 1
	p.result.Partitions[k.Partition] = span
}
