package proxy

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"

	"penstock/ops/local/child"
)

// dialTimeout bounds the way to the server, which is on the same machine.
const dialTimeout = 2 * time.Second

// connections takes clients' connections, opens one to the server for each, and
// has toxiproxy's links copy between the two.
type connections struct {
	name     string
	port     int
	upstream string
	api      *toxiproxy.ApiServer
	links    *toxiproxy.ToxicCollection
	// resetting has connections end by a reset.
	resetting atomic.Bool
	// accepting are the goroutines that take connections.
	accepting sync.WaitGroup

	mu sync.Mutex
	// What follows is guarded by mu.

	listener net.Listener // nil while none are taken
	open     map[net.Conn]struct{}
}

func (c *connections) addr() string { return child.Loopback(c.port) }

// accept takes connections from now on; it does nothing if it does already.
func (c *connections) accept() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", c.addr())
	if err != nil {
		return fmt.Errorf("proxy %s: %w", c.name, err)
	}
	c.listener = l
	c.accepting.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // refuse closed it
			}
			c.accepting.Go(func() { c.link(client, l) })
		}
	})
	return nil
}

// refuse takes no connections from now on.
func (c *connections) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		_ = c.listener.Close() // nothing is lost by a listener that is closed badly
		c.listener = nil
	}
}

// wait waits until nothing is taken any more.
func (c *connections) wait() { c.accepting.Wait() }

// link connects a client with the server, in both directions. A client whose
// server does not answer is turned away.
func (c *connections) link(client net.Conn, taker net.Listener) {
	server, err := net.DialTimeout("tcp", c.upstream, dialTimeout)
	if err != nil {
		_ = client.Close()
		return
	}
	c.mu.Lock()
	refused := c.listener != taker
	if !refused {
		c.open[client], c.open[server] = struct{}{}, struct{}{}
	}
	c.mu.Unlock()
	if refused { // while the server was dialled
		_, _ = client.Close(), server.Close()
		return
	}
	name := client.RemoteAddr().String()
	c.links.StartLink(c.api, name+"upstream", client, end{server, c}, stream.Upstream)
	c.links.StartLink(c.api, name+"downstream", server, end{client, c}, stream.Downstream)
}

// closeAll closes every connection there is.
func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		c.close(conn)
	}
}

// close is called with mu held.
func (c *connections) close(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok && c.resetting.Load() {
		_ = tcp.SetLinger(0) // best effort, as is closing: the other side may be gone
	}
	_ = conn.Close()
	delete(c.open, conn)
}

// end is one end of a connection as a link writes to it. Writing never fails: a
// link whose end fails stops reading what is on its way, and then whoever wants
// to add a fault to it waits for ever. That the end is gone is noticed by the
// link of the other direction, which reads from it, and closes the connection.
type end struct {
	conn net.Conn
	all  *connections
}

func (e end) Write(b []byte) (int, error) {
	_, _ = e.conn.Write(b)
	return len(b), nil
}

func (e end) Close() error {
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	e.all.close(e.conn)
	return nil
}
