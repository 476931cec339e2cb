package native

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/statement"
)

// rows takes the blocks of an INSERT, each with its header. It must end in
// exactly one of Commit or Cancel.
type rows interface {
	Write(h block.Header, data []byte) error
	Commit() (engine.Stats, error)
	Cancel()
}

// stored rows go to the engine.
type stored struct{ *engine.Insert }

func (s stored) Write(_ block.Header, data []byte) error {
	_, err := s.Insert.Write(data)
	return err
}

// rows begins an INSERT of the columns, where this server's rows go. Those that do
// not say which record they are of are no events: a server that discards stores
// them, since a client may want them back.
func (c *conn) rows(st session.Statement, in statement.Insert, columns []block.Column) (rows, error) {
	if c.discarded != nil && slices.ContainsFunc(columns, func(c block.Column) bool { return c.Name == discard.Partition }) {
		return c.discarded.Insert(in.Name()), nil
	}
	st.SQL, st.Set = in.Head, in.Set
	insert, err := c.session.Insert(st)
	return stored{insert}, err
}

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
	insert, err := c.rows(st, in, columns)
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
func (c *conn) receive(insert rows) error {
	var refused error
	for {
		code, err := c.in.ReadByte()
		if err != nil {
			return err
		}
		switch proto.ClientCode(code) {
		case proto.ClientCodeData:
		case proto.ClientCodeCancel:
			return engine.NewException(proto.ErrQueryWasCancelled, "Query was cancelled by the client.")
		default:
			return engine.NewException(proto.ErrUnexpectedPacketFromClient, "Unexpected packet %d within an INSERT.", code)
		}
		h, err := c.receiveBlock()
		if err != nil {
			return err
		}
		if refused == nil && h.Rows > 0 {
			refused = insert.Write(h, c.incoming.Out)
		}
		if err := c.sendProfileEvents(); err != nil {
			return err
		}
		if h.End() {
			return nil // Commit tells why the engine refused rows
		}
	}
}
