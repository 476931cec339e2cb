package stacktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	parquetgo "github.com/parquet-go/parquet-go"

	"penstock/schema"
)

// null is the text of NULL.
const null = `\N`

func float32Text(v float32) string {
	if math.IsNaN(float64(v)) {
		return "nan"
	}
	return strconv.FormatUint(uint64(math.Float32bits(v)), 10)
}

func float64Text(v float64) string {
	if math.IsNaN(v) {
		return "nan"
	}
	return strconv.FormatUint(math.Float64bits(v), 10)
}

// byArrow reads a file with arrow-go, into arrow's own types.
func byArrow(body []byte, s *schema.Schema) (found, error) {
	table, err := pqarrow.ReadTable(context.Background(), bytes.NewReader(body), parquet.NewReaderProperties(memory.DefaultAllocator),
		pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return found{}, err
	}
	defer table.Release()
	got := found{Types: map[string]string{}, Rows: make([][]string, table.NumRows())}
	for i, c := range s.Columns() {
		field := table.Schema().Field(i)
		if field.Name != c.Name {
			return found{}, fmt.Errorf("column %d is %s, want %s", i, field.Name, c.Name)
		}
		got.Types[c.Name] = field.Type.String()
		row := 0
		for _, chunk := range table.Column(i).Data().Chunks() {
			for j := range chunk.Len() {
				text, err := arrowText(chunk, j)
				if err != nil {
					return found{}, fmt.Errorf("column %s: %w", c.Name, err)
				}
				got.Rows[row] = append(got.Rows[row], text)
				row++
			}
		}
	}
	return got, nil
}

func arrowText(a arrow.Array, i int) (string, error) {
	if a.IsNull(i) {
		return null, nil
	}
	switch a := a.(type) {
	case *array.String:
		return a.Value(i), nil
	case *array.Boolean:
		return strconv.FormatBool(a.Value(i)), nil
	case *array.Float32:
		return float32Text(a.Value(i)), nil
	case *array.Float64:
		return float64Text(a.Value(i)), nil
	case *array.Timestamp:
		return strconv.FormatInt(int64(a.Value(i)), 10), nil
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64, *array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64:
		return a.ValueStr(i), nil
	}
	return "", fmt.Errorf("unexpected %T", a)
}

// byParquetGo reads a file with parquet-go, which knows a number as it is stored
// and its type beside it.
func byParquetGo(body []byte, s *schema.Schema) (got found, err error) {
	f, err := parquetgo.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return found{}, err
	}
	got.Types = map[string]string{}
	columns := s.Columns()
	for i, field := range f.Schema().Fields() {
		if field.Name() != columns[i].Name {
			return found{}, fmt.Errorf("column %d is %s, want %s", i, field.Name(), columns[i].Name)
		}
		got.Types[field.Name()] = field.Type().String()
	}
	for _, group := range f.RowGroups() {
		if got.Rows, err = appendRows(got.Rows, group, columns); err != nil {
			return found{}, err
		}
	}
	return got, nil
}

func appendRows(all [][]string, group parquetgo.RowGroup, columns []schema.Column) (_ [][]string, err error) {
	rows := group.Rows()
	defer func() { err = errors.Join(err, rows.Close()) }()
	buffer := make([]parquetgo.Row, 100)
	for {
		n, err := rows.ReadRows(buffer)
		for _, row := range buffer[:n] {
			var texts []string
			for i, v := range row {
				texts = append(texts, parquetText(columns[i], v))
			}
			all = append(all, texts)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func parquetText(c schema.Column, v parquetgo.Value) string {
	if v.IsNull() {
		return null
	}
	switch c.Type {
	case schema.String:
		return string(v.ByteArray())
	case schema.Bool:
		return strconv.FormatBool(v.Boolean())
	case schema.Float32:
		return float32Text(v.Float())
	case schema.Float64:
		return float64Text(v.Double())
	case schema.UInt8, schema.UInt16, schema.UInt32:
		return strconv.FormatUint(uint64(v.Uint32()), 10)
	case schema.UInt64:
		return strconv.FormatUint(v.Uint64(), 10)
	case schema.Int64, schema.TimestampMS:
		return strconv.FormatInt(v.Int64(), 10)
	}
	return strconv.FormatInt(int64(v.Int32()), 10)
}
