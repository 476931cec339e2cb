package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"penstock/pipeline/intent"
)

// errDoubt: what this member of the group holds may be another's by now. Nothing
// it has in flight confirms anything any more; the node leaves, joins as a new
// member, and settles what it is given by what Kafka and the receipts say.
var errDoubt = errors.New("ownership is in doubt")

// statement is what is committed of one partition.
type statement struct {
	state       intent.State
	epoch       uint64 // of the ownership under which it holds
	leaderEpoch int32  // of the last record it accounts for; -1 if not known
}

// committer writes statements to the consumer group.
//
// It does not use the Kafka client's own commit, which waits while the member
// joins a group: as long as its slowest member takes, or as a dead one is
// missed. The coordinator accepts commits all that time, and without a commit
// there is no insert. What the client's wait protects from, a commit of a past
// generation, is refused by Kafka and repeated.
type committer struct {
	client *kgo.Client
	topic  string
	group  string
	owned  *ownership
	again  persistence
}

// commitVersions keeps offset commits at the last version that names topics; in
// later ones they have an id, which only the client knows.
func commitVersions() *kversion.Versions {
	v := kversion.Tip()
	v.SetMaxKeyVersion(kmsg.OffsetCommit.Int16(), 9)
	return v
}

// put commits the statements, all or none of them as far as the node is
// concerned: it returns nil when Kafka accepted every one. Otherwise it goes on
// until ctx ends or the error is errDoubt, or one that a person has to mend.
//
// One commit of a partition is under way at a time, and none is cancelled while
// its answer may come: a repetition on another connection could overtake it.
func (c *committer) put(ctx context.Context, all map[int32]statement) error {
	if len(all) == 0 {
		return nil
	}
	_, err := c.again.do(ctx, func(ctx context.Context) error { return c.attempt(ctx, all) })
	if err != nil {
		return fmt.Errorf("commit %d partitions of group %s: %w", len(all), c.group, err)
	}
	return nil
}

func (c *committer) attempt(ctx context.Context, all map[int32]statement) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	// The membership is read before ownership is looked at, which knows as which
	// member a partition was given: never is what one member read committed as
	// another.
	req.MemberID, req.Generation = c.client.GroupMetadata()
	req.Group = c.group
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = c.topic
	epochs := make(map[int32]uint64, len(all))
	for p, s := range all {
		epochs[p] = s.epoch
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch = p, s.state.Offset, s.leaderEpoch
		part.Metadata = kmsg.StringPtr(s.state.Metadata())
		topic.Partitions = append(topic.Partitions, part)
	}
	if !c.owned.current(epochs, req.MemberID) {
		return errDoubt
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s p%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}
