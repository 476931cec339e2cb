package pipeline

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/schema"
)

// protobufEvent is the least message of the shipped schema.
func protobufEvent(device string, seq uint64, taken time.Time) string {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), device)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), seq)
	return string(protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(taken.UnixMilli())))
}

// Every place that decodes reads the topic's encoding: the lane, and after a
// crash the settlement of what was declared, and whoever makes sure that what is
// stored is what the topic has.
func TestATopicOfProtobufIsStoredOnceThroughACrash(t *testing.T) {
	r, d := newCrashRig(t)
	r.cfg.Kafka.Encoding = schema.Protobuf
	taken := time.Now()
	stored, pending := protobufEvent("dev", 1, taken), protobufEvent("dev", 2, taken)
	n := r.run(Events{})
	r.send(0, stored, stored)
	r.awaitStored(1)
	r.await("commit", func() bool { return r.committed()[0] == 2 })
	n.hangAt(always(before))
	r.send(0, pending, `{"device_id":"dev","seq":3}`, pending)
	n.awaitStuck(t)
	r.kill(d, n)
	r.send(0, stored, protobufEvent("dev", 3, taken))
	r.expectSettled(7)
	r.table.mu.Lock()
	for offset, want := range []int{1, 0, 1, 0, 0, 0, 1} {
		if got := len(r.table.rows[schema.Origin{Partition: 0, Offset: int64(offset)}]); got != want {
			t.Errorf("offset %d is stored %d times; want %d", offset, got, want)
		}
	}
	r.table.mu.Unlock()
	letter := r.deadLetters(1)[0]
	if reason, at := headerOf(letter, HeaderReason), headerOf(letter, HeaderOffset); reason != string(schema.ReasonMalformed) || at != "3" {
		t.Errorf("the dead letter is %s at %s; want malformed at 3", reason, at)
	}
}
