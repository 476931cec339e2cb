package archive

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"penstock/schema"
)

// MayHold reports whether a row of a Parquet file may have one of these values
// in a column of strings. It reads the footer and, of row groups whose statistics
// do not rule the values out, the bloom filter: false is certain, true is not.
func MayHold(r io.ReaderAt, size int64, column schema.Column, values []string) (_ bool, err error) {
	defer func() {
		// Of a file that is damaged in a way its library does not expect.
		if fault := recover(); fault != nil {
			err = fmt.Errorf("read the footer of a Parquet file of %d bytes: %v", size, fault)
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return false, fmt.Errorf("open Parquet file of %d bytes: %w", size, err)
	}
	leaf := -1
	for i, f := range file.Root().Columns() {
		if f.ID() == column.ID {
			leaf = i
		}
	}
	if leaf < 0 {
		return false, fmt.Errorf("Parquet file of %d bytes has no column with field id %d (%s)", size, column.ID, column.Name)
	}
	for g, group := range file.RowGroups() {
		chunk := group.ColumnChunks()[leaf]
		for _, v := range values {
			may, err := chunkMayHold(chunk, parquet.ByteArrayValue([]byte(v)))
			if err != nil {
				return false, fmt.Errorf("row group %d, column %s: %w", g, column.Name, err)
			}
			if may {
				return true, nil
			}
		}
	}
	return false, nil
}

func chunkMayHold(chunk parquet.ColumnChunk, v parquet.Value) (bool, error) {
	compare := chunk.Type().Compare
	if bounded, ok := chunk.(*parquet.FileColumnChunk); ok {
		if low, high, ok := bounded.Bounds(); ok && (compare(v, low) < 0 || compare(v, high) > 0) {
			return false, nil
		}
	}
	filter := chunk.BloomFilter()
	if filter == nil {
		return true, nil
	}
	return filter.Check(v)
}
