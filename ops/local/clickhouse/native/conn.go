package native

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
)

// conn is one client's connection. One goroutine serves it; a second one
// listens for Cancel while a query runs (see listen).
type conn struct {
	sessions  *session.Server
	session   *session.Session
	discarded *discard.Counts // nil: rows are stored
	net       net.Conn
	in        *bufio.Reader // of net
	packets   *proto.Reader // of in
	out       *bufio.Writer
	revision  int // of the protocol: the lower of the client's and ours

	compression proto.Compression // of blocks, as the last query asked
	unpacked    *bufio.Reader     // blocks of in, decompressed
	packers     map[compress.Method]*compress.Writer
	incoming    block.Copier    // of the client's blocks; its buffer is reused
	outgoing    *block.Splitter // of the engine's
	known       descriptions    // of tables it inserts into

	mu       sync.Mutex
	stopping bool
}

func newConn(sessions *session.Server, discarded *discard.Counts, nc net.Conn) *conn {
	c := &conn{sessions: sessions, discarded: discarded, net: nc, packers: map[compress.Method]*compress.Writer{}, outgoing: block.NewSplitter()}
	c.in = bufio.NewReaderSize(nc, block.BufferSize)
	c.packets = proto.NewReader(c.in)
	c.unpacked = bufio.NewReaderSize(compress.NewReader(c.in), block.BufferSize)
	c.out = bufio.NewWriterSize(nc, 64<<10)
	return c
}

// stop makes reads fail from now on.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	_ = c.net.SetReadDeadline(time.Now()) // fails only on a closed connection
}

// readUntil sets when reads begin to fail, zero for never, unless stop has made
// them fail already.
func (c *conn) readUntil(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopping {
		_ = c.net.SetReadDeadline(deadline) // fails only on a closed connection
	}
}

// serve talks to the client until it leaves, breaks the protocol or the server
// stops. There is no one to report to but the client.
func (c *conn) serve(ctx context.Context) {
	defer func() { _ = c.net.Close() }() // all is flushed, or the client has gone
	if err := c.hello(); err != nil {
		_ = c.sendException(err) // the client may have gone
		return
	}
	defer c.session.Close()
	for {
		code, err := c.in.ReadByte()
		if err != nil {
			return
		}
		switch proto.ClientCode(code) {
		case proto.ClientCodePing:
			err = c.send(func(b *proto.Buffer) { proto.ServerCodePong.Encode(b) })
		case proto.ClientCodeQuery:
			err = c.query(ctx)
		case proto.ClientCodeData:
			// Rows of an INSERT that was refused: the client sent them before
			// it read the exception.
			_, err = c.receiveBlock()
		case proto.ClientCodeCancel:
			// Of a query that had just ended.
		default:
			err = engine.NewException(proto.ErrUnknownPacketFromClient, "Unknown packet %d from client.", code)
		}
		if err != nil {
			_ = c.sendException(err) // the client may have gone
			return
		}
	}
}

func (c *conn) hello() error {
	c.readUntil(time.Now().Add(helloTimeout))
	code, err := c.in.ReadByte()
	if err != nil {
		return err
	}
	if proto.ClientCode(code) != proto.ClientCodeHello {
		return engine.NewException(proto.ErrUnexpectedPacketFromClient,
			"Unexpected packet from client (expected Hello, got %d). An HTTP client must use the HTTP port.", code)
	}
	hello, err := c.readHello()
	if err != nil {
		return err
	}
	c.revision = min(hello.ProtocolVersion, Revision)
	if err := c.sessions.Login(hello.User, hello.Password); err != nil {
		return err
	}
	if c.session, err = c.sessions.Open(hello.Database); err != nil {
		return err
	}
	err = c.send(func(b *proto.Buffer) {
		v := version(c.sessions.Version)
		answer := proto.ServerHello{
			Name: "ClickHouse", Major: v[0], Minor: v[1], Patch: v[2], Revision: Revision,
			Timezone: c.sessions.Timezone, DisplayName: c.sessions.Host,
		}
		answer.EncodeAware(b, c.revision)
	})
	if err == nil && proto.FeatureAddendum.In(c.revision) {
		_, err = c.packets.Str() // quota key: there are no quotas
	}
	if err != nil {
		c.session.Close()
	}
	c.readUntil(time.Time{})
	return err
}

// A stranger may take a connection for this long and send names this long.
const (
	helloTimeout = 10 * time.Second
	helloString  = 4 << 10
)

// readHello reads what proto.ClientHello.Decode does. That takes memory for any
// length it is told, by whom it does not know yet.
func (c *conn) readHello() (h proto.ClientHello, err error) {
	number := func(to *int) {
		var v uint64
		if err == nil {
			v, err = binary.ReadUvarint(c.in)
		}
		*to = int(v)
	}
	text := func(to *string) {
		var n int
		if number(&n); err != nil {
			return
		}
		if n < 0 || n > helloString {
			err = engine.NewException(proto.ErrTooLargeStringSize, "A string of %d bytes in Hello; the limit is %d.", n, helloString)
			return
		}
		b := make([]byte, n)
		_, err = io.ReadFull(c.in, b)
		*to = string(b)
	}
	text(&h.Name)
	number(&h.Major)
	number(&h.Minor)
	number(&h.ProtocolVersion)
	text(&h.Database)
	text(&h.User)
	text(&h.Password)
	return h, err
}

// version reads a version such as 26.7.2.1.
func version(text string) (v [3]int) {
	for i, part := range strings.SplitN(text, ".", 4) {
		if n, err := strconv.Atoi(part); err == nil && i < len(v) {
			v[i] = n
		}
	}
	return v
}

// send writes a packet and flushes.
func (c *conn) send(encode func(*proto.Buffer)) error {
	if err := c.write(encode); err != nil {
		return err
	}
	return c.out.Flush()
}

func (c *conn) write(encode func(*proto.Buffer)) error {
	var b proto.Buffer
	encode(&b)
	_, err := c.out.Write(b.Buf)
	return err
}

// sendException tells the client about err, in ClickHouse's form.
func (c *conn) sendException(err error) error {
	e := engine.AsException(err)
	return c.send(func(b *proto.Buffer) {
		proto.ServerCodeException.Encode(b)
		(&proto.Exception{
			Code: e.Code, Name: "DB::Exception",
			Message: "DB::Exception: " + e.Message + " (" + e.Name + ")",
		}).EncodeAware(b, c.revision)
	})
}
