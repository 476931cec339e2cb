package archive

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"penstock/schema"
)

// Content is what a reader found in a file.
type Content struct {
	Rows uint64
	Sums Sums
}

// Read reads all of a Parquet file with parquet-go and returns what it holds.
// The file has to have exactly these columns, known by their field ids: those of
// the schema it was written with.
func Read(r io.ReaderAt, size int64, columns []schema.Column) (Content, error) {
	// The bloom filter and page index are for queries that skip; here
	// everything is read.
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return Content{}, fmt.Errorf("open Parquet file of %d bytes: %w", size, err)
	}
	leaves, err := match(file, columns)
	if err != nil {
		return Content{}, err
	}
	index := make(map[string]int, len(columns))
	for i, c := range columns {
		index[c.Name] = i
	}
	for _, name := range []string{schema.ColPartition, schema.ColOffset} {
		if _, ok := index[name]; !ok {
			return Content{}, fmt.Errorf("Parquet file of %d bytes: no column %s is listed; every file has one", size, name)
		}
	}
	// Files of the first releases have none: every record was one event.
	several, hasIndex := index[schema.ColIndex]

	out := Content{Sums: make(Sums, len(columns))}
	var places []uint64
	for g, group := range file.RowGroups() {
		chunks, rows := group.ColumnChunks(), int(group.NumRows())
		scan := func(column int, each func(row int, v parquet.Value)) error {
			if err := scanChunk(chunks[leaves[column]], rows, each); err != nil {
				return fmt.Errorf("row group %d, column %s: %w", g, columns[column].Name, err)
			}
			return nil
		}

		// The places come first: every other checksum is made of them.
		places = make([]uint64, rows)
		partitions, offsets := make([]int32, rows), make([]int64, rows)
		err := errors.Join(
			scan(index[schema.ColPartition], func(row int, v parquet.Value) { partitions[row] = v.Int32() }),
			scan(index[schema.ColOffset], func(row int, v parquet.Value) {
				offsets[row] = v.Int64()
				places[row] = place(partitions[row], offsets[row], 0)
			}),
		)
		if hasIndex {
			err = errors.Join(err, scan(several, func(row int, v parquet.Value) { places[row] = place(partitions[row], offsets[row], uint16(v.Uint32())) }))
		}
		if err != nil {
			return Content{}, err
		}
		for i, c := range columns {
			word := wordOf(c.Type)
			err := scan(i, func(row int, v parquet.Value) {
				if v.IsNull() {
					out.Sums[i] += cell(c.ID, true, places[row], 0)
				} else {
					out.Sums[i] += cell(c.ID, false, places[row], word(v))
				}
			})
			if err != nil {
				return Content{}, err
			}
		}
		out.Rows += uint64(rows)
	}
	return out, nil
}

// match returns, for each column, the index of the file's leaf with its id.
func match(file *parquet.File, columns []schema.Column) ([]int, error) {
	byID := make(map[int]int)
	fields := file.Root().Columns()
	for i, f := range fields {
		if !f.Leaf() {
			return nil, fmt.Errorf("Parquet column %s is nested; the cold tier writes flat files", f.Name())
		}
		byID[f.ID()] = i
	}
	leaves := make([]int, len(columns))
	var faults []error
	for i, c := range columns {
		leaf, ok := byID[c.ID]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("Parquet file has no column with field id %d (%s)", c.ID, c.Name))
		case fields[leaf].Name() != c.Name:
			faults = append(faults, fmt.Errorf("Parquet column %s has field id %d, which is %s in the schema", fields[leaf].Name(), c.ID, c.Name))
		case fields[leaf].Optional() != c.Nullable:
			faults = append(faults, fmt.Errorf("Parquet column %s is optional: %t; the schema says nullable: %t", c.Name, fields[leaf].Optional(), c.Nullable))
		case !typed(fields[leaf].Type(), c.Type):
			faults = append(faults, fmt.Errorf("Parquet column %s has type %s; the schema says %s", c.Name, fields[leaf].Type(), c.Type))
		}
		leaves[i] = leaf
	}
	if extra := len(fields) - len(columns); extra > 0 && len(faults) == 0 {
		faults = append(faults, fmt.Errorf("Parquet file has %d columns, %d more than the schema", len(fields), extra))
	}
	return leaves, errors.Join(faults...)
}

// parquetTypes is how each type is spelled in a Parquet file, by parquet-go's
// own constructors and not by arrow-go's mapping, which is what is on trial.
var parquetTypes = map[schema.Type]parquet.Node{
	schema.String:      parquet.String(),
	schema.Bool:        parquet.Leaf(parquet.BooleanType),
	schema.Int8:        parquet.Int(8),
	schema.Int16:       parquet.Int(16),
	schema.Int32:       parquet.Int(32),
	schema.Int64:       parquet.Int(64),
	schema.UInt8:       parquet.Uint(8),
	schema.UInt16:      parquet.Uint(16),
	schema.UInt32:      parquet.Uint(32),
	schema.UInt64:      parquet.Uint(64),
	schema.Float32:     parquet.Leaf(parquet.FloatType),
	schema.Float64:     parquet.Leaf(parquet.DoubleType),
	schema.TimestampMS: parquet.Timestamp(parquet.Millisecond),
}

func typed(got parquet.Type, want schema.Type) bool {
	node, ok := parquetTypes[want]
	return ok && got.String() == node.Type().String()
}

// wordOf returns how a type's value becomes the word that [Sums] defines.
func wordOf(t schema.Type) func(parquet.Value) uint64 {
	switch t {
	case schema.String:
		return func(v parquet.Value) uint64 { return xxhash.Sum64(v.ByteArray()) }
	case schema.Bool:
		return func(v parquet.Value) uint64 {
			if v.Boolean() {
				return 1
			}
			return 0
		}
	case schema.Int8, schema.Int16, schema.Int32:
		return func(v parquet.Value) uint64 { return uint64(int64(v.Int32())) }
	case schema.UInt8, schema.UInt16, schema.UInt32:
		return func(v parquet.Value) uint64 { return uint64(v.Uint32()) }
	case schema.Float32:
		return func(v parquet.Value) uint64 { return uint64(math.Float32bits(v.Float())) }
	case schema.Float64:
		return func(v parquet.Value) uint64 { return math.Float64bits(v.Double()) }
	default: // Int64, UInt64, TimestampMS
		return func(v parquet.Value) uint64 { return v.Uint64() }
	}
}

// scanChunk calls each for every value of a column chunk, in row order.
func scanChunk(chunk parquet.ColumnChunk, rows int, each func(row int, v parquet.Value)) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	var values [1024]parquet.Value
	row := 0
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("page after row %d: %w", row, err)
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values[:])
			if row+n > rows {
				return fmt.Errorf("more values than the row group's %d rows", rows)
			}
			for i := range n {
				each(row+i, values[i])
			}
			row += n
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("values after row %d: %w", row, err)
			}
		}
		parquet.Release(page)
	}
	if row != rows {
		return fmt.Errorf("%d values, want the row group's %d rows", row, rows)
	}
	return nil
}
