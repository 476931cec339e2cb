package archive

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/parquet-go/parquet-go"

	"penstock/schema"
)

// Rows are some rows of a file as ClickHouse takes them.
type Rows struct {
	columns proto.Input
	fill    []filler // of each column
}

// filler is a column that values of a Parquet file are appended to.
type filler struct {
	append func(parquet.Value)
	reset  func()
}

// Columns returns the columns to insert, each of the file's.
func (r *Rows) Columns() proto.Input { return r.columns }

// Len returns the number of rows.
func (r *Rows) Len() int { return r.columns[0].Data.Rows() }

// ReadRows reads a Parquet file with parquet-go and calls each for the rows of
// every row group, in the file's order: the same file makes the same calls every
// time. The file has to have exactly these columns. Rows are each's until it
// returns.
func ReadRows(r io.ReaderAt, size int64, columns []schema.Column, each func(*Rows) error) error {
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("open Parquet file of %d bytes: %w", size, err)
	}
	leaves, err := match(file, columns)
	if err != nil {
		return err
	}
	rows := newRows(columns)
	for g, group := range file.RowGroups() {
		chunks, n := group.ColumnChunks(), int(group.NumRows())
		for i, fill := range rows.fill {
			fill.reset()
			err := scanValues(chunks[leaves[i]], fill.append)
			if got := rows.columns[i].Data.Rows(); err == nil && got != n {
				err = fmt.Errorf("%d values, want the row group's %d rows", got, n)
			}
			if err != nil {
				return fmt.Errorf("row group %d, column %s: %w", g, columns[i].Name, err)
			}
		}
		if err := each(rows); err != nil {
			return err
		}
	}
	return nil
}

// scanValues calls each for every value of a column chunk, in row order.
func scanValues(chunk parquet.ColumnChunk, each func(parquet.Value)) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	var values [1024]parquet.Value
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("page: %w", err)
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values[:])
			for _, v := range values[:n] {
				each(v)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("values: %w", err)
			}
		}
		parquet.Release(page)
	}
}

func newRows(columns []schema.Column) *Rows {
	r := new(Rows)
	for _, c := range columns {
		data, fill := newInput(c)
		r.columns = append(r.columns, proto.InputColumn{Name: c.Name, Data: data})
		r.fill = append(r.fill, fill)
	}
	return r
}

// newInput returns a column for ClickHouse, and what fills it. A column of low
// cardinality goes as a plain string; ClickHouse makes its dictionary.
func newInput(c schema.Column) (proto.ColInput, filler) {
	switch c.Type {
	case schema.String:
		col := new(proto.ColStr)
		if !c.Nullable { // which most are, and no copy of theirs is needed
			return col, filler{append: func(v parquet.Value) { col.AppendBytes(v.ByteArray()) }, reset: col.Reset}
		}
		return input(c, col, func(v parquet.Value) string { return string(v.ByteArray()) })
	case schema.Bool:
		return input(c, new(proto.ColBool), parquet.Value.Boolean)
	case schema.Int8:
		return input(c, new(proto.ColInt8), func(v parquet.Value) int8 { return int8(v.Int32()) })
	case schema.Int16:
		return input(c, new(proto.ColInt16), func(v parquet.Value) int16 { return int16(v.Int32()) })
	case schema.Int32:
		return input(c, new(proto.ColInt32), parquet.Value.Int32)
	case schema.Int64:
		return input(c, new(proto.ColInt64), parquet.Value.Int64)
	case schema.UInt8:
		return input(c, new(proto.ColUInt8), func(v parquet.Value) uint8 { return uint8(v.Uint32()) })
	case schema.UInt16:
		return input(c, new(proto.ColUInt16), func(v parquet.Value) uint16 { return uint16(v.Uint32()) })
	case schema.UInt32:
		return input(c, new(proto.ColUInt32), parquet.Value.Uint32)
	case schema.UInt64:
		return input(c, new(proto.ColUInt64), parquet.Value.Uint64)
	case schema.Float32:
		return input(c, new(proto.ColFloat32), parquet.Value.Float)
	case schema.Float64:
		return input(c, new(proto.ColFloat64), parquet.Value.Double)
	case schema.TimestampMS:
		col := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli).WithLocation(time.UTC)
		return input(c, col, func(v parquet.Value) time.Time { return time.UnixMilli(v.Int64()) })
	}
	panic(fmt.Sprintf("BUG: column %s has type %q, which schema.Parse does not let through", c.Name, c.Type))
}

// column is a client column that can be filled, sent and filled again.
type column[T any] interface {
	proto.ColumnOf[T]
	proto.ColInput
}

func input[T any](c schema.Column, col column[T], value func(parquet.Value) T) (proto.ColInput, filler) {
	if !c.Nullable {
		return col, filler{append: func(v parquet.Value) { col.Append(value(v)) }, reset: col.Reset}
	}
	nullable := proto.NewColNullable[T](col)
	return nullable, filler{reset: nullable.Reset, append: func(v parquet.Value) {
		if v.IsNull() {
			nullable.Append(proto.Null[T]())
		} else {
			nullable.Append(proto.NewNullable(value(v)))
		}
	}}
}
