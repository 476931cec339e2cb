package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

func TestBatchAccountsForEveryOffset(t *testing.T) {
	b := newBatch(schema.Telemetry())
	if !b.empty() {
		t.Error("a new batch is not empty")
	}
	for _, r := range []struct {
		partition int32
		offset    int64
		epoch     uint64
	}{
		{0, 10, 1}, {1, 5, 2}, {0, 11, 1},
		{0, 20, 1},           // 12 to 19 are transaction markers, or compacted away
		{1, 3, 4}, {1, 4, 4}, // lost, and owned anew from an earlier offset
	} {
		b.account(&kgo.Record{Partition: r.partition, Offset: r.offset, LeaderEpoch: 7}, r.epoch)
	}
	for p, want := range map[int32]span{
		0: {epoch: 1, first: 10, next: 21, leaderEpoch: 7},
		1: {epoch: 4, first: 3, next: 5, leaderEpoch: 7},
	} {
		if got := b.spans[p]; got != want {
			t.Errorf("p%d: %+v; want %+v", p, got, want)
		}
	}
	if b.empty() {
		t.Error("a batch with spans is empty")
	}
}

// decodeInto appends an event of that time to the batch's block of day.
func decodeInto(t *testing.T, b *batch, day schema.Day, seq int) {
	t.Helper()
	value := strings.Replace(event("dev", seq), `"temperature"`, `"x"`, 1)
	if _, err := schema.NewDecoder(b.schema, 1000).Decode(schema.Record{Time: time.Now().UnixMilli(), Value: []byte(value)}, b.day(day)); err != nil {
		t.Fatal(err)
	}
}

func TestBatchInsertsTheNewestDayFirst(t *testing.T) {
	b := newBatch(schema.Telemetry())
	for _, day := range []schema.Day{5, 9, 7} {
		decodeInto(t, b, day, 1)
	}
	b.day(11) // guessed, and its row moved away
	if got := b.inserts(); len(got) != 3 || got[0] != 9 || got[1] != 7 || got[2] != 5 {
		t.Errorf("inserts %v; want [9 7 5]", got)
	}
}

func TestABatchThatIsResetIsLikeNew(t *testing.T) {
	b := newBatch(schema.Telemetry())
	for day := range schema.Day(6) {
		decodeInto(t, b, day, int(day))
	}
	for range 50 {
		decodeInto(t, b, 4, 1)
	}
	largest := b.days[4]
	b.account(&kgo.Record{Partition: 3, Offset: 1}, 1)
	b.reject(&kgo.Record{Value: []byte("x")}, &schema.Rejection{Reason: schema.ReasonMalformed})
	b.token, b.rows, b.duplicates, b.extra, b.opened = "t", 6, 2, 1, time.Now()
	rejects := b.rejects
	b.reset()
	if !b.empty() || b.bytes() != 0 || b.records() != 0 || b.extra != 0 || b.token != "" || !b.opened.IsZero() || len(b.inserts()) != 0 {
		t.Errorf("%+v is left of the last fill", b)
	}
	if b.spare != largest || largest.Rows() != 0 {
		t.Error("the largest block is not kept for the next fill, or not empty")
	}
	if rejects[0].record != nil {
		t.Error("a reject of the last fill is kept alive")
	}
	if b.day(9) != largest || b.day(10) == largest {
		t.Error("the block that was kept is not the first that is used")
	}
}

// A fetch is one piece of memory: a reject that pointed into it would keep it
// all for as long as the batch waits.
func TestARejectKeepsNoFetchAlive(t *testing.T) {
	fetch := []byte("keyvalueheader")
	r := &kgo.Record{Partition: 2, Offset: 9, Key: fetch[:3], Value: fetch[3:8], Headers: []kgo.RecordHeader{{Key: "h", Value: fetch[8:]}}}
	b := newBatch(schema.Telemetry())
	b.reject(r, &schema.Rejection{Detail: "why"})
	before := b.bytes()
	clear(fetch)
	own := b.rejects[0].record
	if own == r || string(own.Key) != "key" || string(own.Value) != "value" || string(own.Headers[0].Value) != "header" || own.Offset != 9 {
		t.Errorf("the reject is %+v", own)
	}
	if before < len("keyvaluehheaderwhy")+recordOverhead {
		t.Errorf("the reject counts for %d bytes", before)
	}
	b.reject(&kgo.Record{}, &schema.Rejection{})
	if b.bytes() <= before {
		t.Error("an empty reject counts for nothing")
	}
}
