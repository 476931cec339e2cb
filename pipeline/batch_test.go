package pipeline

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/intent"
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
		rows      int
	}{
		{0, 10, 1, 1}, {1, 5, 2, 0}, {0, 11, 1, 0},
		{0, 20, 1, 1}, // 12 to 19 are transaction markers, or compacted away
		{1, 6, 2, 0},
	} {
		b.account(r.partition, span{epoch: r.epoch, first: r.offset, next: r.offset + 1, leaderEpoch: 7, rows: r.rows})
	}
	for p, want := range map[int32]span{
		0: {epoch: 1, first: 10, next: 21, leaderEpoch: 7, rows: 2},
		1: {epoch: 2, first: 5, next: 7, leaderEpoch: 7},
	} {
		if got := b.spans[p]; got != want {
			t.Errorf("p%d: %+v; want %+v", p, got, want)
		}
	}
	if b.empty() {
		t.Error("a batch with spans is empty")
	}
}

// decodeInto appends an event to the batch's block of the place.
func decodeInto(t *testing.T, b *batch, at place, seq int) {
	t.Helper()
	value := strings.Replace(event("dev", seq), `"temperature"`, `"x"`, 1)
	if _, err := schema.NewDecoder(b.schema, schema.JSON, 1000).Decode(schema.Record{Time: time.Now().UnixMilli(), Value: []byte(value)}, b.block(at)); err != nil {
		t.Fatal(err)
	}
}

func TestBatchInsertsTheNewestDayFirst(t *testing.T) {
	b := newBatch(schema.Telemetry())
	for _, at := range []place{{0, 5}, {1, 9}, {1, 7}, {0, 9}} {
		decodeInto(t, b, at, 1)
	}
	b.block(place{0, 11}) // guessed, and its row moved away
	if got, want := b.inserts(), []place{{0, 9}, {1, 9}, {1, 7}, {0, 5}}; !slices.Equal(got, want) {
		t.Errorf("inserts %v; want %v", got, want)
	}
}

// Blocks are emptied one by one, as they are stored.
func TestABatchKeepsItsLargestBlock(t *testing.T) {
	b, all := newBatch(schema.Telemetry()), newTable()
	s := storeInto(all)
	for fill := range 10 {
		for day := range schema.Day(6) {
			decodeInto(t, b, place{0, day}, int(day))
		}
		for range 50 {
			decodeInto(t, b, place{0, 4}, 1)
		}
		b.block(place{0, 7}) // guessed, and its row moved away
		largest := b.blocks[place{0, 4}]
		b.id, b.inquiry.at = fmt.Sprint("t", fill), time.Now()
		if _, err := s.store(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if left := b.inserts(); len(left) > 0 {
			t.Fatalf("fill %d: %v is stored, and to be stored", fill, left)
		}
		b.reset()
		if b.spare != largest || largest.Rows() != 0 {
			t.Fatalf("fill %d: the largest block is not kept for the next, or not empty", fill)
		}
	}
}

func TestABatchThatIsResetIsLikeNew(t *testing.T) {
	b := newBatch(schema.Telemetry())
	for day := range schema.Day(6) {
		decodeInto(t, b, place{0, day}, int(day))
	}
	for range 50 {
		decodeInto(t, b, place{0, 4}, 1)
	}
	largest := b.blocks[place{0, 4}]
	b.account(3, span{epoch: 1, first: 1, next: 2, rows: 1})
	b.reject(whole(&kgo.Record{Value: []byte("x")}, &schema.Rejection{Reason: schema.ReasonMalformed}))
	b.id, b.renewed, b.rows, b.duplicates, b.extra, b.way.opened = "t", 3, 6, 2, 1, time.Now()
	rejects := b.rejects
	b.reset()
	if !b.empty() || b.bytes() != 0 || b.records() != 0 || b.extra != 0 || b.id != "" || b.renewed != 0 || !b.way.opened.IsZero() || len(b.inserts()) != 0 {
		t.Errorf("%+v is left of the last fill", b)
	}
	if b.spare != largest || largest.Rows() != 0 {
		t.Error("the largest block is not kept for the next fill, or not empty")
	}
	if rejects[0].record != nil {
		t.Error("a reject of the last fill is kept alive")
	}
	if b.block(place{1, 9}) != largest || b.block(place{0, 9}) == largest {
		t.Error("the block that was kept is not the first that is used")
	}
}

// A fetch is one piece of memory: a reject that pointed into it would keep it
// all for as long as the batch waits.
func TestARejectKeepsNoFetchAlive(t *testing.T) {
	fetch := []byte("keyvalueheader")
	r := &kgo.Record{Partition: 2, Offset: 9, Key: fetch[:3], Value: fetch[3:8], Headers: []kgo.RecordHeader{{Key: "h", Value: fetch[8:]}}}
	b := newBatch(schema.Telemetry())
	b.reject(whole(r, &schema.Rejection{Detail: "why"}))
	before := b.bytes()
	clear(fetch)
	own := b.rejects[0].record
	if own == r || string(own.Key) != "key" || string(own.Value) != "value" || string(own.Headers[0].Value) != "header" || own.Offset != 9 {
		t.Errorf("the reject is %+v", own)
	}
	if before < len("keyvaluehheaderwhy")+recordOverhead {
		t.Errorf("the reject counts for %d bytes", before)
	}
	b.reject(whole(&kgo.Record{}, &schema.Rejection{}))
	if b.bytes() <= before {
		t.Error("an empty reject counts for nothing")
	}
}

// One commit says of each partition what is about to be stored, and where.
func TestABatchSaysItsIntents(t *testing.T) {
	b := newBatch(schema.Telemetry())
	b.id = "run-0-1"
	for _, o := range []schema.Origin{{Partition: 0, Offset: 10}, {Partition: 0, Offset: 11}, {Partition: 3, Offset: 5}} {
		b.account(o.Partition, span{epoch: 1, first: o.Offset, next: o.Offset + 1})
	}
	got := b.intents(func(p int32) string { return fmt.Sprintf("s%d", p%2) }, time.Unix(99, 0))
	want := intent.Batch{ID: "run-0-1", At: 99, Spans: map[int32]intent.Span{
		0: {Shard: "s0", First: 10, Next: 12}, 3: {Shard: "s1", First: 5, Next: 6},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v; want %+v", got, want)
	}
}
