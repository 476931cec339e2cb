package pipeline

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// filler decodes records into a batch: as a row, a duplicate or a reject. It is
// used by one goroutine.
type filler struct {
	lane     int
	events   Events
	splitter splitter
	decoder  *schema.Decoder
	// enricher is for batches that are complete.
	enricher enricher
}

// clockSkew is how far the clock of who sent a record may be ahead of the
// node's.
const clockSkew = time.Minute

// arrival returns when the record came to Kafka, in milliseconds. Whoever sent
// it may have given no time (-1), or one yet to come; neither may decide which
// events are credible, nor how long identities are remembered. Such a record
// comes as it is read: its row has another _ingested_at if it is read again,
// which its batch's token does not depend on.
func arrival(r *kgo.Record, now time.Time) int64 {
	at := r.Timestamp.UnixMilli()
	if at < 0 || at > now.Add(clockSkew).UnixMilli() {
		return now.UnixMilli()
	}
	return at
}

// recordOf is one event of r as a decoder needs it.
func recordOf(r *kgo.Record, index int, event []byte, at int64) schema.Record {
	return schema.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Index: uint16(index), Time: at, Value: event}
}

// add decodes the events of the record into b and returns how many rows they
// became. most bounds the blocks of a generation of w.
func (f *filler) add(b *batch, w *dedup.Window, r *kgo.Record, shard int, at int64, most int) (rows int) {
	events, why := f.splitter.of(r)
	if why != nil {
		f.reject(b, whole(r, why))
		return 0
	}
	for i, event := range events {
		rows += f.event(b, w, r, i, event, shard, at, most)
	}
	return rows
}

// event is add for one event, which becomes one row or none.
func (f *filler) event(b *batch, w *dedup.Window, r *kgo.Record, index int, event []byte, shard int, at int64, most int) int {
	// Nearly every event is of the day it arrives on; the others are moved.
	guess := place{shard, schema.DayOf(at)}
	block := b.block(guess)
	key, err := f.decoder.Decode(recordOf(r, index, event, at), block)
	switch {
	case err != nil:
		f.reject(b, rejectOf(f.splitter, r, index, event, err))
		return 0
	case f.resend(b, w, key, at, most):
		block.Undo()
		return 0
	case key.Day != guess.day:
		block.MoveLast(b.block(place{shard, key.Day}))
	}
	b.count(key, at)
	return 1
}

// resend reports whether the event was seen in the window, and counts it if so.
func (f *filler) resend(b *batch, w *dedup.Window, key schema.Key, at int64, most int) bool {
	dup, shrunk := w.Seen(key.Identity, key.Time, at, most)
	if shrunk {
		f.events.DedupShrunk(f.lane)
	}
	if dup {
		b.duplicates++
	}
	return dup
}

func (f *filler) reject(b *batch, r reject) {
	b.reject(r)
	f.events.Rejected(Rejected{Partition: r.record.Partition, Offset: r.record.Offset, Rejection: r.why})
}
