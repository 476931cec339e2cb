package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/statement"
)

// query reads a query and answers it. An exception goes to the client and the
// connection goes on; an error returned ends the connection.
func (c *conn) query(ctx context.Context) error {
	var q proto.Query
	if err := q.DecodeAware(c.packets, c.revision); err != nil {
		return err
	}
	c.compression = q.Compression
	if err := c.externalTables(); err != nil {
		return c.answerError(err)
	}
	st := session.Statement{ID: q.ID, SQL: q.Body, Format: "Native", Settings: map[string]string{}, Params: map[string]string{}}
	for _, s := range q.Settings {
		st.Settings[s.Key] = s.Value
	}
	for _, p := range q.Parameters {
		st.Params[p.Key] = unquoteParameter(p.Value)
	}
	in, isInsert := statement.ParseInsert(q.Body)
	switch {
	case isInsert && strings.TrimSpace(in.Data) == "":
		return c.answerError(c.insert(st, in))
	case !isInsert:
		st.SQL, _ = statement.WithoutFormat(q.Body)
	}
	return c.answerError(c.stream(ctx, st))
}

// answerError passes an exception on to the client; any other error is of the
// connection and is returned.
func (c *conn) answerError(err error) error {
	var e *engine.Exception
	if errors.As(err, &e) {
		return c.sendException(e)
	}
	return err
}

// unquoteParameter undoes the quoting by which parameters travel as settings.
func unquoteParameter(v string) string {
	if len(v) < 2 || v[0] != '\'' || v[len(v)-1] != '\'' {
		return v
	}
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(v[1 : len(v)-1])
}

// externalTables reads the blocks after a query, which are the client's
// temporary tables, up to the empty one.
func (c *conn) externalTables() error {
	any := false
	for {
		code, err := c.in.ReadByte()
		if err != nil {
			return err
		}
		if proto.ClientCode(code) != proto.ClientCodeData {
			return fmt.Errorf("packet %d after a query, want Data", code)
		}
		h, err := c.receiveBlock()
		if err != nil {
			return err
		}
		if h.End() {
			break
		}
		any = true
	}
	if any {
		return engine.NewException(proto.ErrNotImplemented,
			"External tables are not supported by this server; insert the rows into a temporary table instead")
	}
	return nil
}

// stream runs a statement and sends its result block by block.
func (c *conn) stream(ctx context.Context, st session.Statement) error {
	began := time.Now()
	var rows, blocks, size uint64
	var broken error // the connection is
	described := false
	listening, cancel := context.WithCancelCause(ctx)
	listened := c.listen(cancel)
	stats, err := c.session.Query(listening, st, func(piece []byte) error {
		return c.outgoing.Each(piece, c.revision, func(h block.Header, data []byte) error {
			if !described {
				described = true
				if broken = c.sendHeader(h.Columns, st.Settings); broken != nil {
					return broken
				}
			}
			rows, blocks, size = rows+uint64(h.Rows), blocks+1, size+uint64(len(data))
			broken = c.sendBlock(data, st.Settings)
			return broken
		})
	})
	listened()
	asked := errors.Is(context.Cause(listening), errCancelled)
	cancel(nil)
	if broken != nil {
		return broken
	}
	if err != nil && !asked {
		return engine.AsException(err)
	}
	if !described && !asked {
		if err := c.describeEmpty(st); err != nil {
			return err
		}
	}
	return c.send(func(b *proto.Buffer) {
		proto.Profile{Rows: rows, Blocks: blocks, Bytes: size}.EncodeAware(b, c.revision)
		c.progress(b, stats, began)
		proto.ServerCodeEndOfStream.Encode(b)
	})
}

func (c *conn) progress(b *proto.Buffer, s engine.Stats, began time.Time) {
	proto.ServerCodeProgress.Encode(b)
	proto.Progress{
		Rows: s.ReadRows, Bytes: s.ReadBytes, WroteRows: s.WrittenRows, WroteBytes: s.WrittenBytes,
		ElapsedNs: uint64(time.Since(began)),
	}.EncodeAware(b, c.revision)
}

// errCancelled is why a query ends early whose client sent Cancel. A server
// answers it with the end of the stream, not with an exception.
var errCancelled = errors.New("cancelled by the client")

// listen waits for the client's next packet while its query runs, and calls
// cancel if that is Cancel or the client has gone. The returned function ends
// it; any other packet is still unread then.
func (c *conn) listen(cancel context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(done)
		b, err := c.in.Peek(1)
		select {
		case <-ended:
			return // by the deadline that stop set
		default:
		}
		switch {
		case err != nil:
			cancel(err)
		case proto.ClientCode(b[0]) == proto.ClientCodeCancel:
			_, _ = c.in.Discard(1) // it was peeked at
			cancel(errCancelled)
		}
	}()
	return func() {
		close(ended)
		_ = c.net.SetReadDeadline(time.Now()) // fails only on a closed connection
		<-done
		c.readUntil(time.Time{})
	}
}
