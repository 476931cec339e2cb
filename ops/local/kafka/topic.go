package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// CreateTopic creates a topic with one replica and waits until the broker knows
// it. It is content with one that is there.
func CreateTopic(ctx context.Context, brokers []string, topic string, partitions int32, config map[string]*string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(ctx, partitions, 1, config, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	// The controller has the topic; the broker gets to know it a moment later,
	// and until then calls it unknown.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		known, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return fmt.Errorf("look for topic %s: %w", topic, err)
		}
		if known.Error() == nil && len(known[topic].Partitions) > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("topic %s was created and is still unknown: %w", topic, context.Cause(ctx))
		}
	}
}
