package schema

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/go-json-experiment/json/jsontext"
)

// column holds the values of one column in ClickHouse's Native layout, as
// they are appended: sending it copies nothing and converts nothing. ch-go's
// own columns keep Go values and lay them out when they are sent, which for
// strings and dictionaries cost 37 times as much a row.
type column interface {
	proto.ColInput
	// appendJSON appends one value and returns true, or appends nothing and
	// returns false: the value does not fit the column's type. null is no
	// value; the caller appends a zero for it.
	appendJSON(raw jsontext.Value) bool
	// appendZero appends NULL where the column can hold it, else the type's zero.
	appendZero()
	// appendRows appends the rows [lo, hi) of src, a column of the same type.
	appendRows(src column, lo, hi int)
	// undo drops the last row.
	undo()
	bytes() int
	reset()
}

// newColumn returns an empty column for c.
func newColumn(c Column) column {
	switch c.Type {
	case String:
		if c.LowCardinality {
			return &dictColumn{index: map[string]uint32{}}
		}
		return &stringColumn{nullable: c.Nullable}
	case Bool:
		return newFixed(c, parseBool)
	case Int8:
		return newFixed(c, parseInt[int8](8))
	case Int16:
		return newFixed(c, parseInt[int16](16))
	case Int32:
		return newFixed(c, parseInt[int32](32))
	case Int64:
		return newFixed(c, parseInt[int64](64))
	case UInt8:
		return newFixed(c, parseUint[uint8](8))
	case UInt16:
		return newFixed(c, parseUint[uint16](16))
	case UInt32:
		return newFixed(c, parseUint[uint32](32))
	case UInt64:
		return newFixed(c, parseUint[uint64](64))
	case Float32:
		return newFixed(c, parseFloat[float32](32))
	case Float64:
		return newFixed(c, parseFloat[float64](64))
	case TimestampMS:
		return newFixed(c, parseTimestamp)
	}
	panic("BUG: no column for type " + string(c.Type))
}

// fixed is a column of values of one width. ClickHouse's layout is Go's on a
// little-endian machine, which is what every platform of the project is.
type fixed[T fixedValue] struct {
	typ      proto.ColumnType
	parse    func(jsontext.Value) (T, bool)
	nullable bool
	nulls    nulls // unused unless nullable
	values   []T
}

type fixedValue interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

func newFixed[T fixedValue](c Column, parse func(jsontext.Value) (T, bool)) *fixed[T] {
	return &fixed[T]{typ: proto.ColumnType(c.ClickHouse()), parse: parse, nullable: c.Nullable}
}

func (c *fixed[T]) Type() proto.ColumnType { return c.typ }
func (c *fixed[T]) Rows() int              { return len(c.values) }

func (c *fixed[T]) append(v T) { c.values = append(c.values, v) }

func (c *fixed[T]) last() T { return c.values[len(c.values)-1] }

// isNull says whether the row is NULL.
func (c *fixed[T]) isNull(row int) bool { return c.nullable && row < len(c.nulls) && c.nulls[row] != 0 }

func (c *fixed[T]) appendJSON(raw jsontext.Value) bool {
	v, ok := c.parse(raw)
	if ok {
		c.append(v)
	}
	return ok
}

func (c *fixed[T]) appendZero() {
	if c.nullable {
		c.nulls.set(len(c.values))
	}
	c.values = append(c.values, 0)
}

func (c *fixed[T]) appendRows(src column, lo, hi int) {
	from := src.(*fixed[T])
	c.nulls.appendRows(len(c.values), from.nulls, lo, hi)
	c.values = append(c.values, from.values[lo:hi]...)
}

func (c *fixed[T]) undo() {
	c.values = c.values[:len(c.values)-1]
	c.nulls.cut(len(c.values))
}

func (c *fixed[T]) bytes() int {
	n := len(c.raw())
	if c.nullable {
		n += len(c.values)
	}
	return n
}

func (c *fixed[T]) reset() { c.nulls, c.values = c.nulls[:0], c.values[:0] }

// raw is the values' memory.
func (c *fixed[T]) raw() []byte {
	var v T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(c.values))), len(c.values)*int(unsafe.Sizeof(v)))
}

// EncodeColumn implements [proto.ColInput].
func (c *fixed[T]) EncodeColumn(b *proto.Buffer) {
	if c.nullable {
		c.nulls.pad(len(c.values))
		b.Buf = append(b.Buf, c.nulls...)
	}
	b.Buf = append(b.Buf, c.raw()...)
}

// WriteColumn implements [proto.ColInput].
func (c *fixed[T]) WriteColumn(w *proto.Writer) {
	if c.nullable {
		c.nulls.pad(len(c.values))
		w.ChainWrite(c.nulls)
	}
	w.ChainWrite(c.raw())
}

// stringColumn is strings one after another, each behind its length.
type stringColumn struct {
	nullable bool
	nulls    nulls // as in fixed
	rows     int
	buf      []byte
	// start is where the last row begins in buf; unknown after an undo. A
	// start per row would make every undo cheap, at four bytes a row; but rows
	// are taken back right after they were appended.
	start int
	// read is a row and where it begins in buf: the one after those copied out
	// last, so that copying one run after another reads through buf once.
	read    struct{ row, at int }
	scratch []byte // an unescaped string, before its length is known
}

const startUnknown = -1

func (c *stringColumn) Type() proto.ColumnType {
	if c.nullable {
		return "Nullable(String)"
	}
	return proto.ColumnTypeString
}

func (c *stringColumn) Rows() int { return c.rows }

func (c *stringColumn) append(v []byte) {
	c.rows++
	c.start = len(c.buf)
	c.buf = binary.AppendUvarint(c.buf, uint64(len(v)))
	c.buf = append(c.buf, v...)
}

// skip returns where the row n rows after the one at begins.
func (c *stringColumn) skip(at, n int) int {
	for range n {
		size, width := binary.Uvarint(c.buf[at:])
		at += width + int(size)
	}
	return at
}

// lastStart returns where the last row begins.
func (c *stringColumn) lastStart() int {
	if c.start == startUnknown {
		c.start = c.skip(0, c.rows-1)
	}
	return c.start
}

func (c *stringColumn) last() []byte {
	at := c.buf[c.lastStart():]
	_, width := binary.Uvarint(at)
	return at[width:]
}

func (c *stringColumn) appendJSON(raw jsontext.Value) bool {
	v, ok := unquote(raw, &c.scratch)
	if ok {
		c.append(v)
	}
	return ok
}

func (c *stringColumn) appendZero() {
	if c.nullable {
		c.nulls.set(c.rows)
	}
	c.append(nil)
}

func (c *stringColumn) appendRows(src column, lo, hi int) {
	from := src.(*stringColumn)
	if lo == hi {
		return
	}
	var begin int
	switch {
	case lo == from.rows-1:
		begin = from.lastStart()
	case lo >= from.read.row:
		begin = from.skip(from.read.at, lo-from.read.row)
	default:
		begin = from.skip(0, lo)
	}
	last := from.skip(begin, hi-1-lo)
	end := from.skip(last, 1)
	from.read.row, from.read.at = hi, end
	c.nulls.appendRows(c.rows, from.nulls, lo, hi)
	c.start = len(c.buf) + last - begin
	c.buf = append(c.buf, from.buf[begin:end]...)
	c.rows += hi - lo
}

func (c *stringColumn) undo() {
	c.buf = c.buf[:c.lastStart()]
	c.rows--
	c.nulls.cut(c.rows)
	c.start = startUnknown
	if c.read.row > c.rows {
		c.read.row, c.read.at = 0, 0
	}
}

func (c *stringColumn) bytes() int {
	n := len(c.buf)
	if c.nullable {
		n += c.rows
	}
	return n
}

func (c *stringColumn) reset() {
	c.nulls, c.rows, c.start, c.buf = c.nulls[:0], 0, 0, c.buf[:0]
	c.read.row, c.read.at = 0, 0
}

// EncodeColumn implements [proto.ColInput].
func (c *stringColumn) EncodeColumn(b *proto.Buffer) {
	if c.nullable {
		c.nulls.pad(c.rows)
		b.Buf = append(b.Buf, c.nulls...)
	}
	b.Buf = append(b.Buf, c.buf...)
}

// WriteColumn implements [proto.ColInput].
func (c *stringColumn) WriteColumn(w *proto.Writer) {
	if c.nullable {
		c.nulls.pad(c.rows)
		w.ChainWrite(c.nulls)
	}
	w.ChainWrite(c.buf)
}

// unquote returns the text of a JSON string, in scratch if it has escapes.
func unquote(raw jsontext.Value, scratch *[]byte) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, false
	}
	plain := raw[1 : len(raw)-1]
	for _, c := range plain {
		if c == '\\' {
			out, err := jsontext.AppendUnquote((*scratch)[:0], raw)
			*scratch = out
			return out, err == nil
		}
	}
	return plain, true
}

// text is raw as a string, for strconv, without a copy.
func text(raw jsontext.Value) string { return unsafe.String(unsafe.SliceData(raw), len(raw)) }

func parseBool(raw jsontext.Value) (uint8, bool) {
	switch raw.Kind() {
	case jsontext.KindTrue:
		return 1, true
	case jsontext.KindFalse:
		return 0, true
	}
	return 0, false
}

// The three below need not look for a number first: of the words strconv reads
// beside numbers, such as inf, none is JSON.

func parseInt[T fixedValue](bits int) func(jsontext.Value) (T, bool) {
	return func(raw jsontext.Value) (T, bool) {
		v, err := strconv.ParseInt(text(raw), 10, bits)
		return T(v), err == nil
	}
}

func parseUint[T fixedValue](bits int) func(jsontext.Value) (T, bool) {
	return func(raw jsontext.Value) (T, bool) {
		v, err := strconv.ParseUint(text(raw), 10, bits)
		return T(v), err == nil
	}
}

func parseFloat[T fixedValue](bits int) func(jsontext.Value) (T, bool) {
	return func(raw jsontext.Value) (T, bool) {
		v, err := strconv.ParseFloat(text(raw), bits)
		return T(v), err == nil
	}
}
