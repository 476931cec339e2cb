package loadtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// preloadCluster is a Kafka with an empty topic of 4 partitions.
func preloadCluster(t *testing.T) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "telemetry"),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(16 << 20)}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

// readAll reads what a topic was filled with.
func readAll(t *testing.T, brokers []string, p Preloaded) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(p.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var all []*kgo.Record
	for uint64(len(all)) < p.Records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(all), p.Records, err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

// TestPreload: what is said to be in the topic is what a reader finds there, and
// the rows that have to be stored are.
func TestPreload(t *testing.T) {
	f := func(name string, change func(*PreloadConfig)) {
		t.Run(name, func(t *testing.T) {
			c := DefaultPreload()
			c.Brokers, c.Records, c.Devices, c.Run = preloadCluster(t), 3000, 200, "test"
			change(&c)
			p, err := Preload(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			decoder, block := schema.NewDecoder(schema.Telemetry(), c.Encoding, schema.DefaultMaxRecordBytes), schema.NewBlock(schema.Telemetry())
			seen := map[schema.Identity]bool{}
			spans := map[int32]Span{}
			var bytes, repeated, rejected uint64
			for _, k := range readAll(t, c.Brokers, p) {
				bytes += uint64(len(k.Value))
				span := spans[k.Partition]
				span.Next = max(span.Next, k.Offset+1)
				spans[k.Partition] = span
				if k.Timestamp.After(time.Now()) {
					t.Fatalf("a record of %v", k.Timestamp)
				}
				key, err := decoder.Decode(schema.Record{Time: k.Timestamp.UnixMilli(), Value: k.Value}, block)
				switch {
				case err != nil:
					rejected++
				case seen[key.Identity]:
					repeated++
				}
				if err == nil {
					seen[key.Identity] = true
				}
			}
			if p.Records != 3000 || p.Bytes != bytes || p.Rows != uint64(len(seen)) || p.Resent != repeated || p.Rejected != rejected {
				t.Errorf("said %+v; read %d bytes, %d identities, %d repeated, %d rejects", p, bytes, len(seen), repeated, rejected)
			}
			if fmt.Sprint(p.Partitions) != fmt.Sprint(spans) {
				t.Errorf("said %v, read %v", p.Partitions, spans)
			}
			if want := 4; c.Key == "" && len(spans) != want || c.Key != "" && len(spans) != 1 {
				t.Errorf("records are in %d partitions", len(spans))
			}
		})
	}
	f("json", func(*PreloadConfig) {})
	f("protobuf", func(c *PreloadConfig) { c.Encoding = schema.Protobuf })
	f("one key", func(c *PreloadConfig) { c.Key = "whale" })
	f("unusual records", func(c *PreloadConfig) {
		c.Rate = 1000 // resends are 0.1 s after what they repeat
		c.Shares = Shares{Resend: 0.05, Late: 0.05, Malformed: 0.02}
	})
}

func TestPreloadIsOfOneDay(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	f := func(now time.Time, lasted time.Duration, want time.Time) {
		t.Helper()
		if got := preloadStart(now, lasted); !got.Equal(want) {
			t.Errorf("%v of records by %v begin at %v, want %v", lasted, now, got, want)
		}
	}
	f(day.Add(12*time.Hour), time.Minute, day.Add(12*time.Hour-time.Minute))
	f(day.Add(20*time.Second), time.Minute, day.Add(-time.Minute))
	f(day.Add(time.Minute), time.Minute, day)
	// What is longer than a day is on several whatever one does.
	f(day.Add(time.Hour), 25*time.Hour, day.Add(-24*time.Hour))
}

// TestPreloadOffline: what devices kept comes to Kafka when it is sent, and no
// faster than it may.
func TestPreloadOffline(t *testing.T) {
	c := DefaultPreload()
	c.Brokers, c.Records, c.Rate, c.Offline, c.Pace, c.Devices, c.Run = preloadCluster(t), 3600, 1, true, 3600, 20, "test"
	began := time.Now()
	p, err := Preload(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// What is beyond the first step has to wait.
	if least := float64(c.Records-2*preloadStep) / float64(c.Pace); p.Seconds < least {
		t.Errorf("it took %.2f s; at %d/s it takes %.2f s", p.Seconds, c.Pace, least)
	}
	decoder, block := schema.NewDecoder(schema.Telemetry(), c.Encoding, schema.DefaultMaxRecordBytes), schema.NewBlock(schema.Telemetry())
	oldest := began
	for _, k := range readAll(t, c.Brokers, p) {
		if k.Timestamp.Before(began.Truncate(time.Millisecond)) {
			t.Fatalf("a record of %v, before it was sent", k.Timestamp)
		}
		key, err := decoder.Decode(schema.Record{Time: k.Timestamp.UnixMilli(), Value: k.Value}, block)
		if err != nil {
			t.Fatal(err)
		}
		if at := time.UnixMilli(key.Time); at.Before(oldest) {
			oldest = at
		}
	}
	if kept := began.Sub(oldest); kept < 59*time.Minute {
		t.Errorf("the oldest reading is %v old; want about an hour", kept)
	}
}

func TestPreloadValidate(t *testing.T) {
	c := DefaultPreload()
	c.Records, c.Pace, c.Devices, c.Topic, c.Encoding = 0, -1, 0, "", "avro"
	err := c.Validate()
	for _, want := range []string{"count is 0", "pace is -1", "devices is 0", "topic is empty", `encoding is "avro"`, "brokers is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}
