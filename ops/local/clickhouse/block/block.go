// Package block copies blocks of ClickHouse's Native format from one revision
// of it to another.
//
// The engine reads and writes revision 0, as in files. The protocol, and HTTP
// clients that ask for it, use the revision the two sides agreed on: it adds a
// preamble to a block and a byte to each column. A column's data is the same
// bytes in all of them, so it is copied and never decoded.
package block

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/proto"
)

// Header is what a block says of itself before its data.
type Header struct {
	Columns []Column
	Rows    int
	// Data is where in the copy each column's data begin, with what comes once
	// before them in some types.
	Data []int
}

// Column is a column's name and its type as ClickHouse writes it.
type Column struct{ Name, Type string }

// End reports whether a block is the empty one that ends a series.
func (h Header) End() bool { return len(h.Columns) == 0 && h.Rows == 0 }

// BufferSize is what a Copier's input must at least hold: what proto.NewReader
// would make for itself, so that it reads through this buffer and holds
// nothing back.
const BufferSize = 128 << 10

// Copier appends the blocks it reads from In to Out. It may be used again and
// again; Out is cut back by the user.
type Copier struct {
	In  *bufio.Reader // at least BufferSize
	Out []byte
}

// FromClient copies a block of a client's revision to one of revision 0.
func (c *Copier) FromClient(revision int) (Header, error) {
	if proto.FeatureBlockInfo.In(revision) {
		var info proto.BlockInfo
		if err := info.Decode(c.values()); err != nil {
			return Header{}, err
		}
	}
	return c.block(revision, 0)
}

// FromEngine copies a block of revision 0 to one of a client's.
func (c *Copier) FromEngine(revision int) (Header, error) {
	c.preamble(revision)
	return c.block(0, revision)
}

// Describe writes a block of no rows, which tells a client the columns.
func (c *Copier) Describe(columns []Column, revision int) {
	c.preamble(revision)
	c.Out = binary.AppendUvarint(c.Out, uint64(len(columns)))
	c.Out = append(c.Out, 0)
	for _, col := range columns {
		c.writeColumn(col, revision)
	}
}

// Splitter copies a result of the engine's block by block.
type Splitter struct {
	Copier
	source *bytes.Reader
}

// NewSplitter returns a Splitter.
func NewSplitter() *Splitter {
	source := bytes.NewReader(nil)
	return &Splitter{Copier{In: bufio.NewReaderSize(source, BufferSize)}, source}
}

// Each copies every block of piece to the client's revision and passes it to
// send, which must not keep it.
func (s *Splitter) Each(piece []byte, revision int, send func(Header, []byte) error) error {
	s.source.Reset(piece)
	s.In.Reset(s.source)
	for {
		if _, err := s.In.Peek(1); err == io.EOF {
			return nil
		}
		s.Out = s.Out[:0]
		h, err := s.FromEngine(revision)
		if err != nil {
			return fmt.Errorf("read the engine's block: %w", err)
		}
		if err := send(h, s.Out); err != nil {
			return err
		}
	}
}

func (c *Copier) preamble(revision int) {
	if proto.FeatureBlockInfo.In(revision) {
		b := proto.Buffer{Buf: c.Out}
		proto.BlockInfo{BucketNum: -1}.Encode(&b)
		c.Out = b.Buf
	}
}

func (c *Copier) writeColumn(col Column, revision int) {
	for _, s := range [...]string{col.Name, col.Type} {
		c.Out = binary.AppendUvarint(c.Out, uint64(len(s)))
		c.Out = append(c.Out, s...)
	}
	if proto.FeatureCustomSerialization.In(revision) {
		c.Out = append(c.Out, 0)
	}
}

func (c *Copier) block(from, to int) (h Header, err error) {
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
	h.Rows, h.Columns, h.Data = int(rows), make([]Column, n), make([]int, n)
	for i := range h.Columns {
		col := &h.Columns[i]
		if col.Name, err = c.str(); err != nil {
			return h, err
		}
		if col.Type, err = c.str(); err != nil {
			return h, err
		}
		c.writeColumn(*col, to)
		h.Data[i] = len(c.Out)
		if err := c.column(*col, h.Rows, from); err != nil {
			return h, fmt.Errorf("column %s %s: %w", col.Name, col.Type, err)
		}
	}
	return h, nil
}

func (c *Copier) column(col Column, rows, from int) error {
	if proto.FeatureCustomSerialization.In(from) {
		custom, err := c.In.ReadByte()
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
	l, err := layoutOf(col.Type)
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
