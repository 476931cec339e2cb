package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// replayLock is what one replay of a group holds: two that store letters of other
// selections at once would use other tokens for the same record.
//
// It is a member of a consumer group that reads nothing. Whoever has joined sees
// all who joined before; only one that sees nobody else goes on. A replay that Kafka
// took for dead finds that it is no member any more.
type replayLock struct {
	client *kgo.Client
	admin  *kadm.Client
	group  string
	member string
}

// Group is the consumer group that a replay is the only member of.
func (k Kafka) replayGroup() string { return k.Group + ".replay" }

var errOtherReplay = errors.New("another replay is at work")

// lockPatience is how long another replay is waited for beside the time that Kafka
// takes to notice that one was killed.
const lockPatience = 15 * time.Second

// lockReplay waits until no other replay is at work, if that is soon.
func lockReplay(ctx context.Context, cfg Kafka) (*replayLock, error) {
	patience := cfg.SessionTimeout + lockPatience
	waiting, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it was waited for for %v; let it end, or end it", patience))
	defer cancel()
	for {
		lock, err := tryLockReplay(waiting, cfg)
		if !errors.Is(err, errOtherReplay) {
			return lock, err
		}
		select { // at random, so that two that wait do not join together again
		case <-time.After(rand.N(2 * time.Second)):
		case <-waiting.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(waiting))
		}
	}
}

// joinPause is between two looks at whether the group has let the replay in.
const joinPause = 20 * time.Millisecond

func tryLockReplay(ctx context.Context, cfg Kafka) (*replayLock, error) {
	l := &replayLock{group: cfg.replayGroup()}
	if err := l.open(cfg.Options("penstock-dlq")...); err != nil {
		return nil, err
	}
	// Whoever joins has all others join anew, which waits for those that are dead:
	// so not while there are any.
	if err := l.alone(ctx); err != nil {
		l.client.Close()
		return nil, err
	}
	l.client.Close()
	if err := l.open(cfg.Options("penstock-dlq", kgo.ConsumeTopics(cfg.DeadLetters()), kgo.ConsumerGroup(l.group), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(cfg.SessionTimeout), kgo.HeartbeatInterval(min(heartbeat, cfg.SessionTimeout/4)))...); err != nil {
		return nil, err
	}
	l.client.PauseFetchTopics(cfg.DeadLetters())
	err := l.join(ctx)
	if err == nil {
		err = l.alone(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func (l *replayLock) open(opts ...kgo.Opt) error {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	l.client, l.admin = client, kadm.NewClient(client)
	return nil
}

// join waits until the replay is a member.
func (l *replayLock) join(ctx context.Context) error {
	for {
		if l.member, _ = l.client.GroupMetadata(); l.member != "" {
			members, err := l.members(ctx)
			if err != nil || slices.ContainsFunc(members, l.is) {
				return err
			}
		}
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
			return fmt.Errorf("join group %s: %w", l.group, context.Cause(ctx))
		}
	}
}

// is reports whether the member is this replay.
func (l *replayLock) is(m kadm.DescribedGroupMember) bool { return m.MemberID == l.member }

// alone is an error if there is another member.
func (l *replayLock) alone(ctx context.Context) error {
	members, err := l.members(ctx)
	if others := slices.DeleteFunc(members, l.is); len(others) > 0 {
		return fmt.Errorf("%w: a member of group %s at %s", errOtherReplay, l.group, others[0].ClientHost)
	}
	return err
}

func (l *replayLock) members(ctx context.Context) ([]kadm.DescribedGroupMember, error) {
	groups, err := l.admin.DescribeGroups(ctx, l.group)
	if err == nil {
		err = groups.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("members of group %s: %w", l.group, err)
	}
	return groups[l.group].Members, nil
}

// held is an error unless the replay is still the member it was.
func (l *replayLock) held(ctx context.Context) error {
	members, err := l.members(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(members, l.is) {
		return fmt.Errorf("group %s took this replay for dead, and another may be at work; replay again: what is stored stays so", l.group)
	}
	return nil
}

// release lets another replay begin.
func (l *replayLock) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	defer l.client.Close()
	if err := l.client.LeaveGroupContext(ctx); err != nil {
		return fmt.Errorf("leave group %s: %w", l.group, err)
	}
	return nil
}
