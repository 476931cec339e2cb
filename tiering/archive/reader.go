package archive

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"penstock/schema"
)

// Content is what a reader found in a file.
type Content struct {
	Rows uint64
	Sums Sums
}

// readBuffer is what is read of a file at a time: a page of most columns.
const readBuffer = 64 << 10

// Read reads all of a Parquet file with parquet-go and returns what it holds.
// What queries skip by, statistics, page index and bloom filter, has to be true.
// The file has to have exactly these columns, known by their field ids: those of
// the schema it was written with.
func Read(r io.ReaderAt, size int64, columns []schema.Column) (_ Content, err error) {
	defer func() {
		// Of a file that is damaged in a way its library does not expect.
		if fault := recover(); fault != nil {
			err = fmt.Errorf("read Parquet file of %d bytes: %v", size, fault)
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.PrefetchBloomFilters(true), parquet.ReadBufferSize(readBuffer))
	if err != nil {
		return Content{}, fmt.Errorf("open Parquet file of %d bytes: %w", size, err)
	}
	leaves, err := match(file, columns)
	if err != nil {
		return Content{}, err
	}
	origin, err := originOf(columns)
	if err != nil {
		return Content{}, fmt.Errorf("Parquet file of %d bytes: %w", size, err)
	}
	s := &scan{columns: columns, leaves: leaves, origin: origin}
	out := Content{Sums: make(Sums, len(columns))}
	for g, group := range file.RowGroups() {
		if err := s.group(group, out.Sums); err != nil {
			return Content{}, fmt.Errorf("row group %d: %w", g, err)
		}
		out.Rows += uint64(group.NumRows())
	}
	return out, nil
}

// origin says which columns tell where a row comes from. Files of the first
// releases have no index: every record was one event.
type origin struct{ partition, offset, index int }

func originOf(columns []schema.Column) (o origin, err error) {
	find := func(name string) int {
		return slices.IndexFunc(columns, func(c schema.Column) bool { return c.Name == name })
	}
	o = origin{find(schema.ColPartition), find(schema.ColOffset), find(schema.ColIndex)}
	for name, i := range map[string]int{schema.ColPartition: o.partition, schema.ColOffset: o.offset} {
		if i < 0 {
			err = errors.Join(err, fmt.Errorf("no column %s is listed; every file has one", name))
		}
	}
	return o, err
}

// scan reads row groups. What it keeps between them is memory.
type scan struct {
	columns []schema.Column
	leaves  []int // of each column, in the file
	origin  origin

	rows []uint64 // keys of a row group's rows
	adder
}

// group adds the cells of a row group to sums.
func (s *scan) group(group parquet.RowGroup, sums Sums) error {
	chunks, rows := group.ColumnChunks(), int(group.NumRows())
	each := func(column int, do func(row int, p pageValues) error) error {
		if err := scanPages(chunks[s.leaves[column]], s.columns[column].Type, rows, do); err != nil {
			return fmt.Errorf("column %s: %w", s.columns[column].Name, err)
		}
		return nil
	}
	// The keys of the rows come first: every checksum is made of them.
	if err := s.keys(rows, each); err != nil {
		return err
	}
	for i, c := range s.columns {
		key := columnKey(c.ID)
		err := each(i, func(row int, p pageValues) error {
			sum, err := s.sum(p, c.Type, s.rows[row:row+p.rows], key)
			sums[i] += Sum(sum)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keys reads where the rows of a row group come from.
func (s *scan) keys(rows int, each func(column int, do func(row int, p pageValues) error) error) error {
	s.rows = slices.Grow(s.rows[:0], rows)[:rows]
	partitions, offsets, indexes := make([]int32, rows), make([]int64, rows), make([]int32, rows)
	err := errors.Join(
		each(s.origin.partition, func(row int, p pageValues) error { return p.integers(partitions[row:]) }),
		each(s.origin.offset, func(row int, p pageValues) error { return p.longs(offsets[row:]) }),
	)
	if s.origin.index >= 0 {
		err = errors.Join(err, each(s.origin.index, func(row int, p pageValues) error { return p.integers(indexes[row:]) }))
	}
	for i := range s.rows {
		s.rows[i] = rowKey(partitions[i], offsets[i], uint16(indexes[i]))
	}
	return err
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
