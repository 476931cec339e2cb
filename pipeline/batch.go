package pipeline

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/schema"
)

// span is a contiguous range of offsets [first, next) of one partition. It
// counts every record, also duplicates and rejects: committing it neither
// skips work nor stalls on a run of them.
type span struct {
	epoch       uint64 // of the ownership under which it was read
	first, next int64
	leaderEpoch int32
}

// batch is what one fill of a lane stores: rows by event day, rejects, and the
// spans both account for.
//
// It has one owner at a time: the fill goroutine while it is open, the drain
// goroutine once it is sealed, nobody while it waits in the lane's free list.
type batch struct {
	// token makes a repeated insert of the same rows a no-op in ClickHouse.
	token  string
	schema *schema.Schema
	spans  map[int32]span
	days   map[schema.Day]*schema.Block
	spare  *schema.Block // an emptied block of the last fill; nil for none

	rejects    []reject
	rejectSize int // bytes the rejects keep alive
	rows       int
	duplicates int
	extra      int
	opened     time.Time
}

// reject is a record on its way to the dead-letter topic.
type reject struct {
	record *kgo.Record
	why    *schema.Rejection
}

// reject notes a copy of the record. Not the record itself: it shares its memory
// with everything that was fetched with it, and one reject would keep it all.
func (b *batch) reject(r *kgo.Record, why *schema.Rejection) {
	own := *r
	own.Key, own.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	own.Headers = slices.Clone(r.Headers)
	for i, h := range own.Headers {
		own.Headers[i] = kgo.RecordHeader{Key: strings.Clone(h.Key), Value: bytes.Clone(h.Value)}
	}
	b.rejects = append(b.rejects, reject{&own, why})
	b.rejectSize += sizeOf(&own) + len(why.Detail)
}

func newBatch(s *schema.Schema) *batch {
	return &batch{schema: s, spans: map[int32]span{}, days: map[schema.Day]*schema.Block{}}
}

// day returns the block of that day.
func (b *batch) day(d schema.Day) *schema.Block {
	block := b.days[d]
	if block == nil {
		if block, b.spare = b.spare, nil; block == nil {
			block = schema.NewBlock(b.schema)
		}
		b.days[d] = block
	}
	return block
}

// inserts returns the days that have rows, newest first: the live rows of a
// batch do not wait for the few that are late.
func (b *batch) inserts() []schema.Day {
	days := slices.Sorted(maps.Keys(b.days))
	slices.Reverse(days)
	return slices.DeleteFunc(days, func(d schema.Day) bool { return b.days[d].Rows() == 0 })
}

// account extends the span of the record's partition by the record. A gap is
// no fault: compacted topics and transaction markers leave offsets no consumer
// ever sees.
func (b *batch) account(r *kgo.Record, epoch uint64) {
	s, ok := b.spans[r.Partition]
	if !ok || s.epoch != epoch {
		s = span{epoch: epoch, first: r.Offset}
	}
	s.next, s.leaderEpoch = r.Offset+1, r.LeaderEpoch
	b.spans[r.Partition] = s
}

func (b *batch) empty() bool { return len(b.spans) == 0 }

// bytes is what the batch holds in memory.
func (b *batch) bytes() int {
	n := b.rejectSize
	for _, block := range b.days {
		n += block.Memory()
	}
	return n
}

func (b *batch) records() int { return b.rows + b.duplicates + len(b.rejects) }

// reset empties the batch and keeps the memory of its largest block for the
// next fill, whose first record nearly always is of the same day. Of that one
// only: blocks that were kept for late days would each grow to a whole batch in
// time, since no two fills use them for the same day.
func (b *batch) reset() {
	spare := b.spare
	for _, block := range b.days {
		if spare == nil || block.Memory() > spare.Memory() {
			spare = block
		}
	}
	if spare != nil {
		spare.Reset()
	}
	clear(b.days)
	clear(b.spans)
	clear(b.rejects) // keep no record alive
	*b = batch{schema: b.schema, spans: b.spans, days: b.days, spare: spare, rejects: b.rejects[:0]}
}
