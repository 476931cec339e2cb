package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// replayLock is what one replay of a group holds: two that store letters of other
// selections at once would use other tokens for the same record.
//
// It is a member of a consumer group that reads nothing. Whoever joins sees all
// who joined before; only one that sees nobody else goes on. A replay that Kafka
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

// lockReplay waits until no other replay is at work, for as long as Kafka takes to
// notice that one was killed.
func lockReplay(ctx context.Context, cfg Kafka) (*replayLock, error) {
	patience := cfg.SessionTimeout*2 + time.Second
	waiting, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("nothing changed within %v; wait until it has ended, or end it", patience))
	defer cancel()
	for {
		lock, err := tryLockReplay(waiting, cfg)
		if !errors.Is(err, errOtherReplay) {
			return lock, err
		}
		select { // at random, so that two that wait for each other do not for long
		case <-time.After(rand.N(time.Second)):
		case <-waiting.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(waiting))
		}
	}
}

// joinPause is between two looks at whether the group has let the replay in.
const joinPause = 20 * time.Millisecond

func tryLockReplay(ctx context.Context, cfg Kafka) (_ *replayLock, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.ClientID("penstock-dlq"),
		kgo.ConsumeTopics(cfg.DeadLetters()), kgo.ConsumerGroup(cfg.replayGroup()), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(cfg.SessionTimeout), kgo.HeartbeatInterval(min(heartbeat, cfg.SessionTimeout/4)))
	if err != nil {
		return nil, fmt.Errorf("kafka.brokers %v: %w", cfg.Brokers, err)
	}
	client.PauseFetchTopics(cfg.DeadLetters())
	l := &replayLock{client: client, admin: kadm.NewClient(client), group: cfg.replayGroup()}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	for {
		if l.member, _ = client.GroupMetadata(); l.member != "" {
			members, err := l.members(ctx)
			if err != nil {
				return nil, err
			}
			if in := func(m kadm.DescribedGroupMember) bool { return m.MemberID == l.member }; slices.ContainsFunc(members, in) {
				if others := slices.DeleteFunc(members, in); len(others) > 0 {
					return nil, fmt.Errorf("%w: a member of group %s at %s", errOtherReplay, l.group, others[0].ClientHost)
				}
				return l, nil
			}
		}
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("join group %s: %w", l.group, context.Cause(ctx))
		}
	}
}

func (l *replayLock) members(ctx context.Context) ([]kadm.DescribedGroupMember, error) {
	groups, err := l.admin.DescribeGroups(ctx, l.group)
	if err == nil {
		err = groups.Error()
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
	if !slices.ContainsFunc(members, func(m kadm.DescribedGroupMember) bool { return m.MemberID == l.member }) {
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
