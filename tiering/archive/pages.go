package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"penstock/schema"
)

// pageValues are the values of one page, NULLs left out, as parquet-go decodes
// them: typed columns, and not a value at a time.
type pageValues struct {
	encoding.Values
	levels []byte // 1 for a value, 0 for NULL, one a row; empty if all are values
	// words is the dictionary, and the values are indexes of it; nil if there is
	// none.
	words []uint64
	rows  int
}

// scanPages calls each for every page of a column chunk, in row order, with the
// row it begins at, and holds what a query would skip it by against it.
func scanPages(chunk parquet.ColumnChunk, t schema.Type, rows int, each func(row int, p pageValues) error) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	skips, err := skippingOf(chunk)
	if err != nil {
		return err
	}
	var words []uint64
	row := 0
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("page after row %d: %w", row, err)
		}
		n := int(page.NumValues()) // flat columns: one a row
		if row+n > rows {
			return fmt.Errorf("more values than the row group's %d rows", rows)
		}
		if err := skips.check(row, page); err != nil {
			return err
		}
		p := pageValues{Values: page.Data(), levels: page.DefinitionLevels(), rows: n}
		if dictionary := page.Dictionary(); dictionary != nil {
			if words == nil {
				words = appendDictionary(make([]uint64, 0, dictionary.Len()), dictionary.Page().Data(), t)
			}
			p.words = words
		}
		err = each(row, p)
		parquet.Release(page)
		if err != nil {
			return fmt.Errorf("page after row %d: %w", row, err)
		}
		row += n
	}
	if row != rows {
		return fmt.Errorf("%d values, want the row group's %d rows", row, rows)
	}
	return skips.end()
}

// integers copies the values of a page without NULL, of at most 32 bits, to dst.
func (p pageValues) integers(dst []int32) error {
	if p.words != nil {
		return lookUp(dst[:p.rows], p.Int32(), p.words)
	}
	return copyAll(dst[:p.rows], p.Int32())
}

// longs does so with values of 64 bits.
func (p pageValues) longs(dst []int64) error {
	if p.words != nil {
		return lookUp(dst[:p.rows], p.Int32(), p.words)
	}
	return copyAll(dst[:p.rows], p.Int64())
}

func lookUp[T int32 | int64](dst []T, indexes []int32, words []uint64) error {
	if len(indexes) != len(dst) {
		return fmt.Errorf("%d indexes of a dictionary for %d rows", len(indexes), len(dst))
	}
	for i, index := range indexes {
		if uint(index) >= uint(len(words)) {
			return fmt.Errorf("index %d of a dictionary of %d values", index, len(words))
		}
		dst[i] = T(words[index])
	}
	return nil
}

func copyAll[T int32 | int64](dst, values []T) error {
	if len(values) != len(dst) {
		return fmt.Errorf("%d values for %d rows", len(values), len(dst))
	}
	copy(dst, values)
	return nil
}

// adder adds up the cells of pages. What it keeps between them is memory.
type adder struct{ valued, absent, words []uint64 }

// sum adds up the cells of a page, whose rows have these keys.
func (a *adder) sum(p pageValues, t schema.Type, rows []uint64, key uint64) (uint64, error) {
	var nulls uint64
	if len(p.levels) > 0 {
		a.valued, a.absent = split(rows, p.levels, a.valued, a.absent)
		nulls = sumNulls(a.absent, key)
		rows = a.valued
	}
	if p.words != nil {
		sum, err := sumIndexed(p.Int32(), p.words, rows, key)
		return nulls + sum, err
	}
	if t == schema.Bool {
		if bits := p.Boolean(); len(bits) != (len(rows)+7)/8 {
			return 0, fmt.Errorf("%d bytes of truth values for %d rows", len(bits), len(rows))
		}
		return nulls + sumBits(p.Boolean(), rows, key), nil
	}
	sum, err := a.sumValues(p.Values, t, rows, key)
	return nulls + sum, err
}

func (a *adder) sumValues(v encoding.Values, t schema.Type, rows []uint64, key uint64) (uint64, error) {
	switch t {
	case schema.Int8, schema.Int16, schema.Int32:
		return exactly(v.Int32(), rows, key)
	case schema.UInt8, schema.UInt16, schema.UInt32:
		return exactly(v.Uint32(), rows, key)
	case schema.Float32:
		return exactly(as[uint32](v.Float()), rows, key)
	case schema.Float64:
		return exactly(as[uint64](v.Double()), rows, key)
	case schema.String:
		a.words = appendWords(a.words[:0], v)
		return exactly(a.words, rows, key)
	default: // Int64, UInt64, TimestampMS
		return exactly(v.Uint64(), rows, key)
	}
}

// exactly adds up values if they are one a row.
func exactly[T integer](values []T, rows []uint64, key uint64) (uint64, error) {
	if len(values) != len(rows) {
		return 0, fmt.Errorf("%d values for %d rows that have one", len(values), len(rows))
	}
	return sumIntegers(values, rows, key), nil
}

// appendWords appends strings as words.
func appendWords(words []uint64, v encoding.Values) []uint64 {
	data, offsets := v.ByteArray()
	for i := range len(offsets) - 1 {
		words = append(words, wordOf(data[offsets[i]:offsets[i+1]]))
	}
	return words
}

// appendDictionary appends the values of a dictionary as words.
func appendDictionary(words []uint64, v encoding.Values, t schema.Type) []uint64 {
	switch t {
	case schema.Int8, schema.Int16, schema.Int32:
		return appendIntegers(words, v.Int32())
	case schema.UInt8, schema.UInt16, schema.UInt32:
		return appendIntegers(words, v.Uint32())
	case schema.Float32:
		return appendIntegers(words, as[uint32](v.Float()))
	case schema.Float64:
		return appendIntegers(words, as[uint64](v.Double()))
	case schema.String:
		return appendWords(words, v)
	default: // Int64, UInt64, TimestampMS; a truth value has no dictionary
		return appendIntegers(words, v.Uint64())
	}
}

func appendIntegers[T integer](words []uint64, values []T) []uint64 {
	for _, v := range values {
		words = append(words, uint64(int64(v)))
	}
	return words
}
