package native

import (
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
)

// receiveBlock reads what follows a Data code; the block is left in
// c.incoming.
func (c *conn) receiveBlock() (block.Header, error) {
	var data proto.ClientData
	if err := data.DecodeAware(c.packets, c.revision); err != nil {
		return block.Header{}, err
	}
	c.incoming.In, c.incoming.Out = c.in, c.incoming.Out[:0]
	if c.compression == proto.CompressionEnabled {
		c.incoming.In = c.unpacked
	}
	return c.incoming.FromClient(c.revision)
}

// sendHeader sends a block of no rows, which tells the client the columns.
func (c *conn) sendHeader(columns []block.Column, settings map[string]string) error {
	var b block.Copier
	b.Describe(columns, c.revision)
	return c.sendBlock(b.Out, settings)
}

// sendBlock sends a Data packet, compressed if the client asked for it, in the
// way the setting network_compression_method names.
func (c *conn) sendBlock(data []byte, settings map[string]string) error {
	err := c.write(func(b *proto.Buffer) {
		proto.ServerCodeData.Encode(b)
		b.PutString("") // not a named table
	})
	if err != nil {
		return err
	}
	if c.compression == proto.CompressionEnabled {
		p := c.packer(settings["network_compression_method"])
		if err := p.Compress(data); err != nil {
			return fmt.Errorf("compress a block of %d bytes: %w", len(data), err)
		}
		data = p.Data
	}
	if _, err := c.out.Write(data); err != nil {
		return err
	}
	return c.out.Flush()
}

func (c *conn) packer(name string) *compress.Writer {
	method := compress.LZ4
	switch strings.ToUpper(name) {
	case "ZSTD":
		method = compress.ZSTD
	case "LZ4HC":
		method = compress.LZ4HC
	case "NONE":
		method = compress.None
	}
	p, ok := c.packers[method]
	if !ok {
		p = compress.NewWriter(compress.LevelZero, method)
		c.packers[method] = p
	}
	return p
}

// sendProfileEvents tells of no events. Since insertProfileEvents a server
// answers every block of an INSERT with this packet, and clients may wait for
// it before they send the next.
func (c *conn) sendProfileEvents() error {
	if c.revision < insertProfileEvents {
		return nil
	}
	var b block.Copier
	b.Describe(profileEvents, c.revision)
	return c.send(func(out *proto.Buffer) {
		proto.ServerProfileEvents.Encode(out)
		out.PutString("") // not a named table
		out.PutRaw(b.Out) // never compressed
	})
}

const insertProfileEvents = 54456

var profileEvents = []block.Column{
	{Name: "host_name", Type: "String"},
	{Name: "current_time", Type: "DateTime"},
	{Name: "thread_id", Type: "UInt64"},
	{Name: "type", Type: "Enum8('increment' = 1, 'gauge' = 2)"},
	{Name: "name", Type: "String"},
	{Name: "value", Type: "Int64"},
}
