package schema

import (
	"cmp"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"
)

// Block is rows of one event, column by column, ready to be sent to
// ClickHouse as one Native block. It is used by one goroutine at a time.
type Block struct {
	schema  *Schema
	columns []column // as Schema.Columns
	names   []string
	dicts   []*dictColumn // those of columns that are dictionaries

	// The columns a Key is made of; each is also in columns.
	device *stringColumn
	time   *fixed[int64]
	seq    *fixed[uint64] // nil where identity is a string field
	id     *stringColumn  // nil unless identity is a string field

	// The columns the record fills, not its value.
	extra      *stringColumn
	topic      *dictColumn
	partition  *fixed[int32]
	offset     *fixed[int64]
	ingestedAt *fixed[int64]
	index      *fixed[uint16]
}

// Key is what the caller of a decoder has to know of the row it appended.
type Key struct {
	Identity Identity
	// Time is what the device says, in Unix milliseconds; Day is the day it is
	// stored under. Only of an event that was clamped it is of another.
	Time int64
	Day  Day
	// Extra: the row holds something the schema has no column for.
	Extra bool
}

// Identity is the fingerprint of an event's identity. With an identity of
// device and sequence number, Device is the xxHash64 of the device's name and
// Seq the number. With an identity of one field Device is 0 and Seq is the
// field, hashed if it is a string.
//
// Two devices of one hash would share their sequence numbers: among 10 million
// devices the chance that any two do is 3 in a million.
type Identity struct{ Device, Seq uint64 }

// Origin is where an event of a topic came from: the record, and which of its
// events it is. No two rows of the topic have the same.
type Origin struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Index     uint16 `json:"index"`
}

// Compare orders origins as they stand in Kafka.
func (o Origin) Compare(p Origin) int {
	return cmp.Or(cmp.Compare(o.Partition, p.Partition), cmp.Compare(o.Offset, p.Offset), cmp.Compare(o.Index, p.Index))
}

// NewBlock returns an empty block for events of s.
func NewBlock(s *Schema) *Block {
	b := &Block{schema: s}
	for _, c := range s.Columns() {
		col := newColumn(c)
		b.columns = append(b.columns, col)
		b.names = append(b.names, c.Name)
		if dict, ok := col.(*dictColumn); ok {
			b.dicts = append(b.dicts, dict)
		}
	}
	b.device = b.column(s.Device).(*stringColumn)
	b.time = b.column(s.Time.Field).(*fixed[int64])
	switch id := b.column(s.Identity[len(s.Identity)-1]).(type) {
	case *fixed[uint64]:
		b.seq = id
	case *stringColumn:
		b.id = id
	}
	b.extra = b.column(ColExtra).(*stringColumn)
	b.topic = b.column(ColTopic).(*dictColumn)
	b.partition = b.column(ColPartition).(*fixed[int32])
	b.offset = b.column(ColOffset).(*fixed[int64])
	b.ingestedAt = b.column(ColIngestedAt).(*fixed[int64])
	b.index = b.column(ColIndex).(*fixed[uint16])
	return b
}

func (b *Block) column(name string) column {
	for i, n := range b.names {
		if n == name {
			return b.columns[i]
		}
	}
	panic("BUG: no column " + name)
}

// Rows returns how many events the block holds.
func (b *Block) Rows() int { return b.offset.Rows() }

// Bytes returns the size of the block's values, which is what it takes on the
// wire uncompressed.
func (b *Block) Bytes() int {
	n := 0
	for _, c := range b.columns {
		n += c.bytes()
	}
	return n
}

// emptyBlock is about what a block without rows takes.
const emptyBlock = 6500

// Memory returns about what the block holds in memory: its values, and what it
// needs beside them. That is little for the events of a fleet that is well, and
// more than the values where every event is of a day of its own, or brings a
// value no dictionary has.
func (b *Block) Memory() int {
	n := emptyBlock + b.Bytes()
	for _, c := range b.dicts {
		n += c.indexBytes()
	}
	return n
}

// Undo drops the last row. It is cheap right after the row came; after another
// Undo or a rejected record it reads through the block's strings.
func (b *Block) Undo() {
	for _, c := range b.columns {
		c.undo()
	}
}

// MoveLast takes the last row from b and appends it to dst.
func (b *Block) MoveLast(dst *Block) {
	rows := b.Rows()
	for i, c := range b.columns {
		dst.columns[i].appendRows(c, rows-1, rows)
		c.undo()
	}
}

// Slice returns a new block with the rows [lo, hi).
func (b *Block) Slice(lo, hi int) *Block {
	if lo < 0 || hi > b.Rows() || lo > hi {
		panic(fmt.Sprintf("BUG: slice [%d, %d) of a block of %d rows", lo, hi, b.Rows()))
	}
	out := NewBlock(b.schema)
	out.Append(b, lo, hi)
	return out
}

// Where returns a new block with the rows whose origin keep wants, in order.
func (b *Block) Where(keep func(Origin) bool) *Block {
	out := NewBlock(b.schema)
	begin := 0 // of the run of rows that are wanted
	for row := range b.Rows() {
		if !keep(b.Origin(row)) {
			out.Append(b, begin, row)
			begin = row + 1
		}
	}
	out.Append(b, begin, b.Rows())
	return out
}

// Append appends the rows [lo, hi) of src, a block of the same schema. It is
// cheapest for one run of rows after another.
func (b *Block) Append(src *Block, lo, hi int) {
	for i, c := range src.columns {
		b.columns[i].appendRows(c, lo, hi)
	}
}

// Reset empties the block and keeps its memory.
func (b *Block) Reset() {
	for _, c := range b.columns {
		c.reset()
	}
}

// Input returns the columns as ch-go sends them. They share the block's
// memory: the block must not change before the insert has ended.
func (b *Block) Input() proto.Input {
	in := make(proto.Input, len(b.columns))
	for i, c := range b.columns {
		in[i] = proto.InputColumn{Name: b.names[i], Data: c}
	}
	return in
}

// Origin returns where the row came from.
func (b *Block) Origin(row int) Origin {
	return Origin{b.partition.values[row], b.offset.values[row], b.index.values[row]}
}

// LastDevice returns the device of the last row, valid until the block changes.
func (b *Block) LastDevice() []byte { return b.device.last() }

// Day returns the day of the first row; a block that is sent has rows of one.
func (b *Block) Day() Day { return DayOf(b.time.values[0]) }

// lastKey returns the key of the last row.
func (b *Block) lastKey() Key {
	at := b.time.last()
	k := Key{Time: at, Day: DayOf(at), Extra: len(b.extra.last()) > 0}
	if b.id != nil {
		k.Identity.Seq = xxhash.Sum64(b.id.last())
		return k
	}
	k.Identity.Seq = b.seq.last()
	if len(b.schema.Identity) == 2 {
		k.Identity.Device = xxhash.Sum64(b.device.last())
	}
	return k
}
