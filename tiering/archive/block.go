package archive

import (
	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
)

// Block is some rows of a table, in columns. One block is decoded into again
// and again; what is made of it ([Block.Sums], [Writer.Write]) is copied out.
type Block struct {
	columns []schema.Column
	vectors []vector
	results proto.Results

	// The columns that have a part in more than their own value.
	identity  []vector
	device    *texts
	time      *numbers[int64, int64, int64]
	partition *numbers[int32, int32, int32]
	offset    *numbers[int64, int64, int64]
	index     *numbers[uint16, uint16, int32]

	rows  []uint64 // keys of the rows that are summed up
	width int      // bytes of a row's values of fixed size
}

// Run is the rows [From, To) of a block.
type Run struct{ From, To int }

// Len returns the number of rows in the run.
func (r Run) Len() int { return r.To - r.From }

// NewBlock returns an empty block of a schema's columns.
func NewBlock(s *schema.Schema) *Block {
	b := &Block{columns: s.Columns()}
	byName := make(map[string]vector)
	for _, c := range b.columns {
		v, result := newVector(c)
		b.width += v.width()
		byName[c.Name] = v
		b.vectors = append(b.vectors, v)
		b.results = append(b.results, proto.ResultColumn{Name: c.Name, Data: result})
	}
	for _, name := range s.Event() {
		b.identity = append(b.identity, byName[name])
	}
	b.device = byName[s.Device].(*texts)
	b.time = byName[s.Time.Field].(*numbers[int64, int64, int64])
	b.partition = byName[schema.ColPartition].(*numbers[int32, int32, int32])
	b.offset = byName[schema.ColOffset].(*numbers[int64, int64, int64])
	b.index = byName[schema.ColIndex].(*numbers[uint16, uint16, int32])
	return b
}

// Results returns the columns a query's result is decoded into.
func (b *Block) Results() proto.Results { return b.results }

// Rows returns the number of rows in the block.
func (b *Block) Rows() int { return b.results.Rows() }

// Time returns a row's own time, in milliseconds since 1970 UTC.
func (b *Block) Time(row int) int64 { return b.time.data()[row] }

// Device returns a row's device.
func (b *Block) Device(row int) string { return b.device.col.Row(row) }

// AppendIdentity appends a row's identity to dst: two rows are the same event
// if and only if the appended bytes are equal.
func (b *Block) AppendIdentity(dst []byte, row int) []byte {
	for _, v := range b.identity {
		dst = v.appendValue(dst, row)
	}
	return dst
}

// Sums returns the checksums of the rows in runs.
func (b *Block) Sums(runs []Run) Sums {
	out := make(Sums, len(b.columns))
	partitions, offsets, indexes := b.partition.data(), b.offset.data(), b.index.data()
	b.rows = b.rows[:0]
	for _, r := range runs {
		for i := r.From; i < r.To; i++ {
			b.rows = append(b.rows, rowKey(partitions[i], offsets[i], indexes[i]))
		}
	}
	for c, v := range b.vectors {
		out[c] = Sum(v.sum(runs, b.rows, columnKey(b.columns[c].ID)))
	}
	return out
}

// Bytes is about how much was decoded into the block.
func (b *Block) Bytes() int { return b.Rows()*b.width + b.textBytes(Run{0, b.Rows()}) }

// textBytes is the length of all strings of a run.
func (b *Block) textBytes(r Run) (sum int) {
	for _, v := range b.vectors {
		sum += v.textBytes(r)
	}
	return sum
}
