package schema

import (
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// attribute is the values of one attribute, in the terms of its column.
type attribute interface {
	// grow appends a row without a value.
	grow()
	// clear takes the row's value away.
	clear(row int)
	// set returns false where the value does not fit, and changes nothing then.
	set(row int, raw jsontext.Value) bool
	// parse is set of plain text, such as of a CSV file.
	parse(row int, text string) bool
	// fill gives c, a column without values, those of rows; a row below 0 has none.
	fill(c column, rows []int32)
	clone() attribute
	bytes() int
	wants() Type
}

func newAttribute(c Column) attribute {
	switch c.Type {
	case String:
		return &texts{index: map[string]uint32{"": 0}, values: [][]byte{nil}}
	case Bool:
		return newNumbers(c.Type, parseBool)
	case Int8:
		return newNumbers(c.Type, parseInt[int8](8))
	case Int16:
		return newNumbers(c.Type, parseInt[int16](16))
	case Int32:
		return newNumbers(c.Type, parseInt[int32](32))
	case Int64:
		return newNumbers(c.Type, parseInt[int64](64))
	case UInt8:
		return newNumbers(c.Type, parseUint[uint8](8))
	case UInt16:
		return newNumbers(c.Type, parseUint[uint16](16))
	case UInt32:
		return newNumbers(c.Type, parseUint[uint32](32))
	case UInt64:
		return newNumbers(c.Type, parseUint[uint64](64))
	case Float32:
		return newNumbers(c.Type, parseFloat[float32](32))
	case Float64:
		return newNumbers(c.Type, parseFloat[float64](64))
	case TimestampMS:
		return newNumbers(c.Type, parseTimestamp)
	}
	panic("BUG: no attribute for type " + string(c.Type))
}

// numbers is an attribute of a fixed width.
type numbers[T fixedValue] struct {
	typ    Type
	read   func(jsontext.Value) (T, bool)
	values []T
	known  []bool
}

func newNumbers[T fixedValue](typ Type, read func(jsontext.Value) (T, bool)) *numbers[T] {
	return &numbers[T]{typ: typ, read: read}
}

func (n *numbers[T]) wants() Type { return n.typ }

func (n *numbers[T]) grow() { n.values, n.known = append(n.values, 0), append(n.known, false) }

func (n *numbers[T]) clear(row int) { n.values[row], n.known[row] = 0, false }

func (n *numbers[T]) set(row int, raw jsontext.Value) bool {
	v, ok := n.read(raw)
	if ok {
		n.values[row], n.known[row] = v, true
	}
	return ok
}

// attributeTimes are ways to write a time in a list of devices that events are
// not allowed. All are UTC where they do not say.
var attributeTimes = []string{time.RFC3339, time.DateTime, time.DateOnly}

func (n *numbers[T]) parse(row int, text string) bool {
	raw := jsontext.Value(text)
	if n.typ == TimestampMS {
		for _, layout := range attributeTimes {
			if t, err := time.Parse(layout, text); err == nil {
				raw = strconv.AppendInt(nil, t.UnixMilli(), 10)
			}
		}
	}
	// Of text strconv reads words that are no numbers of JSON, such as inf.
	return raw.IsValid() && n.set(row, raw)
}

func (n *numbers[T]) fill(c column, rows []int32) {
	to := c.(*fixed[T])
	to.nulls.pad(len(to.values))
	for i, row := range rows {
		if row >= 0 && n.known[row] {
			to.values[i], to.nulls[i] = n.values[row], 0
		}
	}
}

func (n *numbers[T]) clone() attribute {
	return &numbers[T]{typ: n.typ, read: n.read, values: slices.Clone(n.values), known: slices.Clone(n.known)}
}

func (n *numbers[T]) bytes() int {
	var v T
	return len(n.values) * (int(unsafe.Sizeof(v)) + 1)
}

// texts is an attribute of text: its distinct values, and which of them is whose.
type texts struct {
	index   map[string]uint32
	values  [][]byte // the first is that of a row without one; never changed, so clones share them
	size    int      // of values
	keys    []uint32
	scratch []byte
}

func (t *texts) wants() Type { return String }

func (t *texts) grow() { t.keys = append(t.keys, 0) }

func (t *texts) clear(row int) { t.keys[row] = 0 }

func (t *texts) set(row int, raw jsontext.Value) bool {
	v, ok := unquote(raw, &t.scratch)
	return ok && t.parse(row, string(v))
}

func (t *texts) parse(row int, text string) bool {
	key, ok := t.index[text]
	if !ok {
		key = uint32(len(t.values))
		t.index[text] = key
		t.values = append(t.values, []byte(text))
		t.size += len(text)
	}
	t.keys[row] = key
	return true
}

func (t *texts) fill(c column, rows []int32) {
	to := c.(*dictColumn)
	to.keys = to.keys[:0] // each is appended anew, in order
	for _, row := range rows {
		key := uint32(0)
		if row >= 0 {
			key = t.keys[row]
		}
		to.append(t.values[key])
	}
	to.fresh = false // other rows may have the last one's value by now
}

// clone has no index: it is for those that only read.
func (t *texts) clone() attribute {
	return &texts{values: slices.Clip(t.values), size: t.size, keys: slices.Clone(t.keys)}
}

func (t *texts) bytes() int { return t.size + dictEntry*len(t.values) + 4*len(t.keys) }
