package iceberg

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	parquetfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	parquetschema "github.com/apache/arrow-go/v18/parquet/schema"
	apache "github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"

	"penstock/tiering"
)

// footer is what a file says of itself: what Iceberg wants to know of it, by
// field id.
type footer struct {
	columns []apache.NestedField
	// sizes are bytes on disk, values and nulls numbers of values. Nulls lacks
	// the columns for which the file does not say.
	sizes, values, nulls map[int]int64
	// lower and upper are bounds in Iceberg's binary form, of the columns that
	// have any: they prune files before one is opened.
	lower, upper map[int][]byte
	// splits are where the row groups begin.
	splits []int64
}

// readFooter reads the footer of a file at uri, and nothing else of it, and
// holds it against the file's entry in the manifest. Device is the id of the
// column whose bounds are not shortened.
func readFooter(fs icebergio.IO, uri string, f tiering.File, device int) (out footer, err error) {
	object, err := fs.Open(uri)
	if err != nil {
		return out, fmt.Errorf("open %s: %w", uri, err)
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	info, err := object.Stat()
	if err != nil {
		return out, fmt.Errorf("size of %s: %w", uri, err)
	}
	if info.Size() != f.Bytes {
		return out, fmt.Errorf("%s has %d bytes, the manifest says %d; run `compactor verify`", uri, info.Size(), f.Bytes)
	}
	r, err := parquetfile.NewParquetReader(object)
	if err != nil {
		return out, fmt.Errorf("footer of %s: %w", uri, err)
	}
	m := r.MetaData()
	if rows := uint64(m.GetNumRows()); rows != f.Rows {
		return out, fmt.Errorf("%s has %d rows, the manifest says %d; run `compactor verify`", uri, rows, f.Rows)
	}
	if out, err = footerOf(m, device); err != nil {
		return out, fmt.Errorf("%s: %w", uri, err)
	}
	return out, nil
}

func footerOf(m *metadata.FileMetaData, device int) (footer, error) {
	columns, err := columnsOf(m.Schema)
	if err != nil {
		return footer{}, err
	}
	f := footer{
		columns: columns,
		sizes:   make(map[int]int64), values: make(map[int]int64), nulls: make(map[int]int64),
		lower: make(map[int][]byte), upper: make(map[int][]byte),
	}
	for i, c := range columns {
		nullsKnown, bounded := true, true
		var nulls int64
		var low, high any
		for g := range m.NumRowGroups() {
			chunk, err := m.RowGroup(g).ColumnChunk(i)
			if err != nil {
				return f, fmt.Errorf("column %s: %w", c.Name, err)
			}
			if i == 0 {
				f.splits = append(f.splits, startOf(chunk))
			}
			f.sizes[c.ID] += chunk.TotalCompressedSize()
			f.values[c.ID] += chunk.NumValues()
			stats, err := chunk.Statistics()
			if err != nil {
				return f, fmt.Errorf("column %s: %w", c.Name, err)
			}
			if stats == nil || !stats.HasNullCount() {
				nullsKnown, bounded = false, false
				continue
			}
			nulls += stats.NullCount()
			if stats.NullCount() == chunk.NumValues() {
				continue // nothing to bound
			}
			if !stats.HasMinMax() {
				bounded = false
				continue
			}
			from, to, err := bounds(stats, m.Schema.Column(i))
			if err != nil {
				return f, fmt.Errorf("column %s: %w", c.Name, err)
			}
			if low == nil || less(from, low) {
				low = from
			}
			if high == nil || less(high, to) {
				high = to
			}
		}
		if nullsKnown {
			f.nulls[c.ID] = nulls
		}
		if !bounded || low == nil {
			continue
		}
		keep := boundRunes
		if c.ID == device {
			keep = math.MaxInt
		}
		if err := f.bound(c, low, high, keep); err != nil {
			return f, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return f, nil
}

// startOf is where a column chunk begins, which for the first is where its row
// group does.
func startOf(c *metadata.ColumnChunkMetaData) int64 {
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 {
		return min(c.DictionaryPageOffset(), c.DataPageOffset())
	}
	return c.DataPageOffset()
}

// bounds returns the least and the largest value that statistics know, as an
// int64 in Iceberg's unit, a float64, a bool or a string.
func bounds(stats metadata.TypedStatistics, c *parquetschema.Column) (low, high any, err error) {
	unsigned := false
	if l, ok := c.LogicalType().(parquetschema.IntLogicalType); ok {
		unsigned = !l.IsSigned()
	}
	switch s := stats.(type) {
	case *metadata.BooleanStatistics:
		return s.Min(), s.Max(), nil
	case *metadata.Int32Statistics:
		if unsigned {
			return int64(uint32(s.Min())), int64(uint32(s.Max())), nil
		}
		return int64(s.Min()), int64(s.Max()), nil
	case *metadata.Int64Statistics:
		if unsigned && (s.Min() < 0 || s.Max() < 0) {
			return nil, nil, fmt.Errorf("has values up to %d, and Iceberg none above %d: give the field the type int64 or string in a schema of another name", uint64(s.Max()), math.MaxInt64)
		}
		unit := microseconds(c)
		return s.Min() * unit, s.Max() * unit, nil
	case *metadata.Float32Statistics:
		return float64(s.Min()), float64(s.Max()), nil
	case *metadata.Float64Statistics:
		return s.Min(), s.Max(), nil
	case *metadata.ByteArrayStatistics:
		return string(s.Min()), string(s.Max()), nil
	}
	return nil, nil, fmt.Errorf("has statistics %T, which columns of the cold tier have not", stats)
}

// microseconds is what one of a timestamp column is in Iceberg's microseconds,
// and 1 for any other column.
func microseconds(c *parquetschema.Column) int64 {
	if l, ok := c.LogicalType().(parquetschema.TimestampLogicalType); ok && l.TimeUnit() == parquetschema.TimeUnitMillis {
		return 1000
	}
	return 1
}

func less(a, b any) bool {
	switch a := a.(type) {
	case bool:
		return !a && b.(bool)
	case int64:
		return a < b.(int64)
	case float64:
		return a < b.(float64)
	default:
		return a.(string) < b.(string)
	}
}

// boundRunes is how much of a text's bounds is kept, Iceberg's own default:
// more would make manifests large for texts nobody looks for by range.
const boundRunes = 16

// bound sets the bounds of a column. A text that is no UTF-8 has none: readers
// are free to refuse it.
func (f *footer) bound(c apache.NestedField, low, high any, runes int) error {
	if text, ok := low.(string); ok {
		if !utf8.ValidString(text) || !utf8.ValidString(high.(string)) {
			return nil
		}
		low, high = floor(text, runes), ceiling(high.(string), runes)
	}
	var err error
	if f.lower[c.ID], err = encode(c.Type, low); err != nil {
		return err
	}
	if high == nil {
		return nil
	}
	f.upper[c.ID], err = encode(c.Type, high)
	return err
}

// floor shortens a lower bound.
func floor(text string, runes int) string {
	r := []rune(text)
	return string(r[:min(runes, len(r))])
}

// ceiling shortens an upper bound to a text that is not below it: its beginning
// with the last rune raised. There is none, nil, if no rune can be.
func ceiling(text string, runes int) any {
	r := []rune(text)
	if len(r) <= runes {
		return text
	}
	for i := runes - 1; i >= 0; i-- {
		next := r[i] + 1
		if next == 0xD800 { // the surrogates are no characters
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return string(append(r[:i:i], next))
		}
	}
	return nil
}

// encode returns a value in Iceberg's binary form of the type.
func encode(t apache.Type, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		return apache.BoolLiteral(v).MarshalBinary()
	case string:
		return apache.StringLiteral(v).MarshalBinary()
	case float64:
		if t.Equals(apache.PrimitiveTypes.Float32) {
			return apache.Float32Literal(float32(v)).MarshalBinary()
		}
		return apache.Float64Literal(v).MarshalBinary()
	case int64:
		if t.Equals(apache.PrimitiveTypes.Int32) {
			return apache.Int32Literal(int32(v)).MarshalBinary()
		}
		return apache.Int64Literal(v).MarshalBinary() // a timestamp's form too
	}
	return nil, fmt.Errorf("a bound is a %T", v)
}
