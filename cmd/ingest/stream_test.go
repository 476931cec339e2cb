package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"penstock/ops/settings"
)

const fleet = `kafka:
  brokers: [kafka-1:9092]
  group: fleet
clickhouse:
  addr: clickhouse-1:9000
memory: 4GiB
lanes: 8
dedup: {blocks: 1_000_000}
`

func loadText(t *testing.T, text string, set ...string) ([]streamConfig, error) {
	t.Helper()
	_, all, err := loadStreams(settings.Sources{File: write(t, text), Set: set})
	return all, err
}

// What streams share is divided by their shares, to the last of it: what a node
// is given does not depend on how many topics it reads.
func TestStreamsDivideTheNode(t *testing.T) {
	f := func(name, text string, want ...string) {
		t.Helper()
		all, err := loadText(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got []string
		for _, s := range all {
			p := s.Pipeline
			got = append(got, fmt.Sprintf("%s: %s %s %s, %d MiB, %d lanes of %d", s.name, p.Kafka.Topic, p.Kafka.Group, p.Kafka.DeadLetters(), p.Memory>>20, p.Lanes, p.Dedup.Blocks))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f("a flat config is one", fleet+"kafka.topic: telemetry\n", "telemetry: telemetry fleet telemetry.dead, 4096 MiB, 8 lanes of 1000000")
	f("equals", fleet+"streams: {a: {}, b: {kafka: {topic: other}}}\n",
		"a: a fleet-a a.dead, 2048 MiB, 4 lanes of 1000000", "b: other fleet-b other.dead, 2048 MiB, 4 lanes of 1000000")
	f("by share", fleet+"streams: {a: {share: 3}, b: {}}\n",
		"a: a fleet-a a.dead, 3072 MiB, 6 lanes of 1000000", "b: b fleet-b b.dead, 1024 MiB, 2 lanes of 1000000")
	f("more streams than lanes", strings.Replace(fleet, "lanes: 8", "lanes: 1", 1)+"streams: {a: {}, b: {}}\n",
		"a: a fleet-a a.dead, 2048 MiB, 1 lanes of 500000", "b: b fleet-b b.dead, 2048 MiB, 1 lanes of 500000")
	f("one has its own", fleet+"streams: {a: {memory: 1GiB, lanes: 1, dedup: {blocks: 2000}}, b: {share: 2}, c: {}}\n",
		"a: a fleet-a a.dead, 1024 MiB, 1 lanes of 2000", "b: b fleet-b b.dead, 2048 MiB, 4 lanes of 1000000", "c: c fleet-c c.dead, 1024 MiB, 2 lanes of 1000000")
	f("one of them alone", fleet+"stream: b\nstreams: {a: {share: 3}, b: {}}\n", "b: b fleet-b b.dead, 4096 MiB, 8 lanes of 1000000")
}

func TestFaultsOfStreams(t *testing.T) {
	f := func(name, want, text string, set ...string) {
		t.Helper()
		_, err := loadText(t, text, set...)
		if err == nil || err.Error() != "config:\n"+want {
			t.Errorf("%s: got\n%v\nwant\n%s", name, err, want)
		}
	}
	f("outside of them, said once", "kafka.session_timeout is 10ms; want at least 1s, or every pause is taken for a death\nstreams.b.batch.rows is 0; want at least 1",
		fleet+"kafka.session_timeout: 10ms\nstreams: {a: {}, b: {batch: {rows: 0}}}\n")
	f("a topic beside them", `kafka.topic is "t" beside streams; make it streams.NAME.kafka.topic`, fleet+"kafka.topic: t\nstreams: {a: {}}\n")
	f("one group", `streams.b.kafka.group is "g", as that of the stream a; give each its own: members of one group read the same topic`,
		fleet+"streams: {a: {kafka: {group: g}}, b: {kafka: {group: g}}}\n")
	f("one dead-letter topic", `streams.b.kafka.dead_letter_topic is "dead", as that of the stream a; give each its own: dead letters go back where they came from`,
		fleet+"kafka.dead_letter_topic: dead\nstreams: {a: {}, b: {}}\n")
	f("no weight", "streams.a.share is 0; want 1 to 1000", fleet+"streams: {a: {share: 0, memory: 1GiB, lanes: 1, dedup.blocks: 2}, b: {}}\n")
	f("no such stream", `stream is "c"; want one of a, b, or nothing for all of them`, fleet+"streams: {a: {}, b: {}}\n", "stream=c")
	f("none by that name", `stream is "c"; want one of telemetry, or nothing for all of them`, fleet+"kafka.topic: telemetry\nstream: c\n")
	f("more than there is", "memory is 4294967296 bytes, and the streams' own are 6442450944 in all; raise it, or lower theirs",
		fleet+"streams: {a: {memory: 3GiB}, b: {memory: 3GiB}}\n")
}

// Commands that are for one stream ask which, and take what it has.
func TestOneOfTheStreams(t *testing.T) {
	text := fleet + "streams: {a: {schema: a.yaml}, b: {schema: b.yaml}}\n"
	if _, err := load(settings.Sources{File: write(t, text)}); err == nil || !strings.Contains(err.Error(), "name it with --stream: a, b") {
		t.Errorf("got %v", err)
	}
	cfg, err := load(settings.Sources{File: write(t, text), Set: []string{"stream=b"}})
	if err != nil || cfg.Schema != "b.yaml" || cfg.Pipeline.Kafka.Topic != "b" || cfg.Pipeline.Memory != 4<<30 {
		t.Errorf("got %+v, %v", cfg, err)
	}
	cmd := command(&bytes.Buffer{})
	cmd.SetArgs([]string{"schema", "proto", "--config", write(t, text), "--stream", "b"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "b.yaml") {
		t.Errorf("the schema of another stream was opened: %v", err)
	}
}

// What is stored is known by partition and offset: of two topics in one table it
// would be known of neither.
func TestStreamsShareNoTable(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		all, err := loadText(t, fleet+text)
		if err == nil {
			_, err = open(all)
		}
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f("streams: {a: {}, b: {}}\n", "streams a and b both have the table default.telemetry")
	f("streams: {a: {}, b: {clickhouse: {database: other}}}\n", "<nil>")
	f("streams: {a: {schema: /none.yaml}, b: {}}\n", "stream a: ")
}

// TestAStreamThatStops: a fault of one stream ends the node with the stream's
// name, while the other waits for a ClickHouse that is away.
func TestAStreamThatStops(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "there", "there.dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg, all, err := loadStreams(settings.Sources{Set: []string{
		"kafka.brokers=" + cluster.ListenAddrs()[0], "clickhouse.addr=127.0.0.1:1", "admin.addr=127.0.0.1:0",
		"streams.good.kafka.topic=there", "streams.bad.kafka.topic=gone", "streams.bad.clickhouse.database=other",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = run(ctx, cfg, all, &log)
	if err == nil || !strings.HasPrefix(err.Error(), "stream bad: ") || !strings.Contains(err.Error(), "kafka.topic gone") || strings.Contains(err.Error(), "stream good") {
		t.Errorf("the node ended with %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the node did not end for it")
	}
	if got := log.String(); !strings.Contains(got, "stream=good") || !strings.Contains(got, "stream=bad") {
		t.Errorf("the log does not name the streams:\n%s", got)
	}
}
