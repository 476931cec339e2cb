package loadtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// node stands in for the pipeline and its table: it reads the topic, stores
// each identity once in memory and writes dead letters. Its faults are set
// before it starts.
type node struct {
	client  *kgo.Client
	letters string
	// encoding of the topic; JSON if empty.
	encoding schema.Encoding
	decoder  *schema.Decoder
	block    *schema.Block

	keepResends bool // store resends too
	lose        func(device string, seq uint64) bool
	news        func(value []byte) (fieldsRow, bool) // what to store of the new fields; nil: nothing
	forgive     schema.Reason                        // write no dead letter for this reason
	again       bool                                 // write every dead letter twice

	mu     sync.Mutex
	table  memory
	stored map[schema.Identity]bool
	// offsets of the rows, by partition.
	offsets map[int32][]int64
}

func startNode(t *testing.T, brokers []string, n *node) *node {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("telemetry"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	n.client, n.letters = client, "telemetry.dead"
	n.decoder = schema.NewDecoder(schema.Telemetry(), cmp.Or(n.encoding, schema.JSON), schema.DefaultMaxRecordBytes)
	n.block = schema.NewBlock(schema.Telemetry())
	n.stored, n.offsets = map[schema.Identity]bool{}, map[int32][]int64{}
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { n.take(t, r) })
		}
	})
	t.Cleanup(func() { stop(); done.Wait(); client.Close() })
	return n
}

func (n *node) take(t *testing.T, r *kgo.Record) {
	key, err := n.decoder.Decode(schema.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Value: r.Value}, n.block)
	var rejection *schema.Rejection
	if errors.As(err, &rejection) {
		if rejection.Reason == n.forgive {
			return
		}
		letter := &kgo.Record{Topic: n.letters, Headers: []kgo.RecordHeader{
			{Key: headerReason, Value: []byte(rejection.Reason)},
			{Key: headerPartition, Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
			{Key: headerOffset, Value: strconv.AppendInt(nil, r.Offset, 10)},
		}}
		twin := *letter
		n.client.Produce(context.Background(), letter, nil)
		if n.again {
			n.client.Produce(context.Background(), &twin, nil)
		}
		return
	}
	n.block.Reset()
	n.mu.Lock()
	defer n.mu.Unlock()
	device := string(r.Key) // the fleet's key is the device
	if n.stored[key.Identity] && !n.keepResends || n.lose != nil && n.lose(device, key.Identity.Seq) {
		return
	}
	n.stored[key.Identity] = true
	n.offsets[r.Partition] = append(n.offsets[r.Partition], r.Offset)
	if n.news != nil {
		if news, ok := n.news(r.Value); ok {
			n.table.news = append(n.table.news, news)
		}
	}
	n.table.rows = append(n.table.rows, row{device, key.Identity.Seq, coordinate{r.Partition, r.Offset}})
}

func (n *node) Rows(context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return uint64(len(n.table.rows)), nil
}

func (n *node) Arrivals(_ context.Context, above []watermark) ([]arrivals, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []arrivals
	for _, w := range above {
		a := arrivals{partition: w.partition}
		for _, offset := range slices.Backward(n.offsets[w.partition]) {
			if offset <= w.offset {
				break
			}
			a.offsets = append(a.offsets, offset)
		}
		if len(a.offsets) > 0 {
			out = append(out, a)
		}
	}
	return out, nil
}

func (n *node) snapshot() *memory {
	n.mu.Lock()
	defer n.mu.Unlock()
	return &memory{slices.Clone(n.table.rows), slices.Clone(n.table.news)}
}

func (n *node) Columns(ctx context.Context, fields []newField) ([]bool, error) {
	return n.snapshot().Columns(ctx, fields)
}

func (n *node) NewFields(ctx context.Context, ids idRange, e schema.Encoding, fields []newField, columns []bool) iter.Seq2[fieldsRow, error] {
	return n.snapshot().NewFields(ctx, ids, e, fields, columns)
}

func (n *node) Count(ctx context.Context, ids idRange) (uint64, error) {
	return n.snapshot().Count(ctx, ids)
}

func (n *node) Devices(ctx context.Context, ids idRange) iter.Seq2[deviceRows, error] {
	return n.snapshot().Devices(ctx, ids)
}

func (n *node) Readings(ctx context.Context, ids idRange) iter.Seq2[readingRows, error] {
	return n.snapshot().Readings(ctx, ids)
}

func startKafka(t *testing.T) []string {
	t.Helper()
	return startCluster(t).ListenAddrs()
}

func startCluster(t *testing.T) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "telemetry"), kfake.SeedTopics(1, "telemetry.dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// shortRun is 1.5 s of 1,000 records/s with every kind of record in it.
func shortRun(t *testing.T, brokers []string) Config {
	c := testConfig()
	c.Brokers, c.ClickHouse.Addr = brokers, "127.0.0.1:1" // the node answers instead
	c.Rate, c.Duration = 1000, 1500*time.Millisecond
	c.Shares.Malformed = 0.04
	c.VerifyTimeout = 30 * time.Second
	c.ProgressEvery = 200 * time.Millisecond
	c.State = filepath.Join(t.TempDir(), "state.json")
	return c
}

func TestRun(t *testing.T) {
	t.Run("json", func(t *testing.T) { testRun(t, schema.JSON, 8) })
	t.Run("protobuf", func(t *testing.T) { testRun(t, schema.Protobuf, 6) })
}

func testRun(t *testing.T, encoding schema.Encoding, reasons int) {
	brokers := startKafka(t)
	n := startNode(t, brokers, &node{encoding: encoding, again: true})
	c := shortRun(t, brokers)
	c.Encoding = encoding
	var out bytes.Buffer
	r, err := run(t.Context(), c, time.Now(), n, Output{Writer: &out})
	if err != nil {
		t.Fatalf("%v\n%+v", err, r)
	}
	if planned := uint64(1500 + 4); r.Produced != planned { // a closing reading a partition
		t.Errorf("produced %d, want %d", r.Produced, planned)
	}
	if r.Good+r.Resent+r.MalformedSent != r.Produced || r.Resent == 0 || int(r.MalformedSent) <= len(flawsOf[c.Encoding]) {
		t.Errorf("%d good, %d resent and %d malformed of %d", r.Good, r.Resent, r.MalformedSent, r.Produced)
	}
	if !r.Verified || r.Stored != r.Good || r.Rejected != r.MalformedSent || r.Again != r.MalformedSent || r.OtherReason != 0 {
		t.Errorf("not all arrived as sent: %+v", r)
	}
	sum := uint64(0)
	for n := range maps.Values(r.ByReason) {
		sum += n
	}
	if sum != r.Rejected || len(r.ByReason) < reasons {
		t.Errorf("rejects by reason are %v, of %d", r.ByReason, r.Rejected)
	}
	if r.VisibleP50 <= 0 || r.VisibleP50 > r.VisibleP99 || r.VisibleP99 > r.VisibleMax || r.VisibleMax > 5000 || r.Invisible != 0 {
		t.Errorf("visible after %v, %v, %v ms; %d never", r.VisibleP50, r.VisibleP99, r.VisibleMax, r.Invisible)
	}
	if lines := strings.Count(out.String(), "\n"); lines < 4 || !strings.Contains(out.String(), "events/s") {
		t.Errorf("progress is\n%s", out.String())
	}

	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"produced", "good", "resent", "malformed_sent", "stored", "missing", "duplicated", "rejected",
		"rejects_by_reason", "visible_p50_ms", "visible_p99_ms", "visible_max_ms", "rate", "polls"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("the result's JSON has no %q", key)
		}
	}

	sent, err := LoadSent(c.State)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := prove(t.Context(), n, sent, 100); err != nil || p.Missing+p.Duplicated+p.Unexpected != 0 || p.Stored != r.Stored {
		t.Errorf("proven again from its state: %+v, %v", p, err)
	}
}

// TestRunFindsFaults runs against nodes that do something wrong. What is missing
// is waited for until the timeout, which has to be enough for all the rest.
func TestRunFindsFaults(t *testing.T) {
	f := func(name string, n *node, timeout time.Duration, wants []string, wantResult func(Result) bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokers := startKafka(t)
			startNode(t, brokers, n)
			c := shortRun(t, brokers)
			c.VerifyTimeout = timeout
			r, err := run(t.Context(), c, time.Now(), n, Output{Writer: &bytes.Buffer{}})
			if err == nil || !r.Verified || !wantResult(r) {
				t.Errorf("error %v\n%+v", err, r)
			}
			for _, want := range wants {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("error %v; want %q in it", err, want)
				}
			}
		})
	}
	f("loses a reading and a dead letter", &node{
		lose:    func(device string, seq uint64) bool { return device == "dev-test-000001" && seq == 3 },
		forgive: schema.ReasonNesting,
	}, 8*time.Second, []string{"1 readings missing", "malformed records without a dead letter"}, func(r Result) bool {
		return r.Missing == 1 && r.Stored == r.Good-1 && slices.Contains(r.Examples, "dev-test-000001 seq 3: missing") &&
			r.Unrejected > 0 && r.Rejected == r.MalformedSent-r.Unrejected &&
			slices.ContainsFunc(r.Examples, func(s string) bool { return strings.Contains(s, "nested_10000_deep") })
	})
	f("stores resends", &node{keepResends: true}, 30*time.Second, []string{"rows duplicated"}, func(r Result) bool {
		return r.Duplicated == r.Resent && r.SamePlace == 0 && r.Missing == 0
	})
	f("stores nothing", &node{lose: func(string, uint64) bool { return true }}, 2*time.Second, []string{"readings missing"}, func(r Result) bool {
		return r.Missing == r.Good && r.Stored == 0 && r.Invisible > 0 && r.VisibleP50 > 2000
	})
}

// TestRunEndsWhenKafkaRefuses: readings Kafka has refused need not be stored,
// and a run with such readings has not succeeded.
func TestRunEndsWhenKafkaRefuses(t *testing.T) {
	cluster := startCluster(t)
	c := shortRun(t, cluster.ListenAddrs())
	c.Shares, c.Duration = Shares{}, 0
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		produce := request.(*kmsg.ProduceRequest)
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, kerr.InvalidRecord.Code
				answer.Partitions = append(answer.Partitions, refused)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	n := startNode(t, cluster.ListenAddrs(), &node{})
	r, err := run(t.Context(), c, time.Now(), n, Output{Writer: &bytes.Buffer{}})
	if !errors.Is(err, kerr.InvalidRecord) || !strings.Contains(err.Error(), "produce device") || !strings.Contains(err.Error(), "not acknowledged") {
		t.Errorf("error %v; want the refusal and the device named", err)
	}
	if r.Unacked == 0 || !r.Verified || r.Missing != 0 || r.Stored != r.Good {
		t.Errorf("%+v; want readings unacknowledged and none of them missing", r)
	}
	if sent, err := LoadSent(c.State); err != nil || uint64(len(sent.Unacked)) != r.Unacked {
		t.Errorf("the state has %d unacknowledged readings, %v; want %d", len(sent.Unacked), err, r.Unacked)
	}
}

// TestRunEndsWhenInterrupted: an endless run verifies what it has sent.
func TestRunEndsWhenInterrupted(t *testing.T) {
	brokers := startKafka(t)
	n := startNode(t, brokers, &node{})
	c := shortRun(t, brokers)
	c.Duration = 0
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r, err := run(ctx, c, time.Now(), n, Output{Writer: &bytes.Buffer{}})
	if err != nil || r.Produced < 250 || r.Stored != r.Good {
		t.Errorf("%v\n%+v", err, r)
	}
}

// TestRunNeedsItsTopics names what is missing and the remedy.
func TestRunNeedsItsTopics(t *testing.T) {
	c := shortRun(t, startKafka(t))
	f := func(change func(*Config), wants ...string) {
		t.Helper()
		c := c
		change(&c)
		_, err := run(t.Context(), c, time.Now(), &node{}, Output{Writer: &bytes.Buffer{}})
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v; want %q in it", err, want)
			}
		}
	}
	f(func(c *Config) { c.Topic = "none" }, `"none"`, "create it")
	f(func(c *Config) { c.DeadLetters = "none" }, `"none"`, "ingest migrate")
}

// TestRunNeedsClickHouse: an address where nothing listens is named.
func TestRunNeedsClickHouse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := shortRun(t, []string{"127.0.0.1:1"})
	c.ClickHouse.Addr = addr
	if _, err := Run(t.Context(), c, Output{Writer: &bytes.Buffer{}}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v; want %s in it", err, addr)
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	c := DefaultConfig()
	c.Brokers, c.ClickHouse.Addr = []string{"127.0.0.1:9092"}, "127.0.0.1:9000"
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	bad := Config{Brokers: []string{"kafka"}, Run: "No_", Rate: -1, Duration: -1, Devices: 2_000_000,
		Shares: Shares{Resend: 0.6, Late: 0.6, Malformed: -0.1}, VerifyTimeout: -1, Intervals: -1, Upgrade: Upgrade{Share: 1.5, After: -1, Fields: 99}}
	err := bad.Validate()
	for _, want := range []string{`"kafka"`, "topic is empty", `"No_"`, "rate is -1", "duration is -1", "devices is 2000000",
		"malformed is -0.1", "are 1.1 together", "poll-every is 0", "intervals is -1", "verify-timeout is -1", "progress-every is 0", "clickhouse is", "database is empty", "hot-table is empty",
		"upgrade-share is 1.5", "upgrade-after is -1", "upgrade-fields is 99; use 1 to 6"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in\n%v", want, err)
		}
	}
}

func TestArrivalsQuery(t *testing.T) {
	got := arrivalsQuery("`d`.`t`", time.UnixMilli(1000), []watermark{{0, 5}, {3, -1}})
	want := "SELECT _partition, groupArray(_offset) FROM `d`.`t` WHERE _partition_id >= '19700101' AND _ingested_at >= fromUnixTimestamp64Milli(1000, 'UTC') AND " +
		"(_partition = 0 AND _offset > 5 OR _partition = 3 AND _offset > -1) GROUP BY _partition SETTINGS max_threads = 1"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
