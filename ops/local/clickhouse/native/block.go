package native

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
)

// header is what a block says of itself before its data.
type header struct {
	columns []columnHeader
	rows    int
}

type columnHeader struct{ name, typ string }

// end reports whether a block is the empty one that ends a series.
func (h header) end() bool { return len(h.columns) == 0 && h.rows == 0 }

// The engine reads and writes blocks of revision 0, as in files of format
// Native. The protocol adds a preamble to the block and a byte to each column.

// fromClient copies a block of a client's revision to one of revision 0.
func (c *copier) fromClient(revision int) (h header, err error) {
	if proto.FeatureBlockInfo.In(revision) {
		var info proto.BlockInfo
		if err := info.Decode(c.values()); err != nil {
			return h, err
		}
	}
	return c.block(revision, 0)
}

// fromEngine copies a block of revision 0 to one of a client's.
func (c *copier) fromEngine(revision int) (header, error) {
	c.preamble(revision)
	return c.block(0, revision)
}

// describe writes a block of no rows, which tells a client the columns.
func (c *copier) describe(columns []columnHeader, revision int) {
	c.preamble(revision)
	c.out = binary.AppendUvarint(c.out, uint64(len(columns)))
	c.out = append(c.out, 0)
	for _, col := range columns {
		c.columnHeader(col, revision)
	}
}

func (c *copier) preamble(revision int) {
	if proto.FeatureBlockInfo.In(revision) {
		b := proto.Buffer{Buf: c.out}
		proto.BlockInfo{BucketNum: -1}.Encode(&b)
		c.out = b.Buf
	}
}

func (c *copier) columnHeader(col columnHeader, revision int) {
	for _, s := range [...]string{col.name, col.typ} {
		c.out = binary.AppendUvarint(c.out, uint64(len(s)))
		c.out = append(c.out, s...)
	}
	if proto.FeatureCustomSerialization.In(revision) {
		c.out = append(c.out, 0)
	}
}

func (c *copier) block(from, to int) (h header, err error) {
	n, err := c.uvarint()
	if err != nil {
		return h, err
	}
	rows, err := c.uvarint()
	if err != nil {
		return h, err
	}
	if n > maxColumns || rows > maxValue {
		return h, fmt.Errorf("a block of %d columns and %d rows; the limits are %d and %d", n, rows, maxColumns, maxValue)
	}
	h.rows, h.columns = int(rows), make([]columnHeader, n)
	r := c.values()
	for i := range h.columns {
		col := &h.columns[i]
		if col.name, err = r.Str(); err != nil {
			return h, err
		}
		if col.typ, err = r.Str(); err != nil {
			return h, err
		}
		c.columnHeader(*col, to)
		if err := c.column(*col, h.rows, from); err != nil {
			return h, fmt.Errorf("column %s %s: %w", col.name, col.typ, err)
		}
	}
	return h, nil
}

func (c *copier) column(col columnHeader, rows, from int) error {
	if proto.FeatureCustomSerialization.In(from) {
		custom, err := c.in.ReadByte()
		if err != nil {
			return err
		}
		if custom != 0 {
			return errors.New("a custom serialization is not supported; clients use it for sparse columns only")
		}
	}
	if rows == 0 {
		return nil
	}
	l, err := layoutOf(col.typ)
	if err != nil {
		return err
	}
	if err := l.prefix(c); err != nil {
		return err
	}
	return l.data(c, rows)
}

// maxColumns bounds a count read from a client before memory is taken for it.
const maxColumns = 1 << 16
