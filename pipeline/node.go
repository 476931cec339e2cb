package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"penstock/schema"
)

// Node is one ingest process: a member of the consumer group and its lanes.
type Node struct {
	cfg    Config
	schema *schema.Schema
	events Events
	owned  ownership
	lanes  []*lane
	client *kgo.Client
	open   func() sink // a lane's connection to ClickHouse
	// deadline ends StopTimeout after the node was asked to stop, or when a
	// lane has ended of an error: nothing waits for a lane any longer then.
	deadline context.Context
}

// New returns a node that does nothing until Run.
func New(cfg Config, s *schema.Schema, events Events) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, schema: s, events: events.ensure()}
	n.open = func() sink { return newInserter(cfg.ClickHouse, s) }
	return n, nil
}

// deadLetterMaxBytes is the largest record the dead-letter topic takes: more
// than any broker lets into a topic that was not set up for large records.
const deadLetterMaxBytes = 16 << 20

// A poll takes at most this many records, so that a rebalance, which waits for
// a poll to be handed out, never waits long.
const pollRecords = 10_000

// commitTimeout bounds an attempt of an offset commit. Kafka's client holds
// commits back while the group divides its partitions, which may take as long
// as its slowest member; storing goes on, and a later commit covers it.
const commitTimeout = 2 * time.Second

// rebalanceSlack is what a rebalance takes beside the wait for stores.
const rebalanceSlack = 40 * time.Second

// Run ingests until ctx ends, then stores and commits what is decoded and
// leaves the group, for at most the configured StopTimeout. It returns nil
// after an orderly stop, and the error that no repetition mends otherwise.
func (n *Node) Run(ctx context.Context) error {
	run := rand.Text()[:12]
	for i := range n.cfg.Lanes {
		n.lanes = append(n.lanes, newLane(i, n.cfg, n.schema, run, &n.owned, n.events, n.throttle))
	}
	// The lanes outlive ctx: they have to finish what they hold.
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	g, lanes := errgroup.WithContext(hard)
	deadline, expire := context.WithCancelCause(lanes)
	defer expire(nil)
	n.deadline = deadline
	client, err := kgo.NewClient(n.options()...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	n.client = client

	breaker, turn := newBreaker(n.cfg.Breaker, n.events), make(chan struct{}, 1)
	for _, l := range n.lanes {
		d := n.drainOf(l, persistence{what: "insert", verdict: fateOf, breaker: breaker, events: n.events}, turn)
		g.Go(func() error { return l.fill(lanes) })
		g.Go(func() error { return d.run(lanes) })
	}

	polling, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	context.AfterFunc(lanes, stopPolling)
	g.Go(func() error {
		// From the moment it is asked to stop, and not from the end of the
		// poll: that may have to wait for a rebalance, which waits for lanes.
		<-polling.Done()
		select {
		case <-time.After(n.cfg.StopTimeout):
			expire(errStopTimeout(n.cfg.StopTimeout))
		case <-lanes.Done():
		}
		return nil
	})
	err = n.poll(polling)
	stopPolling()

	err = errors.Join(err, n.stop(lanes))
	kill()
	return errors.Join(g.Wait(), err)
}

func (n *Node) options() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(n.cfg.Kafka.Brokers...),
		kgo.ClientID("penstock-ingest"),
		kgo.ConsumeTopics(n.cfg.Kafka.Topic),
		kgo.ConsumerGroup(n.cfg.Kafka.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(n.cfg.Kafka.SessionTimeout),
		kgo.HeartbeatInterval(n.cfg.Kafka.SessionTimeout / 4),
		// A member that gives up partitions first stores what it read of them.
		kgo.RebalanceTimeout(n.cfg.StopTimeout + rebalanceSlack),
		// Partitions that are added to the topic are found this much later.
		kgo.MetadataMaxAge(30 * time.Second),
		// And a leader that moved this soon: the client's own 5 s are all the
		// time an event has until it is visible.
		kgo.MetadataMinAge(500 * time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(n.assigned),
		kgo.OnPartitionsRevoked(n.revoked),
		kgo.OnPartitionsLost(n.lost),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// An offset Kafka no longer has is data lost: it stops the node, and a
		// person decides. Starting anywhere else would hide it.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxConcurrentFetches(fetchesAtOnce),
		kgo.FetchMaxBytes(n.cfg.fetchBytes()),
		kgo.FetchMaxPartitionBytes(n.cfg.fetchBytes() / 2),
		kgo.FetchMaxWait(100 * time.Millisecond),
		// The bounds above are of what is on the wire; a batch of a megabyte
		// can unpack to a thousand of them.
		kgo.MaxDecompressBatchBytes(int(n.cfg.share())),
		// Dead letters may be larger than the broker's default for a batch.
		kgo.ProducerBatchMaxBytes(deadLetterMaxBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	}
}

func (n *Node) drainOf(l *lane, inserts persistence, turn chan struct{}) *drain {
	letters := inserts
	letters.what, letters.breaker = "dead-letter", nil
	topic := n.cfg.Kafka.deadLetterTopic()
	letters.verdict = func(err error) (fate, error) { return fateOfProduce(err, topic) }
	return &drain{
		lane: l, sink: n.open(), again: inserts, commit: n.commit,
		letters: deadLetters{client: n.client, topic: topic, schema: n.schema, again: letters, turn: turn},
		reread: func(ctx context.Context, p int32, o int64) (*kgo.Record, error) {
			return reread(ctx, n.cfg.Kafka, p, o)
		},
		uncommitted: map[int32]span{},
	}
}

// poll hands out records until ctx ends.
func (n *Node) poll(ctx context.Context) error {
	for {
		fetches := n.client.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			n.client.AllowRebalance()
			return nil //nolint:nilerr // asked to stop, which is no error
		}
		for _, e := range fetches.Errors() {
			f, err := fateOfPoll(e, n.cfg.Kafka.Group)
			if f == stop {
				n.client.AllowRebalance()
				return err
			}
			n.events.PollFailed(err)
		}
		fetches.EachPartition(n.route)
		n.client.AllowRebalance()
	}
}

// route queues a partition's share of a poll for its lane.
func (n *Node) route(p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	c := chunk{partition: p.Partition, epoch: n.owned.epoch(p.Partition), records: p.Records}
	bytes := 0
	for _, r := range p.Records {
		bytes += len(r.Key) + len(r.Value)
		c.bytes += sizeOf(r)
	}
	n.events.Polled(Polled{Partition: p.Partition, First: p.Records[0].Offset, Records: len(p.Records), Bytes: bytes, HighWatermark: p.HighWatermark})
	n.laneOf(p.Partition).queue.push(c)
}

// laneOf is the same on every node and in every generation.
func (n *Node) laneOf(partition int32) *lane { return n.lanes[int(partition)%len(n.lanes)] }

// partitionsOf returns the partitions of the topic that the lane owns now.
func (n *Node) partitionsOf(lane int) map[string][]int32 {
	var mine []int32
	for _, p := range n.owned.list() {
		if n.laneOf(p).id == lane {
			mine = append(mine, p)
		}
	}
	return map[string][]int32{n.cfg.Kafka.Topic: mine}
}

// throttle pauses the lane's partitions in Kafka, or reads them on.
func (n *Node) throttle(lane int, pause bool) {
	if pause {
		n.client.PauseFetchPartitions(n.partitionsOf(lane))
		n.events.Paused(lane)
		return
	}
	n.client.ResumeFetchPartitions(n.partitionsOf(lane))
	n.events.Resumed(lane)
}

// commit stores the offsets in Kafka.
func (n *Node) commit(ctx context.Context, offsets map[int32]kgo.EpochOffset) error {
	ctx, cancel := context.WithTimeoutCause(ctx, commitTimeout, fmt.Errorf("no answer within %v", commitTimeout))
	defer cancel()
	var failed error
	n.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{n.cfg.Kafka.Topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if failed = err; err != nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						failed = fmt.Errorf("%s p%d: %w", t.Topic, p.Partition, err)
					}
				}
			}
		})
	if failed != nil {
		return fmt.Errorf("commit %d partitions of group %s: %w", len(offsets), n.cfg.Kafka.Group, failed)
	}
	return nil
}
