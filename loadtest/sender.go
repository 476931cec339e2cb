package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// linger lets the records of a few milliseconds share a batch. Longer:
	// fewer and larger requests for the broker that shares the machine;
	// shorter: less of the measured latency is the sender's own.
	linger = 10 * time.Millisecond
	// batchBytes lets the 2 MiB record through the client; the broker judges it
	// after compression.
	batchBytes = 4 << 20
	// maxBuffered is how many records may wait for the broker: some seconds'
	// worth. Beyond that sending blocks, and the schedule does not.
	maxBuffered = 100_000
	// flushTimeout is how long the records in flight have when sending is over.
	flushTimeout = 30 * time.Second
)

// sender hands the fleet's records to Kafka and enters what becomes of them.
// sendAll is called once; the acknowledgements come on a
// goroutine of the client.
type sender struct {
	client *kgo.Client
	topic  string
	fleet  *fleet
	ledger *ledger
	queues *visibility
	free   sync.Pool // *parcel
	// took is how long sending lasted, until the last acknowledgement.
	took time.Duration
	// late is by how much the schedule was missed at most. Only send writes it.
	late time.Duration
}

// parcel is a record on its way. It is taken from the sender's pool, belongs to
// the client until its acknowledgement, and goes back.
type parcel struct {
	sender   *sender
	kafka    kgo.Record
	record   record
	intended time.Time
	key      []byte
	value    []byte
	done     func(*kgo.Record, error) // p.acked, bound once
}

// Options are those by which every client of this Kafka is made, under the id, and
// more of its own.
func (c Config) Options(id string, more ...kgo.Opt) []kgo.Opt {
	return slices.Concat([]kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID(id)}, c.Security.Options(), more)
}

func newSender(c Config, f *fleet, l *ledger, v *visibility) (*sender, error) {
	client, err := kgo.NewClient(c.Options("penstock-loadtest",
		kgo.WithCompressor(newCompressor()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.MaxBufferedRecords(maxBuffered),
		kgo.RequiredAcks(kgo.AllISRAcks()),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", c.Brokers, err)
	}
	s := &sender{client: client, topic: c.Topic, fleet: f, ledger: l, queues: v}
	s.free.New = func() any {
		p := &parcel{sender: s}
		p.done = p.acked
		return p
	}
	return s, nil
}

// send sends the fleet's next record, intended for the given time. It blocks
// while too many are in flight, until ctx ends. It returns the first error of
// a record Kafka did not take.
func (s *sender) send(ctx context.Context, intended time.Time) error {
	s.late = max(s.late, time.Since(intended))
	s.produce(ctx, s.fleet.draw(intended.UnixMilli()), intended)
	return s.ledger.refusal()
}

func (s *sender) produce(ctx context.Context, r record, intended time.Time) {
	p := s.free.Get().(*parcel)
	p.record, p.intended = r, intended
	p.key = s.fleet.appendKey(p.key[:0], r)
	value := s.fleet.append(p.value[:0], r)
	p.kafka = kgo.Record{Topic: s.topic, Key: p.key, Value: value, Timestamp: intended}
	if value != nil {
		p.value = value
	}
	s.client.Produce(ctx, &p.kafka, p.done)
}

// acked is called once a record, by one goroutine of the client at a time, and
// for a partition in the order of offsets.
func (p *parcel) acked(k *kgo.Record, err error) {
	s := p.sender
	if err != nil {
		s.ledger.failed(p.record, err)
	} else {
		s.ledger.acked(p.record, coordinate{k.Partition, k.Offset})
		if p.record.kind == live {
			s.queues.produced(k.Partition, k.Offset, p.intended)
		}
	}
	if cap(p.value) > oversizeBytes/2 {
		p.value = nil // a few large records must not make every buffer large
	}
	s.free.Put(p)
}

// sendAll sends by the schedule until it ends or ctx does, and waits for Kafka
// to acknowledge all of it. Whatever it returns, nothing is in flight after it.
func (s *sender) sendAll(ctx context.Context, plan schedule) error {
	// Records in flight when ctx ends are still wanted; those of a broker that
	// does not answer are given up after a while.
	inFlight, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	giveUpLater := context.AfterFunc(ctx, func() { time.AfterFunc(flushTimeout, giveUp) })
	defer giveUpLater()
	err := plan.run(ctx, func(intended time.Time) error { return s.send(inFlight, intended) })

	flushing, cancel := context.WithTimeout(inFlight, flushTimeout)
	defer cancel()
	if errFinish := s.finish(flushing); errFinish != nil {
		errFinish = fmt.Errorf("%d records not acknowledged by Kafka within %v: %w; see whether the brokers are up",
			s.client.BufferedProduceRecords(), flushTimeout, errFinish)
		err = errors.Join(err, errFinish, s.client.AbortBufferedRecords(context.WithoutCancel(ctx)))
	}
	s.took = time.Since(plan.start)
	if err == nil {
		err = s.ledger.refusal()
	}
	return err
}

// finish sends one last reading of a device of each partition, after everything
// else is acknowledged. Once those are visible, all that was sent before them,
// resends and malformed records too, has met its fate: so the proof is not
// taken while a duplicate is still on its way.
func (s *sender) finish(ctx context.Context) error {
	if err := s.client.Flush(ctx); err != nil {
		return err
	}
	for _, device := range s.ledger.owners() {
		now := time.Now()
		s.produce(ctx, s.fleet.read(device, live, now.UnixMilli()), now)
	}
	return s.client.Flush(ctx)
}
