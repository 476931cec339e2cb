package archive

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// textChunk collects strings: those of a column of low cardinality by their
// place in a dictionary, others as they are.
type textChunk struct {
	levels

	words   *textDictionary // nil if strings are kept as they are
	indexes []int32         // a value's place in words

	data    []byte
	offsets []int32 // value i is data[offsets[i]:offsets[i+1]]
}

// append appends a string as it is. A row group has less than 2 GiB of them.
func (c *textChunk) append(v []byte) {
	if len(c.offsets) == 0 {
		c.offsets = append(c.offsets, 0)
	}
	c.data = append(c.data, v...)
	c.offsets = append(c.offsets, int32(len(c.data)))
}

// choose prefers a dictionary. Without one lengths and bytes stand apart, which
// compresses better than one after the other.
func (c *textChunk) choose(s *scratch) columnEncoding {
	_, _, ok := c.index(s)
	return columnEncoding{dictionary: ok, values: parquet.Encodings.DeltaLengthByteArray}
}

// index returns a dictionary and a value's place in it, one a value; false if it
// would be too large.
func (c *textChunk) index(s *scratch) (*textDictionary, []int32, bool) {
	if c.words != nil {
		return c.words, c.indexes, !c.words.tooLarge(len(c.indexes))
	}
	d := newTextDictionary()
	s.indexes = s.indexes[:0]
	for i := range c.count() {
		v := c.data[c.offsets[i]:c.offsets[i+1]]
		if i > 0 && string(v) == string(d.entry(s.indexes[i-1])) {
			s.indexes = append(s.indexes, s.indexes[i-1])
			continue
		}
		s.indexes = append(s.indexes, d.index(v))
		if d.tooLarge(c.count()) {
			return nil, nil, false
		}
	}
	return d, s.indexes, true
}

// count is how many strings are kept as they are.
func (c *textChunk) count() int { return max(1, len(c.offsets)) - 1 }

func (c *textChunk) write(to file.ColumnChunkWriter, e columnEncoding, s *scratch) error {
	defer c.reset()
	column := to.(*file.ByteArrayColumnChunkWriter)
	if e.dictionary {
		if d, indexes, ok := c.index(s); ok {
			d.sort(indexes)
			_, err := writeIndexed[parquet.ByteArray](&c.levels, column, d.array(), indexes, s, func(p page) {
				noteTexts(to.PageStatistics().(*metadata.ByteArrayStatistics), d, indexes[p.from:p.to])
			})
			return err // of strings arrow-go takes none for another
		}
		to.FallbackToPlain()
	}
	data, offsets := c.strings()
	rows := pageRows
	if len(data) > 0 {
		rows = max(1, min(rows, pageBytes*c.rows/len(data)))
	}
	return c.pages(rows, to, s, func(p page) error {
		_, err := column.WriteBatchArrow(data, offsets[p.from:p.to+1], p.levels, nil)
		return err
	})
}

// noteTexts takes the statistics of a page by its indexes of a sorted dictionary.
func noteTexts(statistics *metadata.ByteArrayStatistics, d *textDictionary, indexes []int32) {
	if len(indexes) == 0 {
		return
	}
	statistics.IncNumValues(int64(len(indexes)))
	statistics.SetMinMax(d.entry(slices.Min(indexes)), d.entry(slices.Max(indexes)))
}

// strings are all values as they are.
func (c *textChunk) strings() (data []byte, offsets []int32) {
	for _, i := range c.indexes {
		c.append(c.words.entry(i))
	}
	if len(c.offsets) == 0 {
		return nil, []int32{0}
	}
	return c.data, c.offsets
}

func (c *textChunk) reset() {
	c.levels.reset()
	c.indexes, c.data, c.offsets = c.indexes[:0], c.data[:0], c.offsets[:0]
	if c.words != nil {
		c.words.reset()
	}
}

func (d *textDictionary) array() arrow.Array {
	return array.NewBinaryData(arrayData(arrow.BinaryTypes.Binary, d.len(), arrow.GetBytes(d.offsets), d.data))
}
