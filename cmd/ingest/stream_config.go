package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/schema"
)

// streamConfig is a topic and the tables its events go to. It begins as what is
// set outside of streams, but for what is its own.
type streamConfig struct {
	// Pipeline: of kafka, topic begins as the stream's name and group as the
	// node's with the name behind it: members of one group that read different
	// topics would rebalance each other. Lanes, memory and dedup.blocks begin as
	// 0, for the stream's share of the node's.
	Pipeline pipeline.Config `koanf:",squash"`
	// Schema is the file that describes the stream's event.
	Schema string `koanf:"schema"`
	// Share is the stream's weight where the node's lanes, memory and identities
	// are divided: twice the share is twice of each. Larger: the stream drains a
	// backlog sooner, and the others have fewer and smaller batches. The default
	// value is 1.
	Share int `koanf:"share"`

	name string
}

// maxShare keeps the sum of all shares from overflowing anything.
const maxShare = 1000

// beginStream returns what a stream begins as.
func (c *config) beginStream(name string) streamConfig {
	s := streamConfig{Pipeline: c.Pipeline, Schema: c.Schema, Share: 1, name: name}
	s.Pipeline.Kafka.Topic = name
	s.Pipeline.Kafka.Group += "-" + name
	s.Pipeline.Lanes, s.Pipeline.Memory, s.Pipeline.Dedup.Blocks = 0, 0, 0
	return s
}

// streams returns what the node runs, each with its part of the node's budget.
// A config that names no streams has one, of its topic's name.
func (c config) streams() ([]streamConfig, error) {
	names := c.Streams.Names()
	if len(names) == 0 {
		names = []string{c.Pipeline.Kafka.Topic}
	}
	if c.Stream != "" {
		if !slices.Contains(names, c.Stream) {
			return nil, fmt.Errorf("stream is %q; want one of %s, or nothing for all of them", c.Stream, strings.Join(names, ", "))
		}
		names = []string{c.Stream}
	}
	if len(c.Streams.Names()) == 0 {
		return []streamConfig{{Pipeline: c.Pipeline, Schema: c.Schema, Share: 1, name: names[0]}}, nil
	}
	all := make([]streamConfig, len(names))
	for i, name := range names {
		all[i] = c.Streams.Get(name)
	}
	divide(c.Pipeline, all)
	return all, nil
}

// divide gives the streams that have none of their own their shares of the
// node's lanes, memory and identities. What a stream has of its own of the
// memory is nobody else's.
func divide(node pipeline.Config, all []streamConfig) {
	memory, ofMemory, ofAll := node.Memory, 0, 0
	for _, s := range all {
		ofAll += s.Share
		memory -= s.Pipeline.Memory
		if s.Pipeline.Memory == 0 {
			ofMemory += s.Share
		}
	}
	identities := node.Dedup.Blocks * node.Lanes
	for i := range all {
		s := &all[i]
		if s.Pipeline.Memory == 0 {
			s.Pipeline.Memory = memory / int64(max(1, ofMemory)) * int64(s.Share)
		}
		if s.Pipeline.Lanes == 0 {
			s.Pipeline.Lanes = max(1, node.Lanes*s.Share/max(1, ofAll))
		}
		if s.Pipeline.Dedup.Blocks == 0 {
			s.Pipeline.Dedup.Blocks = identities / max(1, ofAll) * s.Share / max(1, s.Pipeline.Lanes)
		}
	}
}

// single returns the only stream.
func single(all []streamConfig) (streamConfig, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return streamConfig{}, fmt.Errorf("this is for one stream at a time; name it with --stream: %s", strings.Join(names, ", "))
}

// streamFaults reports every fault of the streams. What is wrong outside of
// them is reported as that, and not once more for each.
func (c config) streamFaults() error {
	if len(c.Streams.Names()) == 0 {
		_, err := c.streams()
		return errors.Join(c.Pipeline.Validate(), err)
	}
	node := c.Pipeline
	node.Kafka.Topic = "of each stream"
	outside := settings.Leaves(node.Validate())
	errs := slices.Clone(outside)
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Pipeline.Kafka.Topic == "", "kafka.topic is %q beside streams; make it streams.NAME.kafka.topic", c.Pipeline.Kafka.Topic)
	all, err := c.streams()
	if err != nil {
		errs = append(errs, err)
	}
	var own int64
	groups, letters := map[string]string{}, map[string]string{}
	for _, s := range all {
		own += s.Pipeline.Memory
		check(s.Share >= 1 && s.Share <= maxShare, "streams.%s.share is %d; want 1 to %d", s.name, s.Share, maxShare)
		for _, err := range settings.Leaves(s.Pipeline.Validate()) {
			if !slices.ContainsFunc(outside, func(o error) bool { return o.Error() == err.Error() }) {
				errs = append(errs, fmt.Errorf("streams.%s.%w", s.name, err))
			}
		}
		group, dead := s.Pipeline.Kafka.Group, s.Pipeline.Kafka.DeadLetters()
		check(groups[group] == "", "streams.%s.kafka.group is %q, as that of the stream %s; give each its own: members of one group read the same topic", s.name, group, groups[group])
		check(letters[dead] == "", "streams.%s.kafka.dead_letter_topic is %q, as that of the stream %s; give each its own: dead letters go back where they came from", s.name, dead, letters[dead])
		groups[group], letters[dead] = s.name, s.name
	}
	check(own <= c.Pipeline.Memory, "memory is %d bytes, and the streams' own are %d in all; raise it, or lower theirs", c.Pipeline.Memory, own)
	return errors.Join(errs...)
}

// open returns each stream's schema. Two streams never share a table: what is
// stored is known by partition and offset, of one topic.
func open(all []streamConfig) ([]*schema.Schema, error) {
	schemas := make([]*schema.Schema, len(all))
	taken := map[string]string{}
	for i, one := range all {
		s, err := schema.Open(one.Schema)
		if err != nil {
			return nil, one.named(err)
		}
		for _, table := range s.Relations() {
			table = one.Pipeline.ClickHouse.Database + "." + table
			if by, ok := taken[table]; ok {
				return nil, fmt.Errorf("streams %s and %s both have the table %s; give them schemas of different names, or a clickhouse.database each", by, one.name, table)
			}
			taken[table] = one.name
		}
		schemas[i] = s
	}
	return schemas, nil
}

// named says of which stream an error is.
func (s streamConfig) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stream %s: %w", s.name, err)
}
