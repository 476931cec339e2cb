package archive

import (
	"encoding/binary"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
)

// vector is one column of a block: the client library's column, seen as what a
// checksum, a comparison and a file need of it.
type vector interface {
	// sum adds up the cells of runs, as [Sums] defines them; rows has the keys
	// of their rows, one run after the other.
	sum(runs []Run, rows []uint64, key uint64) uint64
	// appendValue appends bytes that are equal for equal values only, also
	// when values follow each other.
	appendValue(dst []byte, row int) []byte
	// textBytes is the length of a run's texts; 0 for what is none.
	textBytes(run Run) int
	// width is how many bytes each row has beside its text.
	width() int
	// newChunk returns what a file's writer collects the column's values in.
	newChunk() chunk
	// appendTo appends the values of runs to such a chunk.
	appendTo(c chunk, runs []Run)
}

// newVector returns a column's vector and what the client decodes it into.
func newVector(c schema.Column) (vector, proto.ColResult) {
	switch c.Type {
	case schema.String:
		if c.LowCardinality {
			col := newLowCardinality()
			return &words{col: col}, col
		}
		col := new(proto.ColStr)
		nulls, result := maybeNull[string](c, col)
		return &texts{nulls: nulls, col: col}, result
	case schema.Bool:
		col := new(proto.ColBool)
		nulls, result := maybeNull[bool](c, col)
		return &truths{nulls: nulls, col: col}, result
	case schema.Int8:
		return newNumbers[int8, int8, int32](c, new(proto.ColInt8), func(col *proto.ColInt8) []int8 { return *col })
	case schema.Int16:
		return newNumbers[int16, int16, int32](c, new(proto.ColInt16), func(col *proto.ColInt16) []int16 { return *col })
	case schema.Int32:
		return newNumbers[int32, int32, int32](c, new(proto.ColInt32), func(col *proto.ColInt32) []int32 { return *col })
	case schema.Int64:
		return newNumbers[int64, int64, int64](c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col })
	case schema.UInt8:
		return newNumbers[uint8, uint8, int32](c, new(proto.ColUInt8), func(col *proto.ColUInt8) []uint8 { return *col })
	case schema.UInt16:
		return newNumbers[uint16, uint16, int32](c, new(proto.ColUInt16), func(col *proto.ColUInt16) []uint16 { return *col })
	case schema.UInt32:
		return newNumbers[uint32, uint32, int32](c, new(proto.ColUInt32), func(col *proto.ColUInt32) []uint32 { return *col })
	case schema.UInt64:
		return newNumbers[uint64, uint64, int64](c, new(proto.ColUInt64), func(col *proto.ColUInt64) []uint64 { return *col })
	case schema.Float32:
		return newNumbers[float32, uint32, float32](c, new(proto.ColFloat32), func(col *proto.ColFloat32) []float32 { return *col })
	case schema.Float64:
		return newNumbers[float64, uint64, float64](c, new(proto.ColFloat64), func(col *proto.ColFloat64) []float64 { return *col })
	case schema.TimestampMS:
		// As a plain Int64: the query asks for milliseconds, and the library's
		// own DateTime64 would only wrap the same number.
		return newNumbers[int64, int64, int64](c, new(proto.ColInt64), func(col *proto.ColInt64) []int64 { return *col })
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

// nulls is a column's null mask, one byte a row, 1 for NULL; nil if it is not
// nullable.
type nulls = *proto.ColUInt8

func isNull(n nulls, row int) bool { return n != nil && (*n)[row] != 0 }

// ofRun is the mask of a run; nil if there is none.
func ofRun(n nulls, run Run) []uint8 {
	if n == nil {
		return nil
	}
	return (*n)[run.From:run.To]
}

// sumRuns adds up the values of runs, which may be NULL where there is a mask.
func sumRuns[B integer](values []B, n nulls, runs []Run, rows []uint64, key uint64) (sum uint64) {
	for _, r := range runs {
		if n == nil {
			sum += sumIntegers(values[r.From:r.To], rows, key)
		} else {
			sum += sumNullable(values[r.From:r.To], (*n)[r.From:r.To], rows, key)
		}
		rows = rows[r.Len():]
	}
	return sum
}

type number interface{ integer | float32 | float64 }

// numbers is a column of numbers of type T, whose bits are those of the integers
// B and which are P in a Parquet file.
type numbers[T number, B integer, P physical] struct {
	nulls nulls
	data  func() []T
}

func newNumbers[T number, B integer, P physical, C proto.ColumnOf[T]](c schema.Column, col C, data func(C) []T) (vector, proto.ColResult) {
	mask, result := maybeNull[T](c, col)
	return &numbers[T, B, P]{nulls: mask, data: func() []T { return data(col) }}, result
}

func (n *numbers[T, B, P]) sum(runs []Run, rows []uint64, key uint64) uint64 {
	return sumRuns(as[B](n.data()), n.nulls, runs, rows, key)
}

func (n *numbers[T, B, P]) appendValue(dst []byte, row int) []byte {
	if isNull(n.nulls, row) {
		return append(dst, 0)
	}
	return binary.LittleEndian.AppendUint64(append(dst, 1), uint64(int64(as[B](n.data())[row])))
}

func (n *numbers[T, B, P]) textBytes(Run) int { return 0 }

func (n *numbers[T, B, P]) width() int { return binary.Size(T(0)) }

func (n *numbers[T, B, P]) newChunk() chunk {
	return &numberChunk[P]{levels: levels{nullable: n.nulls != nil}}
}

func (n *numbers[T, B, P]) appendTo(to chunk, runs []Run) {
	c, values := to.(*numberChunk[P]), n.data()
	for _, r := range runs {
		mask := ofRun(n.nulls, r)
		c.levels.append(r.Len(), mask)
		c.values = appendValid(c.values, values[r.From:r.To], mask)
	}
}

// appendValid appends the values that are not NULL.
func appendValid[T, P number](dst []P, src []T, nulls []uint8) []P {
	at := len(dst)
	dst = grow(dst, len(src))
	if nulls == nil {
		for i, v := range src {
			dst[at+i] = P(v)
		}
		return dst
	}
	for i, v := range src {
		dst[at] = P(v) // overwritten by the next if NULL: no branch to mispredict
		at += int(1 - nulls[i]&1)
	}
	return dst[:at]
}

// truths is a column of truth values.
type truths struct {
	nulls nulls
	col   *proto.ColBool
}

func (t *truths) sum(runs []Run, rows []uint64, key uint64) uint64 {
	return sumRuns(as[uint8](*t.col), t.nulls, runs, rows, key)
}

func (t *truths) appendValue(dst []byte, row int) []byte {
	if isNull(t.nulls, row) {
		return append(dst, 0)
	}
	return append(dst, 1, as[uint8](*t.col)[row])
}

func (t *truths) textBytes(Run) int { return 0 }

func (t *truths) width() int { return 1 }

func (t *truths) newChunk() chunk { return &truthChunk{levels: levels{nullable: t.nulls != nil}} }

func (t *truths) appendTo(to chunk, runs []Run) {
	c, values := to.(*truthChunk), as[uint8](*t.col)
	for _, r := range runs {
		mask := ofRun(t.nulls, r)
		c.levels.append(r.Len(), mask)
		c.values = appendValid(c.values, values[r.From:r.To], mask)
	}
}
