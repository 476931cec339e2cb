package archive

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// chunk collects the values of one column for a row group, NULLs left out, and
// writes them when it is full. Only then is it known which of them repeat.
type chunk interface {
	// choose returns how values like these are best encoded.
	choose(*scratch) columnEncoding
	// write writes all values to a file's next column, which was opened with
	// this encoding, and empties the chunk.
	write(to file.ColumnChunkWriter, e columnEncoding, s *scratch) error
}

// columnEncoding is how a column of a file is encoded.
type columnEncoding struct {
	// dictionary: by one for each row group, as long as that is small.
	dictionary bool
	// values is the encoding of what has none.
	values parquet.Encoding
}

// scratch is memory that the chunks of a file use one after the other.
type scratch struct {
	indexes []int32
	levels  []int16
	narrow  numberDictionary[uint32]
	wide    numberDictionary[uint64]
}

// levels are which rows of a chunk have a value.
type levels struct {
	nullable bool
	rows     int
	nulls    []uint8 // 1 for NULL, one a row; empty if the column is not nullable
}

func (l *levels) append(rows int, nulls []uint8) {
	l.rows += rows
	l.nulls = append(l.nulls, nulls...)
}

func (l *levels) reset() { l.rows, l.nulls = 0, l.nulls[:0] }

// page is what of a chunk becomes one page.
type page struct {
	from, to int     // its values
	levels   []int16 // 1 for a value and 0 for NULL, one a row; nil if the column is not nullable
}

// pages has a chunk written in pages of so many rows.
func (l *levels) pages(rows int, to file.ColumnChunkWriter, s *scratch, write func(page) error) error {
	flusher := to.(interface{ FlushCurrentPage() error })
	value := 0
	for row := 0; row < l.rows; row += rows {
		if row > 0 {
			if err := flusher.FlushCurrentPage(); err != nil {
				return err
			}
		}
		end := min(row+rows, l.rows)
		p := page{from: value, to: value + end - row}
		if l.nullable {
			p.levels = grow(s.levels[:0], end-row)
			p.to = value
			for i, null := range l.nulls[row:end] {
				p.levels[i] = int16(1 - null&1)
				p.to += int(p.levels[i])
			}
			s.levels = p.levels
		}
		if err := write(p); err != nil {
			return err
		}
		value = p.to
	}
	return nil
}

// batches is arrow-go's writer of a column whose values are of type T.
type batches[T any] interface {
	file.ColumnChunkWriter
	WriteBatch(values []T, definition, repetition []int16) (int64, error)
}

// readyDictionary is what arrow-go's encoders take if a dictionary is ready:
// then they hash nothing.
type readyDictionary interface {
	PutDictionary(arrow.Array) error
	PutIndices(arrow.Array) error
	NumEntries() int
}

// writeIndexed writes a chunk as indexes of a dictionary, and has note take the
// statistics of each page. False, and nothing is written, if arrow-go takes two
// entries for one, as those of 0 and -0.
func writeIndexed[T any](l *levels, to batches[T], dictionary arrow.Array, indexes []int32, s *scratch, note func(page)) (bool, error) {
	encoder := to.CurrentEncoder().(readyDictionary)
	if err := encoder.PutDictionary(dictionary); err != nil {
		return false, err
	}
	if encoder.NumEntries() != dictionary.Len() {
		return false, nil
	}
	return true, l.pages(pageRows, to, s, func(p page) error {
		of := int32s(indexes[p.from:p.to])
		note(p)
		if p.levels == nil {
			return to.WriteDictIndices(of, nil, nil)
		}
		// Not WriteDictIndices: that one wants indexes for NULLs too, and a bitmap
		// of which to leave out. No values are none to encode, and levels are
		// written all the same.
		if err := encoder.PutIndices(of); err != nil {
			return err
		}
		_, err := to.WriteBatch(nil, p.levels, nil)
		return err
	})
}

func int32s(values []int32) arrow.Array {
	return array.NewInt32Data(arrayData(arrow.PrimitiveTypes.Int32, len(values), arrow.GetBytes(values)))
}

func arrayData(t arrow.DataType, n int, buffers ...[]byte) *array.Data {
	all := []*memory.Buffer{nil} // no NULL
	for _, b := range buffers {
		all = append(all, memory.NewBufferBytes(b))
	}
	return array.NewData(t, n, all, nil, 0, 0)
}
