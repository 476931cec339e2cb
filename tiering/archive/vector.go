package archive

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cespare/xxhash/v2"

	"penstock/schema"
)

// vector is one column of a block: the client library's column, seen as what a
// checksum, a comparison and an arrow array need of it.
type vector interface {
	null(row int) bool
	// word is the value as [Sums] defines it; of no meaning for NULL.
	word(row int) uint64
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
		return &strings{nulls: nulls, col: col}, result
	case schema.Bool:
		col := new(proto.ColBool)
		nulls, result := maybeNull[bool](c, col)
		return &bools{nulls: nulls, col: col}, result
	case schema.Int8:
		return newFixed(c, new(proto.ColInt8), func(col *proto.ColInt8) []int8 { return *col }, signed[int8])
	case schema.Int16:
		return newFixed(c, new(proto.ColInt16), func(col *proto.ColInt16) []int16 { return *col }, signed[int16])
	case schema.Int32:
		return newFixed(c, new(proto.ColInt32), func(col *proto.ColInt32) []int32 { return *col }, signed[int32])
	case schema.Int64:
		return newFixed(c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col }, signed[int64])
	case schema.UInt8:
		return newFixed(c, new(proto.ColUInt8), func(col *proto.ColUInt8) []uint8 { return *col }, unsigned[uint8])
	case schema.UInt16:
		return newFixed(c, new(proto.ColUInt16), func(col *proto.ColUInt16) []uint16 { return *col }, unsigned[uint16])
	case schema.UInt32:
		return newFixed(c, new(proto.ColUInt32), func(col *proto.ColUInt32) []uint32 { return *col }, unsigned[uint32])
	case schema.UInt64:
		return newFixed(c, new(proto.ColUInt64), func(col *proto.ColUInt64) []uint64 { return *col }, unsigned[uint64])
	case schema.Float32:
		return newFixed(c, new(proto.ColFloat32), func(col *proto.ColFloat32) []float32 { return *col },
			func(v float32) uint64 { return uint64(math.Float32bits(v)) })
	case schema.Float64:
		return newFixed(c, new(proto.ColFloat64), func(col *proto.ColFloat64) []float64 { return *col }, math.Float64bits)
	case schema.TimestampMS:
		// As a plain Int64: the query asks for milliseconds, and the library's
		// own DateTime64 would only wrap the same number.
		return newFixed(c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col }, signed[int64])
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

func signed[T int8 | int16 | int32 | int64](v T) uint64       { return uint64(int64(v)) }
func unsigned[T uint8 | uint16 | uint32 | uint64](v T) uint64 { return uint64(v) }

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

// fixed is a column of numbers.
type fixed[T arrow.FixedWidthType] struct {
	nulls nulls
	data  func() []T
	bits  func(T) uint64
}

func newFixed[T arrow.FixedWidthType, C proto.ColumnOf[T]](c schema.Column, col C, data func(C) []T, bits func(T) uint64) (vector, proto.ColResult) {
	mask, result := maybeNull[T](c, col)
	return &fixed[T]{nulls: mask, data: func() []T { return data(col) }, bits: bits}, result
}

func (f *fixed[T]) null(row int) bool   { return isNull(f.nulls, row) }
func (f *fixed[T]) word(row int) uint64 { return f.bits(f.data()[row]) }

func (f *fixed[T]) appendValue(dst []byte, row int) []byte {
	return binary.LittleEndian.AppendUint64(dst, f.word(row))
}

func (f *fixed[T]) buffers(runs []Run, rows int) ([]*memory.Buffer, int, error) {
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

func (b *bools) null(row int) bool { return isNull(b.nulls, row) }

func (b *bools) word(row int) uint64 {
	if (*b.col)[row] {
		return 1
	}
	return 0
}

func (b *bools) appendValue(dst []byte, row int) []byte { return append(dst, byte(b.word(row))) }

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

// strings is a column of strings: bytes, and where each value lies in them.
type strings struct {
	nulls nulls
	col   *proto.ColStr
}

func (s *strings) null(row int) bool   { return isNull(s.nulls, row) }
func (s *strings) word(row int) uint64 { return xxhash.Sum64(s.col.RowBytes(row)) }

func (s *strings) appendValue(dst []byte, row int) []byte {
	v := s.col.RowBytes(row)
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

func (s *strings) buffers(runs []Run, rows int) ([]*memory.Buffer, int, error) {
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
