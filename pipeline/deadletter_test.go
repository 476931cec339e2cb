package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/schema"
)

// A dead-letter topic with less room than the topic is no reason to stop for
// whatever a device sends: in its value, its key or its headers.
func TestALetterThatIsTooLargeIsCut(t *testing.T) {
	r := newRig(t)
	if err := r.cluster.DeleteTopic("telemetry.dead"); err != nil {
		t.Fatal(err)
	}
	if err := r.cluster.CreateTopic("telemetry.dead", 1, map[string]string{"max.message.bytes": "200000"}); err != nil {
		t.Fatal(err)
	}
	// Not to be compressed below the bound.
	noise := make([]byte, 150_000)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	large := hex.EncodeToString(noise)
	r.cfg.Bounds.TextBytes, r.cfg.Bounds.HeaderBytes = 1<<20, 1<<20
	for _, bad := range []*kgo.Record{
		{Value: []byte("{" + large)},
		{Key: []byte(large), Value: []byte("{")},
		{Value: []byte("{"), Headers: []kgo.RecordHeader{{Key: HeaderReason, Value: []byte(large)}}},
		{Key: []byte("small"), Value: []byte("{")},
	} {
		bad.Topic = "telemetry"
		if err := r.client.ProduceSync(t.Context(), bad).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r.start(Events{})
	for _, letter := range r.deadLetters(4) {
		from, offset := headerOf(letter, HeaderTruncated), headerOf(letter, HeaderOffset)
		if size, _ := strconv.Atoi(from); offset == "3" && from != "" || offset != "3" && size < len(large) {
			t.Errorf("offset %s was cut from %q", offset, from)
		}
		if headerOf(letter, HeaderReason) != string(schema.ReasonMalformed) || len(letter.Key) > truncated || len(letter.Value) > truncated {
			t.Errorf("offset %s: reason %.20q, key of %d bytes, value of %d", offset, headerOf(letter, HeaderReason), len(letter.Key), len(letter.Value))
		}
	}
	r.await("commit past them", func() bool { return r.committed()[0] == 4 })
}

// Nor is it for many at once, of which each has room and all together have not.
func TestLettersThatAreTooLargeTogetherAreHalved(t *testing.T) {
	r := newRig(t)
	if err := r.cluster.DeleteTopic("telemetry.dead"); err != nil {
		t.Fatal(err)
	}
	if err := r.cluster.CreateTopic("telemetry.dead", 1, map[string]string{"max.message.bytes": "10000"}); err != nil {
		t.Fatal(err)
	}
	noise := rand.New(rand.NewPCG(1, 2))
	const each = 300
	for p := range int32(rigPartitions) { // of both lanes
		bad := make([]string, each)
		for i := range bad {
			bad[i] = fmt.Sprintf("%016x%016x%016x%016x", noise.Uint64(), noise.Uint64(), noise.Uint64(), noise.Uint64())
		}
		r.send(p, bad...)
	}
	r.start(Events{})
	seen := map[string]bool{}
	for _, letter := range r.deadLetters(each * rigPartitions) {
		at := headerOf(letter, HeaderPartition) + "@" + headerOf(letter, HeaderOffset)
		if seen[at] || headerOf(letter, HeaderTruncated) != "" || len(letter.Value) != 64 {
			t.Errorf("%s: seen before %v, cut from %q, %d bytes", at, seen[at], headerOf(letter, HeaderTruncated), len(letter.Value))
		}
		seen[at] = true
	}
	for p := range int32(rigPartitions) {
		r.await("commit past them", func() bool { return r.committed()[p] == each })
	}
}

// Keys and headers are copied to every letter of a record: a record of many events
// could make thousands of times of what it is.
func TestARecordWithLargeHeadersIsRejectedAsOne(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.Framing = schema.Batched
	large := make([]byte, r.cfg.Bounds.HeaderBytes)
	for _, bad := range []*kgo.Record{
		{Value: []byte("1\n2\n3"), Headers: []kgo.RecordHeader{{Key: "h", Value: large}}},
		{Value: []byte("1\n2\n3"), Key: slices.Concat(large, []byte{'k'})},
		{Value: []byte("1\n2"), Key: large},
	} {
		bad.Topic = "telemetry"
		if err := r.client.ProduceSync(t.Context(), bad).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r.start(Events{})
	reasons := map[string]int{}
	for _, letter := range r.deadLetters(4) {
		reasons[headerOf(letter, HeaderReason)]++
	}
	if reasons[string(schema.ReasonTooLarge)] != 2 || reasons[string(schema.ReasonNotObject)] != 2 {
		t.Errorf("letters by reason: %v; want one for each record that is too large, and one for each event of the other", reasons)
	}
}

func TestAnUnknownDeadLetterTopicStopsTheNode(t *testing.T) {
	r := newRig(t)
	r.cfg.Kafka.DeadLetterTopic = "absent"
	r.send(0, "{")
	r.expectStop("dead-letter topic absent: ")
	r.expectNothingConfirmed()
}

func TestDeadLettersWaitForTheirBroker(t *testing.T) {
	r := newRig(t)
	r.send(0, "{", event("dev", 1))
	var away atomic.Bool
	away.Store(true)
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if away.Load() {
			return nil, errors.New("broker is away"), true // closes the connection
		}
		return nil, nil, false
	})
	told := make(chan Retrying, 100)
	r.start(Events{Retrying: func(r Retrying) { told <- r }})
	if retry := <-told; retry.What != "dead-letter" {
		t.Errorf("told of %+v", retry)
	}
	away.Store(false)
	r.deadLetters(1)
	r.awaitStored(1)
	r.await("commit past it", func() bool { return r.committed()[0] == 2 })
}
