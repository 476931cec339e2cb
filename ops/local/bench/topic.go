package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"penstock/ops/local/kafka"
)

// topic is a topic filled with events of one encoding.
type topic struct {
	name string
	// content is what loadtest says it has put there.
	content preloaded
}

// preloaded is the part of loadtest's report that a bench needs.
type preloaded struct {
	Records    uint64         `json:"records"`
	Bytes      uint64         `json:"bytes"`
	Rows       uint64         `json:"rows"`
	Partitions map[int32]span `json:"partitions"`
}

// span is the offsets [First, Next) of a partition.
type span struct {
	First int64 `json:"first"`
	Next  int64 `json:"next"`
}

// topic returns the topic of an encoding; it is filled when it is first asked
// for.
func (s *session) topic(ctx context.Context, encoding string) (topic, error) {
	if t, ok := s.topics[encoding]; ok {
		return t, nil
	}
	t := topic{name: "bench." + encoding}
	a := s.stack.Addresses()
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, t.name, partitions, nil); err != nil {
		return t, err
	}
	report := filepath.Join(a.State, "preload-"+encoding+".json")
	err := s.call(ctx, "preload-"+encoding, "loadtest", "preload", "--brokers", a.Kafka.Brokers[0], "--topic", t.name,
		"--encoding", encoding, "--count", strconv.Itoa(s.cfg.Events), "--devices", strconv.Itoa(s.cfg.Devices), "--run", "bench", "--json", report)
	if err != nil {
		return t, err
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t.content); err != nil {
		return t, fmt.Errorf("%s: %w", report, err)
	}
	s.topics[encoding] = t
	s.step("topic %s holds %d events of %d bytes in %d partitions", t.name, t.content.Records, t.content.Bytes/max(1, t.content.Records), len(t.content.Partitions))
	return t, nil
}
