package native

import (
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/statement"
)

// insert tells the client the columns, hands its blocks to the engine as they
// come, and commits after the empty one. A client that leaves or cancels
// before that has stored nothing, unless it sent more rows than the engine
// gathers for one part (min_insert_block_size_rows), as with any server.
func (c *conn) insert(st session.Statement, in statement.Insert) error {
	began := time.Now()
	columns, err := c.target(in, st)
	if err != nil {
		return err
	}
	st.SQL = in.Head
	insert, err := c.session.Insert(st)
	if err != nil {
		return err
	}
	if err := c.offer(columns, st); err != nil {
		insert.Cancel()
		return err
	}
	if err := c.receive(insert); err != nil {
		insert.Cancel()
		return err
	}
	stats, err := insert.Commit()
	if err != nil {
		return err
	}
	return c.send(func(b *proto.Buffer) {
		c.progress(b, stats, began)
		proto.ServerCodeEndOfStream.Encode(b)
	})
}

// target is the columns an INSERT fills, in its order.
func (c *conn) target(in statement.Insert, st session.Statement) ([]block.Column, error) {
	if in.Columns != nil && !in.Exact {
		return c.describe("(SELECT "+strings.Join(in.Columns, ", ")+" FROM "+in.Table+")", st.Params)
	}
	all, err := c.describeAll(in.Table, st.Params)
	if err != nil {
		return nil, err
	}
	types := make(map[string]string, len(all))
	var columns []block.Column
	for _, d := range all {
		types[d.Name] = d.Type
		if in.Columns == nil && (d.kind == "" || d.kind == "DEFAULT") {
			columns = append(columns, d.Column)
		}
	}
	for _, name := range in.Columns {
		// A column that is not there is left to the engine to refuse.
		columns = append(columns, block.Column{Name: name, Type: types[name]})
	}
	return columns, nil
}

// offer sends what a client waits for before it sends rows.
func (c *conn) offer(columns []block.Column, st session.Statement) error {
	if proto.FeatureColumnDefaultsMetadata.In(c.revision) {
		var text strings.Builder
		text.WriteString("columns format version: 1\n" + strconv.Itoa(len(columns)) + " columns:\n")
		for _, col := range columns {
			text.WriteString("`" + strings.ReplaceAll(col.Name, "`", "\\`") + "` " + col.Type + "\n")
		}
		err := c.write(func(b *proto.Buffer) { proto.TableColumns{Second: text.String()}.EncodeAware(b, c.revision) })
		if err != nil {
			return err
		}
	}
	return c.sendHeader(columns, st.Settings)
}

// receive passes blocks on until the empty one. After the engine has stopped
// taking them the rest is read all the same, so that the client comes to read
// the exception.
func (c *conn) receive(insert *engine.Insert) error {
	var refused error
	for {
		code, err := c.in.ReadByte()
		if err != nil {
			return err
		}
		switch proto.ClientCode(code) {
		case proto.ClientCodeData:
		case proto.ClientCodeCancel:
			return &engine.Exception{Code: engine.CodeCancelled, Name: "QUERY_WAS_CANCELLED", Message: "Query was cancelled by the client."}
		default:
			return &engine.Exception{
				Code: engine.CodeUnknownPacket, Name: "UNEXPECTED_PACKET_FROM_CLIENT",
				Message: "Unexpected packet " + strconv.Itoa(int(code)) + " within an INSERT.",
			}
		}
		h, err := c.receiveBlock()
		if err != nil {
			return err
		}
		if refused == nil && h.Rows > 0 {
			_, refused = insert.Write(c.incoming.Out)
		}
		if err := c.sendProfileEvents(); err != nil {
			return err
		}
		if h.End() {
			return nil // Commit tells why the engine refused rows
		}
	}
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
