package block

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// Column data is the same bytes in every revision of the protocol, so a block
// is passed on by copying columns whole. All that must be known of a type is
// how its data is laid out, which tells where a column ends: decoding into
// values and encoding again would cost more than the engine's own insert.

// layout is how the data of a type lies in a block.
type layout interface {
	// prefix copies what comes once before the data, data the rows.
	prefix(c *Copier) error
	data(c *Copier, rows int) error
}

type (
	fixedLayout    int // bytes a row
	stringLayout   struct{}
	nullableLayout struct{ of layout }
	arrayLayout    struct{ of layout }
	tupleLayout    []layout
	lowCardinality struct{ dictionary layout }
	// opaqueLayout is a type with a layout of its own (JSON, Dynamic, Variant
	// ...): clickhouse-go decodes and encodes it.
	opaqueLayout struct {
		of   column.Type
		held column.Interface // from prefix to data
	}
)

func (fixedLayout) prefix(*Copier) error        { return nil }
func (stringLayout) prefix(*Copier) error       { return nil }
func (l nullableLayout) prefix(c *Copier) error { return l.of.prefix(c) }
func (l arrayLayout) prefix(c *Copier) error    { return l.of.prefix(c) }
func (lowCardinality) prefix(c *Copier) error   { return c.bytes(8) } // version of the keys
func (l tupleLayout) prefix(c *Copier) error {
	for _, e := range l {
		if err := e.prefix(c); err != nil {
			return err
		}
	}
	return nil
}

func (l fixedLayout) data(c *Copier, rows int) error { return c.bytes(rows * int(l)) }

func (stringLayout) data(c *Copier, rows int) error {
	for {
		rows -= c.heldStrings(rows)
		if rows == 0 {
			return nil
		}
		n, err := c.uvarint()
		if err != nil {
			return err
		}
		if n > maxValue {
			return fmt.Errorf("a string of %d bytes; the limit is %d", n, maxValue)
		}
		if err := c.bytes(int(n)); err != nil {
			return err
		}
		rows--
	}
}

// heldStrings copies those of the next strings that the input holds already, all
// at once, and returns how many they are.
func (c *Copier) heldStrings(most int) (strings int) {
	held, _ := c.In.Peek(c.In.Buffered()) // what it holds it can show
	size := 0
	for ; strings < most; strings++ {
		n, width := binary.Uvarint(held[size:])
		if width <= 0 || n > uint64(len(held)-size-width) {
			break
		}
		size += width + int(n)
	}
	c.Out = append(c.Out, held[:size]...)
	_, _ = c.In.Discard(size) // what it holds it can drop
	return strings
}

func (l nullableLayout) data(c *Copier, rows int) error {
	if err := c.bytes(rows); err != nil {
		return err
	}
	return l.of.data(c, rows)
}

func (l arrayLayout) data(c *Copier, rows int) error {
	if rows == 0 {
		return nil
	}
	if err := c.bytes(8 * rows); err != nil {
		return err
	}
	// Offsets are ends, so the last one counts the elements.
	n := binary.LittleEndian.Uint64(c.Out[len(c.Out)-8:])
	if n > maxValue {
		return fmt.Errorf("arrays of %d elements in a block; the limit is %d", n, maxValue)
	}
	return l.of.data(c, int(n))
}

func (l tupleLayout) data(c *Copier, rows int) error {
	for _, e := range l {
		if err := e.data(c, rows); err != nil {
			return err
		}
	}
	return nil
}

// A LowCardinality block is a word of flags, the distinct values, and an index
// into them a row, of a width the flags tell.
func (l lowCardinality) data(c *Copier, rows int) error {
	if rows == 0 {
		return nil
	}
	flags, err := c.uint64()
	if err != nil {
		return err
	}
	if flags&globalDictionary != 0 {
		return fmt.Errorf("a LowCardinality column with a dictionary shared between blocks (flags %#x) is not supported", flags)
	}
	if flags&ownDictionary != 0 {
		n, err := c.uint64()
		if err != nil {
			return err
		}
		if n > maxValue {
			return fmt.Errorf("a dictionary of %d values; the limit is %d", n, maxValue)
		}
		if err := l.dictionary.data(c, int(n)); err != nil {
			return err
		}
	}
	n, err := c.uint64()
	if err != nil {
		return err
	}
	if n != uint64(rows) {
		return fmt.Errorf("a LowCardinality column with %d rows in a block of %d", n, rows)
	}
	return c.bytes(rows << (flags & 0xff))
}

const (
	globalDictionary = 1 << 8
	ownDictionary    = 1 << 9
	// maxValue bounds lengths read from a client before memory is taken for
	// them; a block never comes near it.
	maxValue = 1 << 30
	maxName  = 1 << 16
)

func (l *opaqueLayout) prefix(c *Copier) (err error) {
	if l.held, err = l.of.Column("", &column.ServerContext{}); err != nil {
		return err
	}
	if s, ok := l.held.(column.CustomSerialization); ok {
		return s.ReadStatePrefix(c.values())
	}
	return nil
}

func (l *opaqueLayout) data(c *Copier, rows int) (err error) {
	// It is made for a client, which may trust its server: some data that no
	// server sends makes it panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed data: %v", r)
		}
	}()
	if err := l.held.Decode(c.values(), rows); err != nil {
		return err
	}
	b := proto.Buffer{Buf: c.Out}
	if s, ok := l.held.(column.CustomSerialization); ok {
		if err := s.WriteStatePrefix(&b); err != nil {
			return err
		}
	}
	l.held.Encode(&b)
	c.Out = b.Buf
	return nil
}

// values returns a decoder of the Copier's input. It shares the buffer, which
// is at least as large as the one it would make for itself.
func (c *Copier) values() *proto.Reader { return proto.NewReader(c.In) }

func (c *Copier) bytes(n int) error {
	from := len(c.Out)
	// Taken in steps, so that a wrong count fails on the data that is missing
	// and not on the memory for it.
	for n > 0 {
		step := min(n, 1<<20)
		at := len(c.Out)
		if cap(c.Out)-at < step {
			c.Out = append(c.Out, make([]byte, step)...)
		} else {
			c.Out = c.Out[:at+step]
		}
		if _, err := io.ReadFull(c.In, c.Out[at:]); err != nil {
			return fmt.Errorf("a column breaks off after %d bytes: %w", at-from, err)
		}
		n -= step
	}
	return nil
}

func (c *Copier) uvarint() (uint64, error) {
	n, err := binary.ReadUvarint(c.In)
	if err != nil {
		return 0, err
	}
	c.Out = binary.AppendUvarint(c.Out, n)
	return n, nil
}

// str reads a name or a type, which is copied by whoever has use for it.
func (c *Copier) str() (string, error) {
	n, err := binary.ReadUvarint(c.In)
	if err != nil {
		return "", err
	}
	if n > maxName {
		return "", fmt.Errorf("a name or type of %d bytes; the limit is %d", n, maxName)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(c.In, text)
	return string(text), err
}

func (c *Copier) uint64() (uint64, error) {
	if err := c.bytes(8); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(c.Out[len(c.Out)-8:]), nil
}
