package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The three callbacks run in the Kafka client's goroutine, never while a poll
// is being handed out (BlockRebalanceOnPoll).

// assigned gives new partitions to their lanes.
func (n *Node) assigned(_ context.Context, client *kgo.Client, topics map[string][]int32) {
	partitions := topics[n.cfg.Kafka.Topic]
	if len(partitions) == 0 {
		return
	}
	for _, l := range n.lanes {
		mine := n.only(l, partitions)
		for _, p := range mine {
			n.owned.take(p)
		}
		if err := l.tell(n.deadline, control{assign: mine}); err != nil {
			return // the node is stopping
		}
		l.queue.admit(func(pause bool) {
			if pause {
				client.PauseFetchPartitions(map[string][]int32{n.cfg.Kafka.Topic: mine})
			} else { // they may have been paused when last owned
				client.ResumeFetchPartitions(map[string][]int32{n.cfg.Kafka.Topic: mine})
			}
		})
	}
	n.events.Assigned(partitions)
}

// revoked finishes what is decoded of the partitions, so that the next owner
// begins where this one ended. What is not stored within StopTimeout the next
// owner reads again.
func (n *Node) revoked(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	partitions := topics[n.cfg.Kafka.Topic]
	if len(partitions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(n.deadline, n.cfg.StopTimeout, errStopTimeout(n.cfg.StopTimeout))
	defer cancel()
	if err := n.release(ctx, partitions, SealedByRevoke); err != nil && !errors.Is(err, errLaneEnded) {
		n.events.CommitFailed(err)
	}
	n.disown(partitions)
	n.events.Revoked(partitions)
}

// lost drops partitions that may already be another node's: nothing of them is
// committed any more, and nothing is waited for.
func (n *Node) lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	partitions := topics[n.cfg.Kafka.Topic]
	if len(partitions) == 0 {
		return
	}
	n.disown(partitions)
	for _, l := range n.lanes {
		if err := l.tell(n.deadline, control{release: n.only(l, partitions), cause: SealedByRevoke}); err != nil {
			break // the node is stopping
		}
	}
	n.events.Lost(partitions)
}

// stop finishes everything and leaves the group.
func (n *Node) stop(lanes context.Context) error {
	err := n.release(n.deadline, n.owned.list(), SealedByStop)
	n.disown(n.owned.list())
	n.client.CloseAllowingRebalance()
	if lanes.Err() != nil {
		return nil //nolint:nilerr // a lane ended of an error, which its goroutine returns
	}
	return err
}

func errStopTimeout(d time.Duration) error {
	return fmt.Errorf("stop_timeout is %v and over", d)
}

// release makes the lanes stop decoding the partitions, store what is decoded
// and commit it; all lanes at once, since each may have to wait for ClickHouse.
func (n *Node) release(ctx context.Context, partitions []int32, cause SealCause) error {
	errs := make(chan error, len(n.lanes))
	for _, l := range n.lanes {
		go func() { errs <- l.tell(ctx, control{release: n.only(l, partitions), cause: cause, wait: ctx}) }()
	}
	var all error
	for range n.lanes {
		all = errors.Join(all, <-errs)
	}
	return all
}

func (n *Node) disown(partitions []int32) {
	for _, p := range partitions {
		n.owned.drop(p)
	}
}

// only returns those of the partitions that are the lane's.
func (n *Node) only(l *lane, partitions []int32) []int32 {
	var mine []int32
	for _, p := range partitions {
		if n.laneOf(p) == l {
			mine = append(mine, p)
		}
	}
	return mine
}
