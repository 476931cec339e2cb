package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// linger lets the records of a few milliseconds share a batch. Longer:
	// fewer and larger requests for the broker that shares the machine;
	// shorter: less of the measured latency is the sender's own.
	linger = 10 * time.Millisecond
	// handEvery is after how many records it is seen whether a round is due: a
	// sender that has fallen behind does not come to rest between records.
	handEvery = 128
	// flushTimeout is how long the records in flight have when sending is over.
	flushTimeout = 30 * time.Second
)

// sender draws the fleet's records, has them sent and enters what becomes of
// them. sendAll is called once.
type sender struct {
	producer *producer
	fleet    *fleet
	ledger   *ledger
	queues   *visibility
	drawn    int
	// key and value are room for those of a record.
	key, value []byte
	// took is how long sending lasted, until the last acknowledgement.
	took time.Duration
}

func newSender(ctx context.Context, client *kgo.Client, topic string, f *fleet, l *ledger, v *visibility) (_ *sender, err error) {
	s := &sender{fleet: f, ledger: l, queues: v}
	s.producer, err = newProducer(ctx, client, topic, len(f.next), func(device uint32) []byte { return f.appendKey(nil, record{event: event{device: device}}) }, s.result)
	return s, err
}

// newClient is connected to Kafka as the fleet has to be.
func newClient(brokers []string) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("penstock-loadtest"), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", brokers, err)
	}
	return client, nil
}

// send sends the fleet's next record, intended for the given time. It blocks
// while too many are in flight. It returns the first error of a record Kafka did
// not take.
func (s *sender) send(intended time.Time) error {
	s.produce(s.fleet.draw(intended.UnixMilli()), intended)
	if s.drawn++; s.drawn%handEvery == 0 {
		s.producer.tick(time.Now())
	}
	return s.ledger.refusal()
}

func (s *sender) produce(r record, intended time.Time) {
	s.key = s.fleet.appendKey(s.key[:0], r)
	value := s.fleet.append(s.value[:0], r)
	if value != nil {
		s.value = value
	}
	s.producer.add(r, intended, s.key, value)
}

// result enters what became of a batch. For a partition batches come in the order
// of their offsets.
func (s *sender) result(b *batch, base int64, err error) {
	if err != nil {
		s.ledger.failed(b.entries, err)
		return
	}
	s.ledger.acked(b.entries, coordinate{b.partition, base})
	s.queues.produced(b.entries, coordinate{b.partition, base})
}

// sendAll sends by the schedule until it ends or ctx does, and waits for Kafka
// to acknowledge all of it. Whatever it returns, nothing is in flight after it.
func (s *sender) sendAll(ctx context.Context, plan schedule) error {
	// Records in flight when sending ends are still wanted; those of a broker that
	// does not answer are given up after a while.
	inFlight, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	giveUpLater := func() {
		time.AfterFunc(flushTimeout, func() {
			giveUp(fmt.Errorf("not acknowledged by Kafka within %v; see whether the brokers are up", flushTimeout))
		})
	}
	stop := context.AfterFunc(ctx, giveUpLater)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { s.producer.run(inFlight) })
	err := plan.run(ctx, s.send, s.producer.tick)
	if stop() { // it is not running yet
		giveUpLater()
	}
	s.finish()
	s.producer.close()
	running.Wait()
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
func (s *sender) finish() {
	s.producer.flush()
	for _, device := range s.ledger.owners() {
		now := time.Now()
		s.produce(s.fleet.read(device, live, now.UnixMilli()), now)
	}
	s.producer.flush()
}
