package archive

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock/schema"
)

// vector is one column of a block: the client library's column, seen as what a
// checksum, a comparison and an arrow array need of it.
type vector interface {
	// sum adds up the cells of a run, as [Sums] defines them; rows has the keys
	// of its rows.
	sum(run Run, rows []uint64, key uint64) uint64
	// appendValue appends bytes that are equal for equal values only, also
	// when values follow each other.
	appendValue(dst []byte, row int) []byte
	// buffers copies the values in runs, rows in all, as arrow lays them out,
	// and counts the NULLs.
	buffers(runs []Run, rows int) ([]*memory.Buffer, int, error)
}

// newVector returns a column's vector and what the client decodes it into.
func newVector(c schema.Column) (vector, proto.ColResult) {
	switch c.Type {
	case schema.String:
		col := new(proto.ColStr)
		nulls, result := maybeNull[string](c, col)
		return &texts{nulls: nulls, col: col}, result
	case schema.Bool:
		col := new(proto.ColBool)
		nulls, result := maybeNull[bool](c, col)
		return &bools{nulls: nulls, col: col}, result
	case schema.Int8:
		return newFixed(c, new(proto.ColInt8), func(col *proto.ColInt8) []int8 { return *col }, same[int8])
	case schema.Int16:
		return newFixed(c, new(proto.ColInt16), func(col *proto.ColInt16) []int16 { return *col }, same[int16])
	case schema.Int32:
		return newFixed(c, new(proto.ColInt32), func(col *proto.ColInt32) []int32 { return *col }, same[int32])
	case schema.Int64:
		return newFixed(c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col }, same[int64])
	case schema.UInt8:
		return newFixed(c, new(proto.ColUInt8), func(col *proto.ColUInt8) []uint8 { return *col }, same[uint8])
	case schema.UInt16:
		return newFixed(c, new(proto.ColUInt16), func(col *proto.ColUInt16) []uint16 { return *col }, same[uint16])
	case schema.UInt32:
		return newFixed(c, new(proto.ColUInt32), func(col *proto.ColUInt32) []uint32 { return *col }, same[uint32])
	case schema.UInt64:
		return newFixed(c, new(proto.ColUInt64), func(col *proto.ColUInt64) []uint64 { return *col }, same[uint64])
	case schema.Float32:
		return newFixed(c, new(proto.ColFloat32), func(col *proto.ColFloat32) []float32 { return *col },
			func(v []float32) []uint32 { return as[uint32](v) })
	case schema.Float64:
		return newFixed(c, new(proto.ColFloat64), func(col *proto.ColFloat64) []float64 { return *col },
			func(v []float64) []uint64 { return as[uint64](v) })
	case schema.TimestampMS:
		// As a plain Int64: the query asks for milliseconds, and the library's
		// own DateTime64 would only wrap the same number.
		return newFixed(c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col }, same[int64])
	}
	panic(fmt.Sprintf("BUG: column %s has type %q, which schema.Parse does not let through", c.Name, c.Type))
}

// maybeNull wraps a nullable column in its null mask.
func maybeNull[T any](c schema.Column, col proto.ColumnOf[T]) (*proto.ColUInt8, proto.ColResult) {
	if !c.Nullable {
		return nil, col
	}
	nullable := proto.NewColNullable[T](col)
	return &nullable.Nulls, nullable
}

func same[T integer](v []T) []T { return v }

// nulls is a column's null mask, one byte a row; nil if it is not nullable.
type nulls = *proto.ColUInt8

func isNull(n nulls, row int) bool { return n != nil && (*n)[row] != 0 }

// validity is a null mask as arrow's bitmap, in which 1 is a value.
func validity(n nulls, runs []Run, rows int) (*memory.Buffer, int) {
	if n == nil {
		return nil, 0
	}
	bitmap := make([]byte, bitutil.BytesForBits(int64(rows)))
	at, count := 0, 0
	for _, r := range runs {
		for _, null := range (*n)[r.From:r.To] {
			if null == 0 {
				bitutil.SetBit(bitmap, at)
			} else {
				count++
			}
			at++
		}
	}
	return memory.NewBufferBytes(bitmap), count
}

// fixed is a column of numbers of type T, whose bits are those of the integers B.
type fixed[T arrow.FixedWidthType, B integer] struct {
	nulls nulls
	data  func() []T
	bits  func([]T) []B
}

func newFixed[T arrow.FixedWidthType, B integer, C proto.ColumnOf[T]](c schema.Column, col C, data func(C) []T, bits func([]T) []B) (vector, proto.ColResult) {
	mask, result := maybeNull[T](c, col)
	return &fixed[T, B]{nulls: mask, data: func() []T { return data(col) }, bits: bits}, result
}

func (f *fixed[T, B]) sum(run Run, rows []uint64, key uint64) uint64 {
	return sumColumn(f.bits(f.data()[run.From:run.To]), f.nulls, run, rows, key)
}

func (f *fixed[T, B]) appendValue(dst []byte, row int) []byte {
	if isNull(f.nulls, row) {
		return append(dst, 0)
	}
	return binary.LittleEndian.AppendUint64(append(dst, 1), uint64(int64(f.bits(f.data())[row])))
}

// sumColumn adds up the values of a run, which may be NULL where there is a mask.
func sumColumn[B integer](values []B, mask nulls, run Run, rows []uint64, key uint64) uint64 {
	if mask == nil {
		return sumIntegers(values, rows, key)
	}
	return sumNullable(values, (*mask)[run.From:run.To], rows, key)
}

func (f *fixed[T, B]) buffers(runs []Run, rows int) ([]*memory.Buffer, int, error) {
	values, data := make([]T, 0, rows), f.data()
	for _, r := range runs {
		values = append(values, data[r.From:r.To]...)
	}
	mask, count := validity(f.nulls, runs, rows)
	return []*memory.Buffer{mask, memory.NewBufferBytes(arrow.GetBytes(values))}, count, nil
}

// bools is a column of truth values, which arrow keeps as bits.
type bools struct {
	nulls nulls
	col   *proto.ColBool
}

func (b *bools) sum(run Run, rows []uint64, key uint64) uint64 {
	return sumColumn(as[uint8]((*b.col)[run.From:run.To]), b.nulls, run, rows, key)
}

func (b *bools) appendValue(dst []byte, row int) []byte {
	if isNull(b.nulls, row) {
		return append(dst, 0)
	}
	return append(dst, 1, as[uint8](*b.col)[row])
}

func (b *bools) buffers(runs []Run, rows int) ([]*memory.Buffer, int, error) {
	bitmap := make([]byte, bitutil.BytesForBits(int64(rows)))
	at := 0
	for _, r := range runs {
		for _, v := range (*b.col)[r.From:r.To] {
			bitutil.SetBitTo(bitmap, at, v)
			at++
		}
	}
	mask, count := validity(b.nulls, runs, rows)
	return []*memory.Buffer{mask, memory.NewBufferBytes(bitmap)}, count, nil
}

// texts is a column of strings: bytes, and where each value lies in them.
type texts struct {
	nulls nulls
	col   *proto.ColStr
	words []uint64 // of the run that is summed up
}

func (s *texts) sum(run Run, rows []uint64, key uint64) uint64 {
	s.words = s.words[:0]
	for _, p := range s.col.Pos[run.From:run.To] {
		s.words = append(s.words, wordOf(s.col.Buf[p.Start:p.End]))
	}
	return sumColumn(s.words, s.nulls, run, rows, key)
}

func (s *texts) appendValue(dst []byte, row int) []byte {
	if isNull(s.nulls, row) {
		return append(dst, 0)
	}
	v := s.col.RowBytes(row)
	return append(binary.AppendUvarint(append(dst, 1), uint64(len(v))), v...)
}

func (s *texts) buffers(runs []Run, rows int) ([]*memory.Buffer, int, error) {
	size := 0
	for _, r := range runs {
		for _, p := range s.col.Pos[r.From:r.To] {
			size += p.End - p.Start
		}
	}
	if size > math.MaxInt32 {
		return nil, 0, fmt.Errorf("%d rows hold %d bytes, more than an arrow array's 2 GiB; lower block_rows", rows, size)
	}
	offsets, data := make([]int32, 1, rows+1), make([]byte, 0, size)
	for _, r := range runs {
		for _, p := range s.col.Pos[r.From:r.To] {
			data = append(data, s.col.Buf[p.Start:p.End]...)
			offsets = append(offsets, int32(len(data)))
		}
	}
	mask, count := validity(s.nulls, runs, rows)
	return []*memory.Buffer{mask, memory.NewBufferBytes(arrow.GetBytes(offsets)), memory.NewBufferBytes(data)}, count, nil
}
