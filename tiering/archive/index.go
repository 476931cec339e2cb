package archive

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
)

// skipping is what a query skips parts of a column chunk by: statistics, page
// index, bloom filter. If one of them is wrong the rows are all there, and are
// not found.
type skipping struct {
	column parquet.Type

	hasBounds   bool // of the chunk
	least, most parquet.Value
	values      parquet.ColumnIndex // nil if there is none
	rows        parquet.OffsetIndex
	bloom       parquet.BloomFilter // nil if there is none

	page int    // number of the next one
	last []byte // the value that was looked for in the bloom filter last
}

func skippingOf(chunk parquet.ColumnChunk) (s skipping, err error) {
	s.column, s.bloom = chunk.Type(), chunk.BloomFilter()
	if c, ok := chunk.(*parquet.FileColumnChunk); ok {
		s.least, s.most, s.hasBounds = c.Bounds()
	}
	// There is none of a column with values that are too long for it.
	if s.values, err = chunk.ColumnIndex(); errors.Is(err, parquet.ErrMissingColumnIndex) {
		s.values = nil
	} else if err != nil {
		return s, fmt.Errorf("column index: %w", err)
	}
	if s.rows, err = chunk.OffsetIndex(); err != nil {
		return s, fmt.Errorf("offset index: %w", err)
	}
	return s, nil
}

// check holds the next page, which begins at a row, against what is said of it.
func (s *skipping) check(row int, page parquet.Page) error {
	i := s.page
	s.page++
	if i >= s.rows.NumPages() || s.rows.FirstRowIndex(i) != int64(row) {
		return fmt.Errorf("the offset index does not have page %d at row %d", i, row)
	}
	least, most, ok := page.Bounds()
	// Of floats that are no numbers nothing is said.
	if ok && s.column.Compare(least, least) == 0 && s.column.Compare(most, most) == 0 {
		if s.hasBounds && s.outside(least, most, s.least, s.most) {
			return fmt.Errorf("page %d has values from %v to %v; statistics say %v to %v: queries would skip them", i, least, most, s.least, s.most)
		}
		if s.values != nil && (s.values.NullPage(i) || s.outside(least, most, s.values.MinValue(i), s.values.MaxValue(i))) {
			return fmt.Errorf("page %d has values from %v to %v; the column index says %v to %v: queries would skip them",
				i, least, most, s.values.MinValue(i), s.values.MaxValue(i))
		}
	}
	if s.bloom == nil {
		return nil
	}
	return s.checkBloom(i, page)
}

func (s *skipping) outside(least, most, from, to parquet.Value) bool {
	return s.column.Compare(least, from) < 0 || s.column.Compare(most, to) > 0
}

// checkBloom looks for every value of a page of strings in the bloom filter.
func (s *skipping) checkBloom(i int, page parquet.Page) error {
	values := page.Data()
	if dictionary := page.Dictionary(); dictionary != nil {
		if i > 0 {
			return nil // the first page has found all of it
		}
		values = dictionary.Page().Data()
	}
	data, offsets := values.ByteArray()
	for at := range max(1, len(offsets)) - 1 {
		v := data[offsets[at]:offsets[at+1]]
		if s.last != nil && string(v) == string(s.last) {
			continue
		}
		s.last = append(s.last[:0], v...)
		found, err := s.bloom.Check(parquet.ByteArrayValue(v))
		if err != nil {
			return fmt.Errorf("bloom filter: %w", err)
		}
		if !found {
			return fmt.Errorf("page %d has %q, which is not in the bloom filter: queries would skip it", i, v)
		}
	}
	return nil
}

// end is called after the last page.
func (s *skipping) end() error {
	if s.rows.NumPages() != s.page || s.values != nil && s.values.NumPages() != s.page {
		return fmt.Errorf("%d pages; the offset index has %d", s.page, s.rows.NumPages())
	}
	return nil
}
