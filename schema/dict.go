package schema

import (
	"encoding/binary"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/go-json-experiment/json/jsontext"
)

// dictColumn is a LowCardinality(String): the distinct values, in the layout
// of a string column, and per row an index into them. The dictionary grows
// while rows are appended, and lives as long as the block.
type dictColumn struct {
	index map[string]uint32
	// recent has, by dictSlot, the key of a value plus 1, or 0: a few values are
	// nearly all of a column, and comparing one costs less than the index.
	recent  [dictSlots]uint32
	values  stringColumn
	starts  []int // where in values.buf each value begins, its length first
	keys    []uint32
	fresh   bool // the last row's value came with it: no other row uses it
	scratch []byte
}

// The head of a LowCardinality column in the Native format: the version of
// the keys' serialization, and per block what the keys are. ClickHouse,
// SerializationLowCardinality.cpp.
const (
	dictSharedWithAdditionalKeys = 1
	dictKeysUInt32               = 2
	dictHasAdditionalKeys        = 1 << 9
	dictNeedUpdate               = 1 << 10
)

func (c *dictColumn) Type() proto.ColumnType { return "LowCardinality(String)" }
func (c *dictColumn) Rows() int              { return len(c.keys) }

const dictSlots = 64

// dictSlot tells apart what enumerations differ by: the end, the middle, the
// length.
func dictSlot(v []byte) int {
	n := len(v)
	if n < 2 {
		return n
	}
	return (n ^ int(v[n-1])*5 ^ int(v[n-2])*3 ^ int(v[n/2])) % dictSlots
}

func (c *dictColumn) append(v []byte) {
	slot := dictSlot(v)
	if key := c.recent[slot]; key > 0 && string(c.value(key-1)) == string(v) {
		c.keys = append(c.keys, key-1)
		c.fresh = false
		return
	}
	key, known := c.index[string(v)]
	if !known {
		key = uint32(c.values.Rows())
		c.index[string(v)] = key
		c.values.append(v)
		c.starts = append(c.starts, c.values.start)
	}
	c.recent[slot] = key + 1
	c.keys = append(c.keys, key)
	c.fresh = !known
}

func (c *dictColumn) appendJSON(raw jsontext.Value) bool {
	v, ok := unquote(raw, &c.scratch)
	if ok {
		c.append(v)
	}
	return ok
}

func (c *dictColumn) appendZero() { c.append(nil) }

func (c *dictColumn) appendRows(src column, lo, hi int) {
	from := src.(*dictColumn)
	for _, key := range from.keys[lo:hi] {
		c.append(from.value(key))
	}
}

func (c *dictColumn) value(key uint32) []byte {
	at := c.values.buf[c.starts[key]:]
	size, n := binary.Uvarint(at)
	return at[n : n+int(size)]
}

// undo takes a value that came with the row out of the dictionary again, or
// rejected records could fill it. Of several undos only the first does so:
// what the others leave is allowed, and cheaper than counting every use.
func (c *dictColumn) undo() {
	c.keys = c.keys[:len(c.keys)-1]
	if !c.fresh {
		return
	}
	c.fresh = false
	c.recent[dictSlot(c.values.last())] = 0
	delete(c.index, string(c.values.last()))
	c.values.undo()
	c.starts = c.starts[:len(c.starts)-1]
}

func (c *dictColumn) bytes() int { return c.values.bytes() + 4*len(c.keys) }

// dictEntry is about what a value takes in index and starts beside its bytes.
const dictEntry = 56

// indexBytes is what it takes to find a value again: the index has a copy.
func (c *dictColumn) indexBytes() int { return c.values.bytes() + dictEntry*len(c.starts) }

func (c *dictColumn) reset() {
	clear(c.index)
	clear(c.recent[:])
	c.values.reset()
	c.starts, c.keys, c.fresh = c.starts[:0], c.keys[:0], false
}

// EncodeState implements [proto.StateEncoder].
func (c *dictColumn) EncodeState(b *proto.Buffer) { b.PutInt64(dictSharedWithAdditionalKeys) }

func (c *dictColumn) encodeHead(b *proto.Buffer) {
	b.PutInt64(dictKeysUInt32 | dictHasAdditionalKeys | dictNeedUpdate)
	b.PutInt64(int64(c.values.Rows()))
}

func (c *dictColumn) rawKeys() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(c.keys))), len(c.keys)*4)
}

// EncodeColumn implements [proto.ColInput].
func (c *dictColumn) EncodeColumn(b *proto.Buffer) {
	if len(c.keys) == 0 {
		return
	}
	c.encodeHead(b)
	c.values.EncodeColumn(b)
	b.PutInt64(int64(len(c.keys)))
	b.Buf = append(b.Buf, c.rawKeys()...)
}

// WriteColumn implements [proto.ColInput].
func (c *dictColumn) WriteColumn(w *proto.Writer) {
	if len(c.keys) == 0 {
		return
	}
	w.ChainBuffer(c.encodeHead)
	c.values.WriteColumn(w)
	w.ChainBuffer(func(b *proto.Buffer) { b.PutInt64(int64(len(c.keys))) })
	w.ChainWrite(c.rawKeys())
}
