// Package native is ClickHouse's native TCP protocol, server side.
//
// A connection says hello, then sends one query at a time: the answer is a
// series of blocks, or for an INSERT the client sends the blocks. Its session
// lasts as long as the connection. Blocks are passed between client and engine
// as bytes; see package block.
package native

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/clickhouse/session"
)

// Revision of the protocol the server speaks. It is the one the Go clients
// have; later ones add chunked framing and sparse columns, which nothing here
// would gain from.
const Revision = 54460

// Server answers native clients. Serve may be called once.
type Server struct {
	sessions  *session.Server
	discarded *discard.Counts // nil: rows are stored

	mu      sync.Mutex
	conns   map[*conn]struct{}
	stopped bool
	running sync.WaitGroup // connections
}

// NewServer returns a Server on sessions. With counts, it discards what is
// inserted and counts it there.
func NewServer(sessions *session.Server, discarded *discard.Counts) *Server {
	return &Server{sessions: sessions, discarded: discarded, conns: map[*conn]struct{}{}}
}

// Serve accepts connections until ctx ends, then cancels what they run, waits
// for them and returns nil. An INSERT whose rows have all arrived is finished.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // Accept below reports it
		s.interrupt()
	})
	defer stop()
	defer s.running.Wait()
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, syscall.ECONNABORTED) {
			continue // the client gave up first
		}
		if err != nil {
			s.interrupt()
			return fmt.Errorf("accept a native connection: %w", err)
		}
		s.start(ctx, nc)
	}
}

func (s *Server) start(ctx context.Context, nc net.Conn) {
	c := newConn(s.sessions, s.discarded, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		_ = nc.Close() // never used
		return
	}
	s.conns[c] = struct{}{}
	s.running.Go(func() {
		c.serve(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
}

// interrupt makes every connection's reads fail, those under way too: idle ones
// end at once, busy ones when their statement has ended.
func (s *Server) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for c := range s.conns {
		c.stop()
	}
}
