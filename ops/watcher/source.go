package watcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/canary"
	"penstock/pipeline"
	"penstock/pipeline/intent"
)

// source is a group and its topic in Kafka.
type source struct {
	cfg    pipeline.Kafka
	client *kgo.Client
	admin  *kadm.Client
	ledger ledger
}

// lookTimeout bounds a look at Kafka, or at ClickHouse.
const lookTimeout = 5 * time.Second

func openSource(cfg pipeline.Kafka, canaries canary.Config) (*source, error) {
	s := &source{cfg: cfg}
	client, err := s.newClient(canary.Options(canaries)...)
	if err != nil {
		return nil, err
	}
	s.client, s.admin = client, kadm.NewClient(client)
	return s, nil
}

func (s *source) newClient(opts ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(s.cfg.Options("penstock-watch", opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka.brokers %v: %w", s.cfg.Brokers, err)
	}
	return client, nil
}

func (s *source) close() { s.client.Close() }

// look looks at the group, and returns what that means.
func (s *source) look(ctx context.Context) (Group, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %v", lookTimeout))
	defer cancel()
	now, err := s.ask(ctx)
	if err != nil {
		return Group{}, err
	}
	for _, dates := range []struct {
		into *map[int32]dated
		want map[int32]int64
	}{{&s.ledger.nexts, s.ledger.undated(now)}, {&s.ledger.starts, s.ledger.undatedStarts(now)}} {
		found, err := s.dates(ctx, dates.want)
		if err != nil {
			return Group{}, err
		}
		date(dates.into, dates.want, found)
	}
	return s.ledger.group(now), nil
}

// ask asks for the offsets and for the group. Commits are read before ends: what comes
// in between is lag a moment too soon, and no commit is beyond its end.
func (s *source) ask(ctx context.Context) (look, error) {
	fail := func(what string, err error) error {
		return fmt.Errorf("kafka %v: %s: %w", s.cfg.Brokers, what, errors.Join(err, context.Cause(ctx)))
	}
	now := look{partitions: map[int32]position{}}
	commits, err := s.admin.FetchOffsets(ctx, s.cfg.Group)
	if err == nil {
		err = commits.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // which has not begun
		return look{}, fail("read the offsets of group "+s.cfg.Group, err)
	}
	starts, err := listed(s.admin.ListStartOffsets(ctx, s.cfg.Topic))
	if err != nil {
		return look{}, fail("list the first offsets of topic "+s.cfg.Topic, err)
	}
	ends, err := listed(s.admin.ListEndOffsets(ctx, s.cfg.Topic))
	if err != nil {
		return look{}, fail("list the end offsets of topic "+s.cfg.Topic, err)
	}
	now.at = time.Now()
	for _, end := range ends[s.cfg.Topic] {
		start, _ := starts.Lookup(s.cfg.Topic, end.Partition)
		now.partitions[end.Partition] = s.position(commits, start.Offset, end)
	}
	groups, err := s.admin.DescribeGroups(ctx, s.cfg.Group)
	if err == nil {
		err = groups.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return look{}, fail("describe group "+s.cfg.Group, err)
	}
	now.members = len(groups[s.cfg.Group].Members)
	return now, nil
}

// listed is what was listed, of which any fault is one of all.
func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = offsets.Error()
	}
	if err == nil && len(offsets) == 0 {
		err = kerr.UnknownTopicOrPartition
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		err = fmt.Errorf("%w; correct kafka.topic, or create it", err)
	}
	return offsets, err
}

func (s *source) position(commits kadm.OffsetResponses, start int64, end kadm.ListedOffset) position {
	p := position{start: start, end: end.Offset}
	commit, ok := commits.Lookup(s.cfg.Topic, end.Partition)
	if !ok || commit.At < 0 {
		return p
	}
	p.committed = true
	var err error
	if p.state, err = intent.Parse(commit.At, commit.Metadata); err != nil {
		p.state, p.note = intent.State{Offset: commit.At}, err.Error()
	}
	return p
}

const (
	// datesTimeout bounds how long records are read for their times. What was not read
	// by then is at the next look.
	datesTimeout = 2 * time.Second
	// dateBytes bounds what is read of a partition at once: Kafka gives whole batches.
	dateBytes = 64 << 10
)

// dates returns the times of the first records at or after offsets, of those partitions
// that had one within datesTimeout. A client serves one call: one that is told to read
// elsewhere may still hand out what it had fetched.
func (s *source) dates(ctx context.Context, want map[int32]int64) (map[int32]time.Time, error) {
	found := map[int32]time.Time{}
	if len(want) == 0 {
		return found, nil
	}
	from := map[int32]kgo.Offset{}
	for id, offset := range want {
		from[id] = kgo.NewOffset().At(offset)
	}
	client, err := s.newClient(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.cfg.Topic: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kgo.FetchMaxPartitionBytes(dateBytes), kgo.FetchMaxBytes(8<<20), kgo.FetchMaxWait(100*time.Millisecond), kgo.MaxConcurrentFetches(1))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, datesTimeout)
	defer cancel()
	settled, done := map[int32]bool{}, map[string][]int32{}
	for len(settled) < len(want) && ctx.Err() == nil {
		client.PollFetches(ctx).EachPartition(func(p kgo.FetchTopicPartition) {
			switch {
			case settled[p.Partition]:
				return
			case len(p.Records) > 0:
				found[p.Partition] = p.Records[0].Timestamp
			case p.Err == nil || ctx.Err() != nil:
				return
			}
			settled[p.Partition] = true // also what cannot be read, such as what was deleted just now
			done[p.Topic] = append(done[p.Topic], p.Partition)
		})
		client.PauseFetchPartitions(done)
	}
	return found, nil
}
