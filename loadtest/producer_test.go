package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// outcome is what a producer said of a batch.
type outcome struct {
	partition int32
	base      int64
	records   int
	err       error
}

// startProducer returns a producer of devices with ids of one digit, which runs
// until the test ends, and what it says.
func startProducer(t *testing.T, brokers []string) (*producer, *[]outcome, context.CancelCauseFunc) {
	t.Helper()
	client, err := newClient(brokers)
	if err != nil {
		t.Fatal(err)
	}
	said := &[]outcome{}
	p, err := newProducer(t.Context(), client, "telemetry", 10, func(device uint32) []byte { return fmt.Append(nil, device) },
		func(b *batch, base int64, err error) {
			*said = append(*said, outcome{b.partition, base, len(b.entries), err})
		})
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancelCause(t.Context())
	var done sync.WaitGroup
	done.Go(func() { p.run(ctx) })
	t.Cleanup(func() { p.close(); done.Wait(); giveUp(nil); client.Close() })
	return p, said, giveUp
}

// say adds a record whose key is its device and whose value is text.
func (p *producer) say(device uint32, at time.Time, text string) {
	p.add(record{event: event{device: device}}, at, fmt.Append(nil, device), []byte(text))
}

// readTopic returns the first n records of a topic, by partition.
func readTopic(t *testing.T, brokers []string, n int) map[int32][]*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("telemetry"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	all := map[int32][]*kgo.Record{}
	for n > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records are still to come: %v", n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[r.Partition] = append(all[r.Partition], r); n-- })
	}
	return all
}

// TestProducer: what a reader finds is what was sent, in its order, where Kafka's
// own clients would have put it and where the producer says it is.
func TestProducer(t *testing.T) {
	brokers := startKafka(t)
	p, said, _ := startProducer(t, brokers)
	type sent struct {
		value []byte
		at    int64
	}
	want := map[string][]sent{}
	n := 0
	add := func(device uint32, at time.Time, value []byte) {
		key := fmt.Append(nil, device)
		p.add(record{event: event{device: device}}, at, key, value)
		want[string(key)] = append(want[string(key)], sent{bytes.Clone(value), at.UnixMilli()})
		n++
	}
	noise := bytes.Repeat([]byte("bearing "), 2<<20/8)
	for i := range 3000 {
		device, at := uint32(i%10), testStart.Add(time.Duration(i)*time.Millisecond)
		switch i {
		case 17:
			add(device, at, nil)
		case 18:
			add(device, at, []byte{})
		case 1000:
			add(device, at, noise)
		case 1001:
			add(device, testStart, []byte("of an earlier time"))
		default:
			add(device, at, fmt.Append(nil, "reading ", i))
		}
		if i%500 == 0 {
			p.flush()
		}
	}
	p.flush()
	if len(p.open.batches[0].entries) > 0 || len(p.empty) != rounds-1 {
		t.Error("flush returned with something in flight")
	}

	hash := kgo.StickyKeyPartitioner(nil).ForTopic("telemetry")
	next := map[int32]int64{}
	for _, o := range *said {
		if o.err != nil || o.base != next[o.partition] {
			t.Errorf("of partition %d %d records are said to be at %d (%v), want %d", o.partition, o.records, o.base, o.err, next[o.partition])
		}
		next[o.partition] += int64(o.records)
	}
	got := map[string][]sent{}
	for partition, records := range readTopic(t, brokers, n) {
		if next[partition] != int64(len(records)) {
			t.Errorf("partition %d has %d records, it was said %d", partition, len(records), next[partition])
		}
		for _, r := range records {
			if int32(hash.Partition(&kgo.Record{Key: r.Key}, 4)) != partition {
				t.Errorf("device %s is in partition %d", r.Key, partition)
			}
			got[string(r.Key)] = append(got[string(r.Key)], sent{r.Value, r.Timestamp.UnixMilli()})
		}
	}
	for key, want := range want {
		if !slices.EqualFunc(got[key], want, func(a, b sent) bool {
			return bytes.Equal(a.value, b.value) && (a.value == nil) == (b.value == nil) && a.at == b.at
		}) {
			t.Errorf("device %s: %d records are read, and they are not the %d that were sent", key, len(got[key]), len(want))
		}
	}
}

// TestProducerRepeats: a batch that was not taken, or whose answer was lost, is
// sent again until there is one, and is in the topic once.
func TestProducerRepeats(t *testing.T) {
	cluster := startCluster(t)
	var mu sync.Mutex
	requests := 0
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		switch requests++; requests {
		case 1:
			return nil, errors.New("the connection breaks"), true
		case 2:
			return answerAll(request, kerr.NotLeaderForPartition), nil, true
		}
		return nil, nil, false
	})
	p, said, _ := startProducer(t, cluster.ListenAddrs())
	p.say(1, testStart, "once")
	p.say(2, testStart, "once")
	p.flush()
	if len(*said) == 0 || slices.ContainsFunc(*said, func(o outcome) bool { return o.err != nil || o.base != 0 }) || requests < 3 {
		t.Errorf("after %d requests: %+v", requests, *said)
	}

	// The broker has the next batch, and its answer did not arrive.
	p.say(1, testStart, "twice")
	b := &p.open.batches[p.partition[1]]
	b.seal(&p.frames, p.as, p.sequences[b.partition])
	if _, err := p.produce(t.Context(), p.leaders[b.partition], []*batch{b}); err != nil {
		t.Fatal(err)
	}
	p.flush()
	if last := (*said)[len(*said)-1]; last.err != nil || last.base != 1 {
		t.Errorf("the repetition: %+v", last)
	}
	p.say(1, testStart, "last")
	p.flush()
	var values []string
	for _, records := range readTopic(t, cluster.ListenAddrs(), 4) {
		for _, r := range records {
			values = append(values, string(r.Value))
		}
	}
	slices.Sort(values)
	if got := strings.Join(values, " "); got != "last once once twice" {
		t.Errorf("the topic has %s", got)
	}
}

// answerAll answers a produce request with one error.
func answerAll(request kmsg.Request, code *kerr.Error) kmsg.Response {
	produce := request.(*kmsg.ProduceRequest)
	response := produce.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range produce.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			said := kmsg.NewProduceResponseTopicPartition()
			said.Partition, said.ErrorCode = partition.Partition, code.Code
			answer.Partitions = append(answer.Partitions, said)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}

// TestProducerRefused: a batch the broker will never take is told so, and the
// next one has its sequence number.
func TestProducerRefused(t *testing.T) {
	cluster := startCluster(t)
	refuse := true
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if refuse {
			refuse = false
			return answerAll(request, kerr.InvalidRecord), nil, true
		}
		return nil, nil, false
	})
	p, said, _ := startProducer(t, cluster.ListenAddrs())
	p.say(1, testStart, "bad")
	p.flush()
	p.say(1, testStart, "good")
	p.flush()
	if len(*said) != 2 || !errors.Is((*said)[0].err, kerr.InvalidRecord) || (*said)[1].err != nil || (*said)[1].base != 0 {
		t.Errorf("%+v", *said)
	}
}

// TestProducerGivesUp: what no broker answers for is given up when it is told to.
func TestProducerGivesUp(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "telemetry"))
	if err != nil {
		t.Fatal(err)
	}
	p, said, giveUp := startProducer(t, cluster.ListenAddrs())
	cluster.Close()
	p.say(1, testStart, "never")
	enough := errors.New("enough")
	time.AfterFunc(2*produceAgain, func() { giveUp(enough) })
	p.flush()
	if len(*said) != 1 || !errors.Is((*said)[0].err, enough) {
		t.Errorf("%+v", *said)
	}
}

// TestSequencesBeginAgain: 2^31 records are a day of a busy partition.
func TestSequencesBeginAgain(t *testing.T) {
	f := func(sequence int32, n int, want int32) {
		t.Helper()
		if got := following(sequence, n); got != want {
			t.Errorf("%d records after %d comes %d, want %d", n, sequence, got, want)
		}
	}
	f(0, 1, 1)
	f(1<<31-2, 1, 1<<31-1)
	f(1<<31-1, 1, 0)
	f(1<<31-10, 15, 5)
}
