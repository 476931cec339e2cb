package archive

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// physical are the types that Parquet has for numbers.
type physical interface {
	int32 | int64 | float32 | float64
}

// numberChunk collects numbers.
type numberChunk[P physical] struct {
	levels
	values []P
}

func (c *numberChunk[P]) choose(s *scratch) columnEncoding {
	width := 32
	var plain columnEncoding
	var others int // bits the values take without a dictionary
	switch values := any(c.values).(type) {
	case []int32:
		plain.values, others = parquet.Encodings.DeltaBinaryPacked, deltaBits(values)
	case []int64:
		plain.values, others, width = parquet.Encodings.DeltaBinaryPacked, deltaBits(values), 64
	case []float32:
		plain.values, others = parquet.Encodings.ByteStreamSplit, 32*len(values)*3/4
	case []float64:
		plain.values, others, width = parquet.Encodings.ByteStreamSplit, 64*len(values)*3/4, 64
	}
	entries, ok := c.index(s)
	plain.dictionary = ok && width*entries+len(c.values)*bits.Len(uint(max(1, entries)-1)) <= others
	return plain
}

// deltaBits is about how many bits integers take as differences, which are
// packed by 32 with as many bits each as the largest needs.
func deltaBits[T int32 | int64](values []T) (sum int) {
	for i := 1; i < len(values); i += 32 {
		least, most := int64(math.MaxInt64), int64(math.MinInt64)
		for j := i; j < min(i+32, len(values)); j++ {
			delta := int64(values[j]) - int64(values[j-1])
			least, most = min(least, delta), max(most, delta)
		}
		sum += 32*bits.Len64(uint64(most-least)) + 8
	}
	return sum
}

// index looks for a dictionary, which is then in the scratch with the indexes.
func (c *numberChunk[P]) index(s *scratch) (entries int, ok bool) {
	s.indexes = grow(s.indexes[:0], len(c.values))
	switch values := any(c.values).(type) {
	case []int32:
		ok = s.narrow.encode(as[uint32](values), s.indexes)
	case []float32:
		ok = s.narrow.encode(as[uint32](values), s.indexes)
	case []int64:
		ok = s.wide.encode(as[uint64](values), s.indexes)
		return len(s.wide.entries), ok
	case []float64:
		ok = s.wide.encode(as[uint64](values), s.indexes)
		return len(s.wide.entries), ok
	}
	return len(s.narrow.entries), ok
}

// dictionary is what index found.
func (c *numberChunk[P]) dictionary(s *scratch) arrow.Array {
	narrow, wide := arrow.GetBytes(s.narrow.entries), arrow.GetBytes(s.wide.entries)
	switch any(c.values).(type) {
	case []int32:
		return array.NewInt32Data(arrayData(arrow.PrimitiveTypes.Int32, len(s.narrow.entries), narrow))
	case []float32:
		return array.NewFloat32Data(arrayData(arrow.PrimitiveTypes.Float32, len(s.narrow.entries), narrow))
	case []int64:
		return array.NewInt64Data(arrayData(arrow.PrimitiveTypes.Int64, len(s.wide.entries), wide))
	default:
		return array.NewFloat64Data(arrayData(arrow.PrimitiveTypes.Float64, len(s.wide.entries), wide))
	}
}

func (c *numberChunk[P]) write(to file.ColumnChunkWriter, e columnEncoding, s *scratch) error {
	defer c.reset()
	column := to.(batches[P])
	if e.dictionary {
		if _, ok := c.index(s); ok {
			statistics := to.PageStatistics().(interface{ Update([]P, int64) })
			done, err := writeIndexed(&c.levels, column, c.dictionary(s), s.indexes, s, func(p page) {
				statistics.Update(c.values[p.from:p.to], 0)
			})
			if done || err != nil {
				return err
			}
		}
		to.FallbackToPlain()
	}
	return c.pages(pageRows, to, s, func(p page) error {
		_, err := column.WriteBatch(c.values[p.from:p.to], p.levels, nil)
		return err
	})
}

func (c *numberChunk[P]) reset() {
	c.levels.reset()
	c.values = c.values[:0]
}

// truthChunk collects truth values, which have a bit each.
type truthChunk struct {
	levels
	values []uint8
}

func (c *truthChunk) choose(*scratch) columnEncoding {
	return columnEncoding{values: parquet.Encodings.Plain}
}

func (c *truthChunk) write(to file.ColumnChunkWriter, _ columnEncoding, s *scratch) error {
	defer c.reset()
	column, values := to.(batches[bool]), as[bool](c.values)
	return c.pages(pageRows, to, s, func(p page) error {
		_, err := column.WriteBatch(values[p.from:p.to], p.levels, nil)
		return err
	})
}

func (c *truthChunk) reset() {
	c.levels.reset()
	c.values = c.values[:0]
}
