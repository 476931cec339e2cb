package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
	"penstock/pipeline/intent"
)

// source is Kafka: the topic, the group's commits and the dead letters.
type source struct {
	cfg   pipeline.Kafka
	admin *kadm.Client
}

func openSource(cfg pipeline.Kafka) (*source, error) {
	client, err := kgo.NewClient(cfg.Options("penstock-audit")...)
	if err != nil {
		return nil, fmt.Errorf("kafka.brokers %v: %w", cfg.Brokers, err)
	}
	return &source{cfg: cfg, admin: kadm.NewClient(client)}, nil
}

func (s *source) close() { s.admin.Close() }

// commits returns what the group has committed. A commit whose metadata is not
// a node's is its offset and no more; a note says so.
func (s *source) commits(ctx context.Context) (states map[int32]intent.State, notes []string, err error) {
	offsets, err := s.admin.FetchOffsets(ctx, s.cfg.Group)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the offsets of group %s at %v: %w", s.cfg.Group, s.cfg.Brokers, err)
	}
	states = map[int32]intent.State{}
	for p, o := range offsets[s.cfg.Topic] {
		if o.At < 0 {
			continue
		}
		state, err := intent.Parse(o.At, o.Metadata)
		if err != nil {
			state = intent.State{Offset: o.At}
			notes = append(notes, fmt.Sprintf("p%d: the commit's metadata is not understood, so only its offset %d counts: %v", p, o.At, err))
		}
		states[p] = state
	}
	return states, notes, nil
}

// offsets are the offsets of a topic's partitions.
type offsets map[int32]int64

// at returns the first offsets at or after a time.
func (s *source) at(ctx context.Context, topic string, at time.Time) (offsets, error) {
	return s.listed(topic)(s.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic))
}

func (s *source) starts(ctx context.Context, topic string) (offsets, error) {
	return s.listed(topic)(s.admin.ListStartOffsets(ctx, topic))
}

func (s *source) ends(ctx context.Context, topic string) (offsets, error) {
	return s.listed(topic)(s.admin.ListEndOffsets(ctx, topic))
}

func (s *source) listed(topic string) func(kadm.ListedOffsets, error) (offsets, error) {
	return func(listed kadm.ListedOffsets, err error) (offsets, error) {
		if err == nil {
			err = listed.Error()
		}
		if err == nil && len(listed[topic]) == 0 {
			err = kerr.UnknownTopicOrPartition
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("topic %s at %v: %w; correct kafka.topic or kafka.dead_letter_topic, or create it", topic, s.cfg.Brokers, err)
		}
		if err != nil {
			return nil, fmt.Errorf("list the offsets of topic %s at %v: %w", topic, s.cfg.Brokers, err)
		}
		all := offsets{}
		for p, o := range listed[topic] {
			all[p] = o.Offset
		}
		return all, nil
	}
}

// idle is how long Kafka may deliver nothing of what it should have.
const idle = 15 * time.Second

var (
	// errGone is an offset below the start of Kafka's log.
	errGone = errors.New("kafka no longer has it")
	// errSilent is a log that ends before its end.
	errSilent = fmt.Errorf("kafka delivered nothing within %v", idle)
)

// read visits the records of a range of a partition in their order. The range
// ends at or below the end of the log.
//
// A client serves one range: one that is told to read elsewhere may still hand
// out what it had fetched, and a record that is skipped here would be taken for
// one that does not exist.
func (s *source) read(ctx context.Context, topic string, partition int32, of Range, visit func(*kgo.Record)) error {
	if of.Count() <= 0 {
		return nil
	}
	client, err := kgo.NewClient(s.cfg.Options("penstock-audit",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(of.First)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset out of range is a record that is gone
		kgo.KeepControlRecords(), // they have offsets too, and one may be the last
		kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("kafka.brokers %v: %w", s.cfg.Brokers, err)
	}
	defer client.Close()
	for at := of.First; at < of.Next; {
		polling, cancel := context.WithTimeout(ctx, idle)
		fetches := client.PollFetches(polling)
		cancel()
		for record := range fetches.RecordsAll() {
			if record.Offset < of.Next {
				visit(record)
			}
			at = record.Offset + 1
		}
		err := fetches.Err()
		switch {
		case at >= of.Next:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, kerr.OffsetOutOfRange):
			return fmt.Errorf("read %s p%d@%d: %w: %w", topic, partition, at, errGone, err)
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("read %s p%d@%d: %w", topic, partition, at, errSilent)
		case err != nil:
			return fmt.Errorf("read %s p%d@%d: %w", topic, partition, at, err)
		}
	}
	return nil
}
