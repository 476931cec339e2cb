package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/ops/local/child"
)

// server takes connections and keeps what each of them has sent.
type server struct {
	listener net.Listener
	conns    chan *served
}

type served struct {
	net.Conn
	mu   sync.Mutex
	got  []byte
	gone bool
}

func serve(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &server{listener: l, conns: make(chan *served, 10)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sc := &served{Conn: c}
			t.Cleanup(func() { _ = c.Close() })
			go sc.read()
			s.conns <- sc
		}
	}()
	return s
}

func (s *served) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.Read(buf)
		s.mu.Lock()
		s.got = append(s.got, buf[:n]...)
		s.gone = err != nil
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *served) received() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.got)
}

func (s *served) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

func listen(t *testing.T, s *server, watchers ...Watch) *Proxy {
	t.Helper()
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Listen(t.Name(), port, s.listener.Addr().String(), watchers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// dial connects through the proxy and returns both ends.
func dial(t *testing.T, p *Proxy, s *server) (net.Conn, *served) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	select {
	case sc := <-s.conns:
		return c, sc
	case <-time.After(5 * time.Second):
		t.Fatal("the connection did not reach the server")
		return nil, nil
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// silence is how long nothing must come before it counts as not coming.
const silence = 100 * time.Millisecond

// reads returns what the client gets until want bytes are there, or silence or
// the end of the connection; ended is for the latter.
func reads(t *testing.T, c net.Conn, want int) (got string, ended bool) {
	t.Helper()
	wait := silence
	if want > 0 {
		wait = 5 * time.Second
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, max(want, 1))
	n, err := io.ReadFull(c, buf)
	return string(buf[:n]), err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestPasses(t *testing.T) {
	s := serve(t)
	p := listen(t, s)
	c, sc := dial(t, p, s)
	send(t, c, "question")
	eventually(t, "the question arrives", func() bool { return sc.received() == "question" })
	send(t, sc, "answer")
	if got, _ := reads(t, c, 6); got != "answer" {
		t.Errorf("got %q", got)
	}
	if up, down := p.Passed(Upstream), p.Passed(Downstream); up != 1 || down != 1 {
		t.Errorf("counted %d up, %d down", up, down)
	}
}

func TestFaults(t *testing.T) {
	s := serve(t)
	p := listen(t, s)
	whole := func() {
		t.Helper()
		if err := errors.Join(p.Heal(), p.Restore()); err != nil {
			t.Fatal(err)
		}
		c, sc := dial(t, p, s)
		send(t, c, "x")
		eventually(t, "all is whole again", func() bool { return sc.received() == "x" })
	}
	broken := func(f Fault) (net.Conn, *served) {
		t.Helper()
		c, sc := dial(t, p, s)
		if err := p.Break(f); err != nil {
			t.Fatal(err)
		}
		return c, sc
	}

	c, sc := broken(Hang(Downstream))
	send(t, c, "question")
	eventually(t, "the other way is open", func() bool { return sc.received() == "question" })
	send(t, sc, "answer")
	if got, ended := reads(t, c, 0); got != "" || ended {
		t.Errorf("hung, got %q, ended: %v", got, ended)
	}
	whole()

	c, _ = broken(Reset(Upstream))
	send(t, c, "question")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("not reset: %v", err)
	}
	whole()

	c, sc = broken(CutAfter(Upstream, 3))
	send(t, c, "question")
	eventually(t, "it is cut", sc.closed)
	if got := sc.received(); got != "que" {
		t.Errorf("before the cut came %q", got)
	}
	whole()

	c, sc = broken(Delay(Upstream, 300*time.Millisecond))
	began := time.Now()
	send(t, c, "question")
	eventually(t, "it comes later", func() bool { return sc.received() == "question" })
	if time.Since(began) < 190*time.Millisecond {
		t.Errorf("it took %v", time.Since(began))
	}
	whole()

	p.Refuse()
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Errorf("connected to %v", c.RemoteAddr())
	}
	whole()
}

// A client that does not read keeps its proxy from nothing.
func TestHealDespiteAClientThatDoesNotRead(t *testing.T) {
	s := serve(t)
	p := listen(t, s)
	_, sc := dial(t, p, s)
	stuffed := make(chan struct{})
	go func() {
		defer close(stuffed)
		for range 64 {
			if _, err := sc.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	time.Sleep(silence)
	began := time.Now()
	if err := errors.Join(p.Break(Delay(Downstream, time.Second)), p.Heal(), p.Restore()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 4*patience {
		t.Errorf("it took %v", took)
	}
	c, again := dial(t, p, s)
	send(t, c, "x")
	eventually(t, "a new connection works", func() bool { return again.received() == "x" })
	// It depends on the moment whether the connection had to be closed.
	if err := sc.Close(); err != nil {
		t.Fatal(err)
	}
	<-stuffed
}
