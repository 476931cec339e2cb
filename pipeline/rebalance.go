package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/pipeline/intent"
)

// The callbacks run in the Kafka client's goroutines, never while a poll is
// being handed out (BlockRebalanceOnPoll). Of an assignment they are called in
// the order assigned, fetched, begin.

// assigned takes new partitions. They are not read before they are settled.
func (m *member) assigned(_ context.Context, client *kgo.Client, topics map[string][]int32) {
	partitions := topics[m.cfg.Kafka.Topic]
	if len(partitions) == 0 {
		return
	}
	<-m.begun
	client.PauseFetchPartitions(map[string][]int32{m.cfg.Kafka.Topic: partitions})
	id, _ := client.GroupMetadata()
	for _, p := range partitions {
		m.owned.take(p, id)
	}
	m.events.Assigned(partitions)
}

// fetched reads what is committed of the new partitions, and begins to settle
// them. They are all of the one topic, which newer brokers name only by an id.
func (m *member) fetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	states, fresh := map[int32]intent.State{}, map[int32]bool{}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				state, err := m.stateOf(p)
				if err != nil {
					m.end(err)
					return err
				}
				states[p.Partition], fresh[p.Partition] = state, p.Offset < 0
			}
		}
	}
	h := m.history()
	var heads map[int32]int64
	if _, err := h.again().do(m.deadline, func(ctx context.Context) (err error) {
		heads, err = h.heads(ctx, states, fresh)
		return err
	}); err != nil {
		if m.deadline.Err() == nil {
			m.end(err)
		}
		return err
	}
	m.settle(states, fresh, heads)
	return nil
}

// stateOf returns what is committed of a partition.
func (m *member) stateOf(p kmsg.OffsetFetchResponseGroupTopicPartition) (state intent.State, err error) {
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		// The client has asked again where that helps, and would leave the
		// partition unread.
		return state, fmt.Errorf("%w: p%d is assigned, and not what is committed of it: %w", errDoubt, p.Partition, err)
	}
	if p.Offset < 0 {
		return state, nil
	}
	text := ""
	if p.Metadata != nil {
		text = *p.Metadata
	}
	if state, err = intent.Parse(p.Offset, text); err != nil {
		err = fmt.Errorf("group %s, %s p%d: %w", m.cfg.Kafka.Group, m.cfg.Kafka.Topic, p.Partition, err)
	}
	return state, err
}

// settle begins to settle the partitions, each in a goroutine of its own. They are
// read on at these heads.
func (m *member) settle(states map[int32]intent.State, fresh map[int32]bool, heads map[int32]int64) {
	history := &pasts{known: make(chan struct{})}
	for p, state := range states {
		epoch, tenure, ok := m.owned.settle(p, heads[p])
		if !ok {
			delete(states, p)
			continue
		}
		m.group.Go(func() error {
			ctx, cancel := context.WithCancel(m.alive)
			defer cancel()
			defer context.AfterFunc(tenure, cancel)()
			r := &reading{partition: p, epoch: epoch, state: state, head: heads[p], tenure: tenure}
			err := m.makeReady(ctx, r, history)
			if ctx.Err() != nil || tenure.Err() != nil {
				return nil // the partition is another's to settle
			}
			return err
		})
	}
	m.group.Go(func() error {
		history.learn(m.alive, m.history(), states, fresh, heads, m.most)
		return nil // those who wait for it return its error
	})
}

// begin has the client begin after what is to be settled, or at the head.
func (m *member) begin(_ context.Context, topics map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	for p, o := range topics[m.cfg.Kafka.Topic] {
		// A negative one says that nothing is committed.
		if at, end := o.EpochOffset().Offset, m.owned.end(p); end > max(at, 0) {
			topics[m.cfg.Kafka.Topic][p] = kgo.NewOffset().At(end)
		}
	}
	return topics, nil
}

// makeReady settles the partition and hands it to its lane. The reading's state
// is what is committed, and then what is settled.
func (m *member) makeReady(ctx context.Context, r *reading, history *pasts) (err error) {
	partition := r.partition
	select {
	case <-history.known:
	case <-ctx.Done():
		return nil
	}
	if history.err != nil {
		return fmt.Errorf("what is stored of p%d: %w", partition, history.err)
	}
	select {
	case m.settling <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	l := m.laneOf(partition)
	s := m.settlementOf(partition, r.epoch, history.of[partition])
	r.state, err = s.settle(ctx, r.state)
	err = errors.Join(err, s.store.sink.Close())
	<-m.settling
	if err != nil {
		return err
	}
	r.head = max(r.head, r.state.End())
	t := &tenant{epoch: r.epoch, window: s.past.windowAt(r.head), next: r.head, waits: true, resume: func() {
		m.client.ResumeFetchPartitions(map[string][]int32{m.cfg.Kafka.Topic: {partition}})
	}}
	if s.found.Gap = r.left(r.state); s.found.Gap > 0 {
		t.behind(r, s.past.window)
	} else {
		t.window.Unpair()
	}
	if err := l.tell(ctx, control{admit: map[int32]*tenant{partition: t}}); err != nil {
		return err
	}
	m.events.Settled(s.found)
	return nil
}

// revoked finishes what is decoded of the partitions, so that the next owner
// has nothing to settle. What is not stored within StopTimeout stays declared:
// other partitions of this node share its batches, so the membership ends.
func (m *member) revoked(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	// To leave the group revokes once more what a stop has given up.
	partitions := slices.DeleteFunc(topics[m.cfg.Kafka.Topic], func(p int32) bool { return m.owned.epoch(p) == 0 })
	if len(partitions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(m.deadline, m.cfg.StopTimeout, errStopTimeout(m.cfg.StopTimeout))
	defer cancel()
	if err := m.release(ctx, partitions, SealedByRevoke); err != nil && !errors.Is(err, errLaneEnded) {
		m.end(fmt.Errorf("%w: partitions %v are given up: %w", errDoubt, partitions, err))
	}
	m.owned.drop(partitions)
	m.events.Revoked(partitions)
}

// lost ends the membership: the partitions may already be another node's, and
// what of them is in flight can confirm nothing.
func (m *member) lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	partitions := topics[m.cfg.Kafka.Topic]
	if len(partitions) == 0 {
		return
	}
	m.owned.drop(partitions)
	m.events.Lost(partitions)
	m.end(fmt.Errorf("%w: Kafka took partitions %v away: this node was not heard of for kafka.session_timeout, or Kafka not by it", errDoubt, partitions))
}

// stop finishes everything and leaves the group.
func (m *member) stop() error {
	partitions := m.owned.list()
	err := m.release(m.deadline, partitions, SealedByStop)
	m.owned.drop(partitions)
	m.events.Revoked(partitions)
	m.client.CloseAllowingRebalance()
	if m.alive.Err() != nil {
		return nil //nolint:nilerr // the membership ended of an error, which its goroutine returns
	}
	return err
}

func errStopTimeout(d time.Duration) error {
	return fmt.Errorf("stop_timeout is %v and over", d)
}

// release makes the lanes stop decoding the partitions, store what is decoded
// and commit it; all lanes at once, since each may have to wait for ClickHouse.
func (m *member) release(ctx context.Context, partitions []int32, cause SealCause) error {
	m.owned.ending(partitions)
	errs := make(chan error, len(m.lanes))
	for _, l := range m.lanes {
		go func() { errs <- l.tell(ctx, control{release: m.only(l, partitions), cause: cause, wait: ctx}) }()
	}
	var all error
	for range m.lanes {
		all = errors.Join(all, <-errs)
	}
	return all
}

// only returns those of the partitions that are the lane's.
func (m *member) only(l *lane, partitions []int32) []int32 {
	var mine []int32
	for _, p := range partitions {
		if m.laneOf(p) == l {
			mine = append(mine, p)
		}
	}
	return mine
}
