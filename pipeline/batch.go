package pipeline

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/intent"
	"penstock/schema"
)

// span is a contiguous range of offsets [first, next) of one partition. It
// counts every record, also duplicates and rejects: committing it neither
// skips work nor stalls on a run of them.
type span struct {
	epoch       uint64 // of the ownership under which it was read
	first, next int64
	leaderEpoch int32
	rows        int // of the records, those that are neither duplicates nor rejects
	// reads is how the partition is read, nil for one that had no gap when it was
	// given to the node.
	reads *reading
}

// place is where rows go with one insert: a day of a shard's table.
type place struct {
	shard int // index into ClickHouse.AllShards
	day   schema.Day
}

// batch is what one fill of a lane stores: rows by shard and event day, rejects,
// and the spans both account for.
//
// It has one owner at a time: the fill goroutine while it is open, the drain
// goroutine once it is sealed, nobody while it waits in the lane's free list.
type batch struct {
	// id is the token of its inserts: a repetition of one is a no-op in
	// ClickHouse. Empty until the batch is sealed.
	id string
	// renewed counts the ids it had before, see outcome.left.
	renewed int
	inquiry inquiry
	schema  *schema.Schema
	spans   map[int32]span
	blocks  map[place]*schema.Block
	// spare is an emptied block for the next fill, nil for none, and spareSize what
	// it held.
	spare     *schema.Block
	spareSize int
	// The block that was asked for last, since nearly always it is asked for again.
	recent   *schema.Block
	recentAt place

	// gap: the spans were read in gaps. A batch has either these or those of heads:
	// in which order two places of a partition were read is the order of batches.
	gap bool

	rejects    []reject
	rejectSize int // bytes the rejects keep alive
	rows       int
	duplicates int
	extra      int
	unknown    int // rows of devices that nobody knows, once it is sealed
	lateness   Lateness
	behind     bool // see pace
	way        way
}

// reject notes a copy of the record. Not the record itself: it shares its memory
// with everything that was fetched with it, and one reject would keep it all.
func (b *batch) reject(r reject) {
	own := *r.record
	own.Key, own.Value = bytes.Clone(own.Key), bytes.Clone(own.Value)
	own.Headers = slices.Clone(own.Headers)
	for i, h := range own.Headers {
		own.Headers[i] = kgo.RecordHeader{Key: strings.Clone(h.Key), Value: bytes.Clone(h.Value)}
	}
	r.record = &own
	b.rejects = append(b.rejects, r)
	b.rejectSize += sizeOf(&own) + len(r.why.Detail)
}

// forgetRejects is for when they are dead-lettered.
func (b *batch) forgetRejects() {
	clear(b.rejects) // keep no record alive
	b.rejects, b.rejectSize = b.rejects[:0], 0
}

func newBatch(s *schema.Schema) *batch {
	return &batch{schema: s, spans: map[int32]span{}, blocks: map[place]*schema.Block{}}
}

// use has the batch, which is empty, filled by another schema. The memory of
// blocks of the one before is of no use to it.
func (b *batch) use(s *schema.Schema) {
	if b.schema != s {
		b.schema, b.spare, b.spareSize = s, nil, 0
	}
}

// block returns the block of rows for that place.
func (b *batch) block(at place) *schema.Block {
	if b.recent != nil && b.recentAt == at {
		return b.recent
	}
	block := b.blocks[at]
	if block == nil {
		if block, b.spare = b.spare, nil; block == nil {
			block = schema.NewBlock(b.schema)
		}
		b.blocks[at] = block
	}
	b.recent, b.recentAt = block, at
	return block
}

// inserts returns the places that have rows, newest day first: the live rows of
// a batch do not wait for the few that are late.
func (b *batch) inserts() []place {
	all := slices.SortedFunc(maps.Keys(b.blocks), func(a, b place) int {
		return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.shard, b.shard))
	})
	return slices.DeleteFunc(all, func(at place) bool { return b.blocks[at].Rows() == 0 })
}

// count counts a row whose record came at that time.
func (b *batch) count(key schema.Key, at int64) {
	b.rows++
	b.lateness.add(key.Time, at)
	if key.Extra {
		b.extra++
	}
}

// extend extends the span by the record and returns true, unless it is below
// from: settled before reading began there.
func (s *span) extend(r *kgo.Record, from int64) bool {
	if r.Offset < from {
		return false
	}
	if s.next == 0 {
		s.first = r.Offset
	}
	s.next, s.leaderEpoch = r.Offset+1, r.LeaderEpoch
	return true
}

// account extends the span of a partition by the one read after it. A gap is no
// fault: compacted topics and transaction markers leave offsets no consumer ever
// sees.
func (b *batch) account(partition int32, read span) {
	if s, ok := b.spans[partition]; ok {
		read.first = s.first
		read.rows += s.rows
	}
	b.spans[partition] = read
}

// intents is the batch as its intents say it.
func (b *batch) intents(shardOf func(partition int32) string, now time.Time) intent.Batch {
	spans := make(map[int32]intent.Span, len(b.spans))
	for p, s := range b.spans {
		spans[p] = intent.Span{Shard: shardOf(p), First: s.first, Next: s.next}
	}
	return intent.Batch{ID: b.id, At: now.Unix(), Spans: spans}
}

func (b *batch) empty() bool { return len(b.spans) == 0 }

// bytes is what the batch holds in memory.
func (b *batch) bytes() int {
	n := b.rejectSize
	for _, block := range b.blocks {
		n += block.Memory()
	}
	return n
}

func (b *batch) records() int { return b.rows + b.duplicates + len(b.rejects) }

// done is for when nothing of the place is left to be stored.
func (b *batch) done(at place) {
	b.keep(b.blocks[at])
	delete(b.blocks, at)
}

// keep keeps the memory of the largest block for the next fill, whose first record
// nearly always is of the same day. Of that one only: blocks that were kept for
// late days would each grow to a whole batch in time, since no two fills use them
// for the same day.
func (b *batch) keep(block *schema.Block) {
	if size := block.Memory(); b.spare == nil || size > b.spareSize {
		block.Reset()
		b.spare, b.spareSize = block, size
	}
}

// reset empties the batch for the next fill.
func (b *batch) reset() {
	for _, block := range b.blocks {
		b.keep(block)
	}
	clear(b.blocks)
	clear(b.spans)
	b.forgetRejects()
	*b = batch{schema: b.schema, spans: b.spans, blocks: b.blocks, spare: b.spare, spareSize: b.spareSize, rejects: b.rejects}
}
