package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"penstock/schema"
)

// member is one membership of the consumer group, and the lanes that store what
// it is given.
type member struct {
	*Node
	id     string // unique to this membership; begins its batches' ids
	owned  ownership
	lanes  []*lane
	client *kgo.Client
	// begun is closed when client and commit are set: the client joins the
	// group, and calls back, before whoever made it has it in hand.
	begun  chan struct{}
	commit *committer

	receipts []stored      // by shard
	settling chan struct{} // has room for as many settlements as may run at once
	// settleTurn is whose turn it is among them to insert.
	settleTurn chan struct{}
	// group runs all goroutines of the membership; alive ends with the first of
	// them that fails.
	group *errgroup.Group
	alive context.Context
	// deadline ends StopTimeout after the node was asked to stop, or when a
	// goroutine has failed: nothing waits for a lane any longer then.
	deadline context.Context
	// fatal takes the error that ends the membership from a callback.
	fatal chan error
	turn  chan struct{} // see deadLetters
	again persistence   // for inserts
}

func newMember(n *Node) *member {
	m := &member{
		Node: n, id: rand.Text()[:12],
		settling: make(chan struct{}, settlesAtOnce), settleTurn: make(chan struct{}, 1), fatal: make(chan error, 1), begun: make(chan struct{}), turn: make(chan struct{}, 1),
	}
	for i := range n.cfg.Lanes {
		l := newLane(i, n.cfg, n.schema, m.id, &m.owned, n.events, n.decoders, m.throttle)
		l.filler.enricher.devices = n.devices
		m.lanes = append(m.lanes, l)
	}
	m.again = persistence{what: "insert", verdict: fateOf, breaker: newBreaker(m.cfg.Breaker, m.events), events: m.events}
	return m
}

// deadLetterMaxBytes is the largest record the dead-letter topic takes: more
// than any broker lets into a topic that was not set up for large records.
const deadLetterMaxBytes = 16 << 20

// A poll takes at most this many records, so that a rebalance, which waits for
// a poll to be handed out, never waits long.
const pollRecords = 10_000

// heartbeat is how often the node tells Kafka that it lives. Larger: rebalances
// stall longer, see below. Smaller: 64 nodes would keep the coordinator busy.
const heartbeat = 500 * time.Millisecond

// rebalanceSlack is what a rebalance takes beside the wait for stores.
const rebalanceSlack = 40 * time.Second

// run is Node.Run for one membership.
func (m *member) run(ctx context.Context) (err error) {
	for _, shard := range m.cfg.ClickHouse.AllShards() {
		r, err := m.stored(shard)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		m.receipts = append(m.receipts, r)
	}
	// The lanes outlive ctx: they have to finish what they hold.
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	m.group, m.alive = errgroup.WithContext(hard)
	deadline, expire := context.WithCancelCause(m.alive)
	defer expire(nil)
	m.deadline = deadline
	opts, err := m.options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	m.client = client
	m.commit = &committer{
		client: client, topic: m.cfg.Kafka.Topic, group: m.cfg.Kafka.Group, owned: &m.owned,
		again: persistence{what: "commit", verdict: fateOfCommit, events: m.events},
	}
	close(m.begun)

	for _, l := range m.lanes {
		d := m.drainOf(l)
		m.group.Go(func() error { return l.fill(m.alive) })
		m.group.Go(func() error { return d.run(m.alive) })
		g := &gapReader{cfg: m.cfg, events: m.events, gaps: l.gaps, backlog: l.backlog, pools: new(recycler)}
		m.group.Go(func() error { return g.run(m.alive) })
	}
	m.group.Go(func() error {
		select {
		case err := <-m.fatal:
			return err
		case <-m.alive.Done():
			return nil
		}
	})

	polling, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	context.AfterFunc(m.alive, stopPolling)
	m.group.Go(func() error {
		// From the moment it is asked to stop, and not from the end of the
		// poll: that may have to wait for a rebalance, which waits for lanes.
		<-polling.Done()
		select {
		case <-time.After(m.cfg.StopTimeout):
			expire(errStopTimeout(m.cfg.StopTimeout))
		case <-m.alive.Done():
		}
		return nil
	})
	fatal := m.poll(polling)
	stopPolling()

	err = m.stop()
	kill()
	err = errors.Join(m.group.Wait(), err)
	if fatal != nil && err != nil {
		// Whatever else went wrong, a doubt above all, the node is not to go on.
		fatal = fmt.Errorf("%w\n%v", fatal, err) //nolint:errorlint // so that it is not taken for one
	}
	return cmp.Or(fatal, err)
}

// end ends the membership with the error.
func (m *member) end(err error) {
	select {
	case m.fatal <- err:
	default: // it is ending of another
	}
}

func (m *member) options() ([]kgo.Opt, error) {
	pools := new(recycler)
	unpack, err := newUnpacker(m.cfg.unpackedBytes(), pools)
	if err != nil {
		return nil, err
	}
	return m.cfg.Kafka.Options("penstock-ingest",
		kgo.WithHooks(turnedAway{m.cfg.Kafka, m.events.PollFailed}),
		kgo.ConsumeTopics(m.cfg.Kafka.Topic),
		kgo.ConsumerGroup(m.cfg.Kafka.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(m.cfg.Kafka.SessionTimeout),
		// A heartbeat is how a member hears that the group divides its partitions
		// anew, and every one of them waits for the last to hear it.
		kgo.HeartbeatInterval(min(heartbeat, m.cfg.Kafka.SessionTimeout/4)),
		// A member that gives up partitions first stores what it read of them.
		kgo.RebalanceTimeout(m.cfg.StopTimeout+rebalanceSlack),
		// Partitions that are added to the topic are found this much later.
		kgo.MetadataMaxAge(30*time.Second),
		// And a leader that moved this soon: the client's own 5 s are all the
		// time an event has until it is visible.
		kgo.MetadataMinAge(500*time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(m.assigned),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.lost),
		kgo.OnOffsetsFetched(m.fetched),
		kgo.AdjustFetchOffsetsFn(m.begin),
		kgo.MaxVersions(commitVersions()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// An offset Kafka no longer has is data lost: it stops the node, and a
		// person decides. Starting anywhere else would hide it.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxConcurrentFetches(fetchesAtOnce),
		kgo.FetchMaxBytes(m.cfg.fetchBytes()),
		kgo.FetchMaxPartitionBytes(m.cfg.fetchBytes()/2),
		kgo.FetchMaxWait(100*time.Millisecond),
		// The bounds above are of what is on the wire; a batch of a megabyte
		// can unpack to a thousand of them.
		kgo.WithDecompressor(unpack),
		kgo.WithPools(pools),
		// Dead letters may be larger than the broker's default for a batch.
		kgo.ProducerBatchMaxBytes(deadLetterMaxBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	), nil
}

// drainOf returns the drain of a lane. All of its batches but the one that is
// being filled may be stored at once.
func (m *member) drainOf(l *lane) *drain {
	d := newDrain(l, m.commit.put, m.rejects)
	for range m.cfg.Batch.PerLane - 1 {
		d.stores = append(d.stores, m.storeOf(l.id, d.prove))
	}
	return d
}

// storeOf returns a store for one goroutine, which closes its sink.
func (m *member) storeOf(lane int, prove func(context.Context) error) *store {
	letters := m.again
	letters.what, letters.breaker = "dead-letter", nil
	topic := m.cfg.Kafka.DeadLetters()
	letters.verdict = func(err error) (fate, error) { return fateOfProduce(err, topic) }
	return &store{
		lane: lane, events: m.events, sink: m.sink(), receipts: m.receipts, again: m.again, rejects: m.rejects, prove: prove, bound: m.cfg.ClickHouse.InsertTimeout,
		letters: deadLetters{client: m.client, topic: topic, schema: m.schema.Load, again: letters, turn: m.turn},
		reread:  func(ctx context.Context, of schema.Origin) (reject, error) { return rereadEvent(ctx, m.cfg, of) },
	}
}

// poll hands out records until ctx ends.
func (m *member) poll(ctx context.Context) error {
	for {
		fetches := m.client.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			m.client.AllowRebalance()
			return nil //nolint:nilerr // asked to stop, which is no error
		}
		for _, e := range fetches.Errors() {
			f, err := fateOfPoll(e, m.cfg.Kafka)
			switch f {
			case stop:
				m.client.AllowRebalance()
				return err
			case park:
				m.events.Parked(Parked{Partition: e.Partition, Err: err})
			default:
				m.events.PollFailed(err)
			}
		}
		fetches.EachPartition(m.route)
		m.client.AllowRebalance()
	}
}

// route queues a partition's share of a poll for its lane.
func (m *member) route(p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	c := chunk{
		partition: p.Partition, epoch: m.owned.epoch(p.Partition), records: p.Records, polled: time.Now(),
		last: p.Records[len(p.Records)-1].Offset+1 >= p.HighWatermark,
	}
	bytes := 0
	for _, r := range p.Records {
		bytes += len(r.Key) + len(r.Value)
		c.bytes += sizeOf(r)
	}
	m.events.Polled(Polled{Partition: p.Partition, First: p.Records[0].Offset, Time: p.Records[0].Timestamp.UnixMilli(), Records: len(p.Records), Bytes: bytes, HighWatermark: p.HighWatermark})
	m.laneOf(p.Partition).queue.push(c)
}

// laneOf is the same on every node and in every generation.
func (m *member) laneOf(partition int32) *lane { return m.lanes[int(partition)%len(m.lanes)] }

// partitionsOf returns the partitions of the topic that the lane reads now; those
// that are being settled stay paused.
func (m *member) partitionsOf(lane int) map[string][]int32 {
	var mine []int32
	for _, p := range m.owned.ready() {
		if m.laneOf(p).id == lane {
			mine = append(mine, p)
		}
	}
	return map[string][]int32{m.cfg.Kafka.Topic: mine}
}

// throttle pauses the lane's partitions in Kafka, or reads them on.
func (m *member) throttle(lane int, pause bool) {
	if pause {
		m.client.PauseFetchPartitions(m.partitionsOf(lane))
		m.events.Paused(lane)
		return
	}
	m.client.ResumeFetchPartitions(m.partitionsOf(lane))
	m.events.Resumed(lane)
}
