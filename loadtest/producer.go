package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producer writes records straight into batches and has Kafka take them, each
// exactly once.
//
// It has two rounds of a batch for each partition: one is filled while the other
// is compressed, sent and answered for, so that what is in flight stays in the
// processor's cache. A round that is not answered for is sent again, in the same
// words and under the same sequence numbers, for as long as it takes; it is never
// overtaken by the next one.
//
// Why not the Kafka client's producer? It keeps a record of half a kilobyte for
// each record of half a kilobyte, and at 150,000 a second beside a database on the
// same cores half of the fleet's time was spent waiting for memory: see
// BenchmarkSend. Connections, versions and metadata are still the client's.
type producer struct {
	client  *kgo.Client
	admin   *kadm.Client
	topic   string
	results func(*batch, int64, error) // of run, for each batch: its first offset or why there is none

	partition []int32 // by device
	open      *round  // used by whoever adds
	empty     chan *round
	full      chan *round

	// What follows is used by run.
	as        producerID
	sequences []int32 // by partition: of its next record
	leaders   []int32 // by partition: the broker's id
	topicID   [16]byte
	frames    frames
}

// round is one batch for each partition.
type round struct {
	batches []batch
	began   time.Time // when its first record was added; zero for none
	largest int       // bytes of its largest text
}

const (
	rounds = 2
	// fullBatch is what a text of records may have before its round has to be
	// sent: with the 2 MiB record in it it is still below the megabyte that
	// brokers and topics allow as they come, for it is compressed then.
	fullBatch = 1 << 20
	// produceTimeout is what a broker may take to have a batch replicated.
	produceTimeout = 10 * time.Second
	// produceAgain is the wait before what was not taken is sent again.
	produceAgain = 100 * time.Millisecond
)

// newProducer asks Kafka for the topic's partitions and a producer id. The
// partition of a device is its id's hash, as Kafka's own clients have it.
func newProducer(ctx context.Context, client *kgo.Client, topic string, devices int, key func(device uint32) []byte, results func(*batch, int64, error)) (*producer, error) {
	p := &producer{client: client, admin: kadm.NewClient(client), topic: topic, results: results, empty: make(chan *round, rounds), full: make(chan *round)}
	if err := p.lookUp(ctx); err != nil {
		return nil, err
	}
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionTimeoutMillis = int32(time.Minute.Milliseconds())
	response, err := request.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("ask Kafka for a producer id: %w; the fleet needs the right to write idempotently", err)
	}
	p.as = producerID{response.ProducerID, response.ProducerEpoch}
	n := len(p.leaders)
	p.sequences = make([]int32, n)
	hash := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	p.partition = make([]int32, devices)
	for device := range p.partition {
		p.partition[device] = int32(hash.Partition(&kgo.Record{Key: key(uint32(device))}, n))
	}
	for range rounds {
		r := &round{batches: make([]batch, n)}
		for i := range r.batches {
			r.batches[i].partition = int32(i)
		}
		p.empty <- r
	}
	p.open = <-p.empty
	return p, nil
}

// findTopic returns what Kafka knows of a topic, which has to exist.
func findTopic(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicDetail, error) {
	topics, err := admin.ListTopics(ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("look up topic %q: %w; create it, or name another with topic", topic, err)
	}
	return topics[topic], nil
}

// lookUp finds the partitions' leaders.
func (p *producer) lookUp(ctx context.Context) error {
	topic, err := findTopic(ctx, p.admin, p.topic)
	if err != nil {
		return err
	}
	p.topicID, p.leaders = topic.ID, make([]int32, len(topic.Partitions))
	for _, partition := range topic.Partitions {
		p.leaders[partition.Partition] = partition.Leader
	}
	return nil
}

// add adds a record to the open round. It blocks while that is full and the one
// before is not answered for.
func (p *producer) add(r record, intended time.Time, key, value []byte) {
	b := &p.open.batches[p.partition[r.device]]
	b.add(r, intended, key, value)
	if p.open.began.IsZero() {
		p.open.began = time.Now()
	}
	p.open.largest = max(p.open.largest, len(b.text))
	if p.open.largest >= fullBatch {
		p.hand()
	}
}

// tick hands the open round over if it has been open for long enough and the one
// before is answered for.
func (p *producer) tick(now time.Time) {
	if p.open.began.IsZero() || now.Sub(p.open.began) < linger {
		return
	}
	select {
	case p.full <- p.open:
		p.open = <-p.empty
	default:
	}
}

func (p *producer) hand() {
	p.full <- p.open
	p.open = <-p.empty
}

// flush returns when all records that were added are answered for.
func (p *producer) flush() {
	p.hand()
	p.hand() // an empty round, taken when the one before is done
}

// run sends rounds until close. Those that are not answered for when ctx ends
// are given up.
func (p *producer) run(ctx context.Context) {
	for r := range p.full {
		p.send(ctx, r)
		for i := range r.batches {
			r.batches[i].reset()
		}
		r.began, r.largest = time.Time{}, 0
		p.empty <- r
	}
}

// close ends run. What is in the open round is dropped.
func (p *producer) close() { close(p.full) }

func (p *producer) send(ctx context.Context, r *round) {
	var left []*batch
	for i := range r.batches {
		if b := &r.batches[i]; len(b.entries) > 0 {
			b.seal(&p.frames, p.as, p.sequences[b.partition])
			left = append(left, b)
		}
	}
	for len(left) > 0 {
		if left = p.attempt(ctx, left); len(left) == 0 {
			return
		}
		select {
		case <-time.After(produceAgain):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			for _, b := range left {
				p.results(b, 0, context.Cause(ctx))
			}
			return
		}
		// The leaders may be others now. If even that is not to be known, the
		// next attempt will tell.
		_ = p.lookUp(ctx)
	}
}

// attempt sends each batch to its leader and returns those to be sent again.
func (p *producer) attempt(ctx context.Context, batches []*batch) (again []*batch) {
	byLeader := map[int32][]*batch{}
	for _, b := range batches {
		leader := p.leaders[b.partition]
		byLeader[leader] = append(byLeader[leader], b)
	}
	var mu sync.Mutex // guards again and the results
	var all sync.WaitGroup
	for leader, batches := range byLeader {
		all.Go(func() {
			answers, err := p.produce(ctx, leader, batches)
			mu.Lock()
			defer mu.Unlock()
			for _, b := range batches {
				base, err := answers.of(b.partition, err)
				switch {
				case err != nil && p.retriable(err):
					again = append(again, b)
				case err != nil:
					p.results(b, 0, err)
				default:
					p.sequences[b.partition] = following(p.sequences[b.partition], len(b.entries))
					p.results(b, base, nil)
				}
			}
		})
	}
	all.Wait()
	return again
}

// following is the sequence number after n more records: they begin at 0 again.
func following(sequence int32, n int) int32 { return int32((int64(sequence) + int64(n)) & (1<<31 - 1)) }

// retriable says that the batch may have been lost on the way, or not taken for a
// reason that passes. What a broker says against a batch itself does not.
func (p *producer) retriable(err error) bool {
	var said *kerr.Error
	return !errors.As(err, &said) && !errors.Is(err, kgo.ErrClientClosed) || errors.As(err, &said) && said.Retriable
}

// answers are what a broker says of each partition.
type answers map[int32]kmsg.ProduceResponseTopicPartition

func (a answers) of(partition int32, err error) (base int64, _ error) {
	if err != nil {
		return 0, err
	}
	answer, ok := a[partition]
	if !ok {
		return 0, errors.New("the broker did not answer for the partition")
	}
	return answer.BaseOffset, kerr.ErrorForCode(answer.ErrorCode)
}

func (p *producer) produce(ctx context.Context, leader int32, batches []*batch) (answers, error) {
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, int32(produceTimeout.Milliseconds())
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = p.topic, p.topicID
	for _, b := range batches {
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Partition, partition.Records = b.partition, b.wire
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	response, err := p.client.Broker(int(leader)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	all := answers{}
	for _, topic := range response.(*kmsg.ProduceResponse).Topics {
		for _, partition := range topic.Partitions {
			all[partition.Partition] = partition
		}
	}
	return all, nil
}
