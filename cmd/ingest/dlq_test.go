package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
	"penstock/schema"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// letterbox is a dead-letter topic, and the commands that look into it.
type letterbox struct {
	t       *testing.T
	brokers string
	client  *kgo.Client
}

func newLetterbox(t *testing.T) *letterbox {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "telemetry", "telemetry.dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &letterbox{t: t, brokers: strings.Join(cluster.ListenAddrs(), ","), client: client}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// put writes the letter of a record that came so many minutes after noon.
func (b *letterbox) put(partition int32, offset int64, minutes int, reason, key, value string, more ...kgo.RecordHeader) {
	b.t.Helper()
	at := noon.Add(time.Duration(minutes) * time.Minute)
	h := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	headers := append([]kgo.RecordHeader{
		h(pipeline.HeaderReason, reason), h(pipeline.HeaderError, "what is wrong\twith it"), h(pipeline.HeaderTopic, "telemetry"),
		h(pipeline.HeaderPartition, fmt.Sprint(partition)), h(pipeline.HeaderOffset, fmt.Sprint(offset)),
		h(pipeline.HeaderTimestamp, at.Format("2006-01-02T15:04:05.000Z07:00")), h(pipeline.HeaderSchema, "telemetry/1"),
	}, more...)
	r := &kgo.Record{Topic: "telemetry.dead", Partition: int32(offset % 2), Key: []byte(key), Value: []byte(value), Headers: headers, Timestamp: at.Add(time.Second)}
	if err := b.client.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *letterbox) dlq(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command(&out)
	cmd.SetArgs(append([]string{"dlq", "--set", "kafka.brokers=" + b.brokers, "--set", "kafka.topic=telemetry", "--set", "clickhouse.addr=unused:9000"}, args...))
	err := cmd.ExecuteContext(b.t.Context())
	return out.String(), err
}

func (b *letterbox) golden(name string, args ...string) {
	b.t.Helper()
	got, err := b.dlq(args...)
	if err != nil {
		b.t.Fatalf("%v: %v", args, err)
	}
	path := filepath.Join("testdata", "dlq_"+name+".golden")
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	if got != string(want) {
		b.t.Errorf("%v printed\n%s\nwant\n%s", args, got, want)
	}
}

// fill has letters of every kind.
func (b *letterbox) fill() {
	b.put(1, 7, 30, "type", "dev-1", `{"device_id":"dev-1","seq":"seven"}`)
	b.put(0, 4, 0, "malformed", "dev-2", "{\"device_id\":\"dev-2\",\"site\":\"\xff\"")
	b.put(0, 4, 0, "malformed", "dev-2", "{\"device_id\":\"dev-2\",\"site\":\"\xff\"") // by a node that was killed
	b.put(0, 5, 10, "malformed", "dev-3", "{", kgo.RecordHeader{Key: "tenant", Value: []byte("\x1b[31mred")}, kgo.RecordHeader{Key: pipeline.HeaderReason, Value: []byte("of the device")})
	b.put(0, 9, 20, "too_large", "dev-1", `{"device_id":"dev-1","log":"xxxx`, kgo.RecordHeader{Key: pipeline.HeaderTruncated, Value: []byte("2097152")})
	foreign := &kgo.Record{Topic: "telemetry.dead", Value: []byte("of another program")}
	if err := b.client.ProduceSync(b.t.Context(), foreign).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func TestDeadLettersAreListed(t *testing.T) {
	b := newLetterbox(t)
	b.fill()
	b.golden("ls", "ls", "--limit", "3")
	b.golden("ls_json", "ls", "--limit", "10", "--json")

	f := func(want string, args ...string) {
		t.Helper()
		out, err := b.dlq(append([]string{"ls", "--limit", "10", "--json"}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		var list letterList
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list.Letters {
			got = append(got, fmt.Sprintf("%d@%d", l.Partition, l.Offset))
		}
		if all := strings.Join(got, " "); all != want || int(list.Records) != len(got) {
			t.Errorf("%v: %s and %d records, want %s", args, all, list.Records, want)
		}
	}
	f("0@4 0@5 0@9 1@7")
	f("0@4 0@5", "--reason", "malformed")
	f("0@4 0@5 1@7", "--reason", "malformed,type")
	f("0@9 1@7", "--device", "dev-1")
	f("0@5", "--device", "dev-3") // by its key
	f("1@7", "--partition", "1")
	f("0@9", "--partition", "0", "--offset", "9")
	f("0@5 0@9", "--from", "2026-11-22T12:10:00Z", "--to", "2026-11-22T12:30:00Z")
	f("0@4 0@5 0@9 1@7", "--from", "2026-11-22", "--to", "2026-11-22")
	f("", "--from", "2026-11-23")
	f("", "--reason", "empty")
}

func TestADeadLetterIsShown(t *testing.T) {
	b := newLetterbox(t)
	b.fill()
	b.golden("show", "show", "0@5")
	b.golden("show_dump", "show", "0@4")
	b.golden("show_cut", "show", "0@9")
	b.golden("show_json", "show", "0@5", "--json")
}

func TestWhatOfDeadLettersIsWrong(t *testing.T) {
	b := newLetterbox(t)
	f := func(want string, args ...string) {
		t.Helper()
		if out, err := b.dlq(args...); err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%v: error %v and output %q, want %q", args, err, out, want)
		}
	}
	f(`telemetry.dead has no letter of record 3@4 of telemetry`, "show", "3@4")
	f(`"3" is no record; want <partition>@<offset>`, "show", "3")
	f(`"3@-1" is no record`, "show", "3@-1")
	f(`"4294967296@1" is no record`, "show", "4294967296@1")
	f(`there is no reason "late"; want one of [empty`, "ls", "--reason", "late")
	f(`--from: "yesterday" is no time`, "ls", "--from", "yesterday")
	f(`give an earlier begin`, "replay", "--from", "1h", "--to", "2h")
	f(`--partition: -7 is no number of a partition`, "ls", "--partition", "-7")
	f(`offset 4 is one of every partition`, "replay", "--offset", "4")
	f(`the rate is 0 letters a second`, "replay", "--rate", "0")
}

func TestAReplayIsReported(t *testing.T) {
	done := pipeline.Replayed{Letters: 20, Stored: 9, Already: 3, Duplicates: 2, Gone: 1, Open: 2}
	done.Rejected = map[schema.Reason]int64{"type": 1, "malformed": 2}
	done.Samples = []pipeline.LeftLetter{{Partition: 1, Offset: 2, Reason: "type", Detail: "seq is \x1b[1mseven"}}
	f := func(dry bool, want string) {
		t.Helper()
		var out bytes.Buffer
		if err := replayText(&out, done, dry); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("printed\n%s\nwant\n%s", got, want)
		}
	}
	const rest = `3   stored already
2   duplicates of events stored from another record
2   rejected still: malformed
1   rejected still: type
1   cut when they were dead-lettered, and Kafka no longer has the record
2   above the group's commit; replay again when the nodes are past them

record  reason  detail
1@2     type    seq is \x1b[1mseven
`
	f(false, "20  letters\n9   stored\n"+rest)
	f(true, "20  letters\n9   would be stored\n"+rest)
}

// What devices chose does nothing to the terminal of who looks at it.
func TestDeviceTextIsHarmlessToATerminal(t *testing.T) {
	for value, want := range map[string]bool{
		"{\n\t\"a\": \"é\"\r\n}": true, "a\rb": false, "\x1b[2J": false, "\u009b31m": false, "\u202e": false, "\x00": false, "\xff": false, "\r": false,
	} {
		if got := isText([]byte(value)); got != want {
			t.Errorf("%q is shown as text: %v, want %v", value, got, want)
		}
	}
	plan := planText(schema.Telemetry(), schema.Proposal{Left: []schema.Finding{{Name: "\x1b[2J", By: []string{"4.2\x1b]0;x\a", "\u202e"}, Why: "none"}}}, schema.Tables{})
	if !isText([]byte(plan)) {
		t.Errorf("a plan is %q", plan)
	}
}
