package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/pipeline/intent"
)

// A partition that is far behind may be read at its head, by the node's client in
// the group, and beside it in the gaps below, by the gap reader of its lane. What
// is live goes first: a lane decodes a gap while there is nothing else to decode,
// and a batch of a gap is sealed soon when there is.

// reading is how a partition with gaps is read.
type reading struct {
	partition int32
	epoch     uint64
	state     intent.State    // as it was settled; nothing is pending
	head      int64           // where the group's client reads on
	tenure    context.Context // ends when the partition is given up
}

// left returns how many offsets below the head are not done, as a commit says.
func (r *reading) left(s intent.State) (n int64) {
	for _, gap := range s.Gaps(r.head) {
		n += gap.Next - gap.First
	}
	for _, in := range s.Pending {
		if in.First < r.head {
			n += in.Next - in.First
		}
	}
	return n
}

// headOf returns the first offset of what a state's owner has read at the head,
// and reads there on from the offset next; 0 where nothing below is a gap.
func headOf(s intent.State, next int64) (first int64) {
	if n := len(s.Done); n > 0 {
		first = s.Done[n-1].First
	}
	for _, gap := range s.Gaps(next) {
		first = max(first, gap.Next)
	}
	return first
}

// behind gives the tenant's gaps a window of their own.
func (t *tenant) behind(r *reading, w *dedup.Window) {
	t.reads = r
	t.gap = &tenant{epoch: t.epoch, window: w, next: r.state.Offset, reads: r}
}

// close is for when its last gap is read.
func (t *tenant) close() {
	t.window.Unpair()
	t.gap = nil
}

// cover extends the span to all offsets that a chunk of a gap accounts for.
func (s *span) cover(gap intent.Range) {
	if s.next == 0 {
		s.first = gap.First
	}
	s.next = gap.Next
}

// isGap says that the batch has records of gaps, and can have no others.
func (b *batch) isGap() bool { return b != nil && b.gap && !b.empty() }

// pick returns the chunk to decode from, nil if none can be: there is no batch,
// or it has first to be sealed.
func (l *lane) pick() *chunk {
	live := len(l.work.records) > 0
	switch {
	case l.open == nil:
		return nil
	case live && !l.open.isGap():
		return &l.work
	case l.behind.isGap() && l.open.takes(&l.behind) && !(live && l.overdue):
		return &l.behind
	}
	return nil
}

// turns says that the open batch is to be followed by one of the gap that is
// read: it has all there is of live records, or its span of the partition is of
// the gap before.
func (l *lane) turns() bool {
	return l.behind.isGap() && l.open != nil && !l.open.takes(&l.behind) && (l.open.gap || len(l.work.records) == 0 && len(l.queue.ready) == 0)
}

// takes says that records of the gap may go into the batch: it is empty, or of
// gaps, and has nothing of another gap of the partition.
func (b *batch) takes(c *chunk) bool {
	s, ok := b.spans[c.partition]
	return b.empty() || b.gap && !(ok && s.next < c.gap.First)
}

// nextGap returns the channel to tell the gap reader by what to read next, nil if
// there is nothing.
func (l *lane) nextGap() (chan<- *reading, *reading) {
	if len(l.unread) == 0 {
		return nil, nil
	}
	return l.gaps, l.unread[0]
}

// windows returns how many windows of identities the lane keeps.
func (l *lane) windows() (n int) {
	for _, t := range l.tenants {
		n += t.window.Windows()
	}
	return n
}

// gapReader reads the gaps of a lane's partitions, one partition after the other:
// all of them at once would be a connection and a fetch for each, and be done no
// sooner. Its run goroutine waits for the lane, which is what bounds its memory.
type gapReader struct {
	cfg     Config
	events  Events
	gaps    <-chan *reading
	backlog chan<- chunk
	pools   *recycler
}

// run reads gaps until ctx ends or an error says that a person has to act.
func (g *gapReader) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-g.gaps:
			if err := g.read(ctx, r); err != nil {
				return err
			}
		}
	}
}

// read reads all gaps of a partition, unless it is given up.
func (g *gapReader) read(ctx context.Context, r *reading) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.tenure, cancel)()
	gaps := r.state.Gaps(r.head)
	for i, gap := range gaps {
		err := g.readGap(ctx, r, gap, i == len(gaps)-1)
		if ctx.Err() != nil {
			return nil // it is another's to read
		}
		if errors.Is(err, errParked) {
			return nil // of another partition the gaps are read
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errParked ends the reading of a partition with a batch that must not be unpacked.
var errParked = errors.New("the partition is parked")

func (g *gapReader) readGap(ctx context.Context, r *reading, gap intent.Range, last bool) error {
	topic := g.cfg.Kafka.Topic
	unpack, err := newUnpacker(g.cfg.unpackedBytes(), g.pools)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(g.cfg.Kafka.Options("penstock-ingest",
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset out of range is a record that is gone
		kgo.KeepControlRecords(),                    // or a marker at the end of the gap would be waited for
		kgo.FetchMaxBytes(g.cfg.gapFetchBytes()),
		kgo.FetchMaxPartitionBytes(g.cfg.gapFetchBytes()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.MetadataMinAge(500*time.Millisecond),
		kgo.WithDecompressor(unpack),
		kgo.WithPools(g.pools),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {r.partition: kgo.NewOffset().At(gap.First)}}))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	for gap.First < gap.Next {
		fetches := client.PollRecords(ctx, pollRecords)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			switch f, err := fateOfPoll(e, g.cfg.Kafka); f {
			case stop:
				return err
			case park:
				g.events.Parked(Parked{Partition: r.partition, Err: err})
				return errParked
			default:
				g.events.PollFailed(err)
			}
		}
		c := chunk{partition: r.partition, epoch: r.epoch}
		var high int64
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { high = p.HighWatermark })
		c.gap.First = gap.First
		bytes := 0
		for record := range fetches.RecordsAll() {
			if record.Offset >= gap.Next {
				gap.First = gap.Next
				break
			}
			gap.First = record.Offset + 1
			if !record.Attrs.IsControl() {
				c.records = append(c.records, record)
				c.bytes += sizeOf(record)
				bytes += len(record.Key) + len(record.Value)
			}
		}
		if c.gap.Next = gap.First; !c.isGap() {
			continue
		}
		c.closes = last && gap.First == gap.Next
		if len(c.records) > 0 {
			g.events.Polled(Polled{Partition: r.partition, First: c.records[0].Offset, Time: c.records[0].Timestamp.UnixMilli(), Records: len(c.records), Bytes: bytes, HighWatermark: high})
		}
		select {
		case g.backlog <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
