// Package proxy puts a network that fails between a program and a server.
//
// What is done to bytes is toxiproxy's, in this process, with watchers added: a
// watcher sees the bytes of one direction as they pass and can hold them back,
// lose them, or cut the connection at a place in the protocol that time alone
// would not hit. What breaks by time or amount is toxiproxy's own and is added
// and removed while connections live.
//
// Connections are the package's own. Toxiproxy waits for ever to add a fault to
// one whose client does not read, or whose server died that moment; here the
// other end of every connection can be closed without asking it.
package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Direction of what passes a proxy.
type Direction string

// Upstream is from the client to the server.
const (
	Upstream   Direction = "upstream"
	Downstream Direction = "downstream"
)

// Proxy stands in front of one server. Its methods are called by one goroutine
// at a time.
type Proxy struct {
	conns connections
	// toxic holds what is done to bytes; as a proxy it is never started.
	toxic *toxiproxy.Proxy
	// broken is what Break has added and Heal has not removed yet.
	broken []string
	// passed counts, per direction, the pieces that have come to the proxy.
	passed map[Direction]*atomic.Int64
}

// Listen starts a proxy at a port of the loopback interface, in front of the
// server at upstream. The watchers are there from the first byte on.
func Listen(name string, port int, upstream string, watchers ...Watch) (*Proxy, error) {
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{
		toxic:  toxiproxy.NewProxy(api, name, "", upstream),
		passed: map[Direction]*atomic.Int64{Upstream: {}, Downstream: {}},
	}
	p.conns = connections{name: name, port: port, upstream: upstream, api: api, links: p.toxic.Toxics, open: map[net.Conn]struct{}{}}
	for d, n := range p.passed {
		watchers = append(watchers, Watch{d, counter{n}})
	}
	registered()
	for i, w := range watchers {
		added, err := p.add(toxic{Name: fmt.Sprintf("watch%d", i), Type: tapType, Stream: w.Direction})
		if err != nil {
			return nil, fmt.Errorf("proxy %s: %w", name, err)
		}
		added.(*tap).watcher = w.Watcher
	}
	return p, p.conns.accept()
}

// Passed counts the pieces that have come to the proxy in a direction, whatever
// became of them: a fault during which there was none has hit nothing.
func (p *Proxy) Passed(d Direction) int64 { return p.passed[d].Load() }

// Addr is the address clients connect to.
func (p *Proxy) Addr() string { return p.conns.addr() }

// Fault is what toxiproxy does to a connection. It hits those that are there
// and those that come, until Heal.
type Fault struct {
	kind       string
	direction  Direction
	attributes map[string]int64
	// reset has connections end by a reset and not in order.
	reset bool
	what  string
}

// String says what the fault is.
func (f Fault) String() string { return f.what + " " + string(f.direction) }

// Reset resets a connection as soon as data comes that way.
func Reset(d Direction) Fault {
	return Fault{kind: "limit_data", direction: d, attributes: map[string]int64{"bytes": 0}, reset: true, what: "reset"}
}

// Hang keeps connections open and lets nothing through: what is sent is lost.
func Hang(d Direction) Fault { return Fault{kind: "timeout", direction: d, what: "hang"} }

// CutAfter closes a connection after so many bytes.
func CutAfter(d Direction, bytes int64) Fault {
	return Fault{kind: "limit_data", direction: d, attributes: map[string]int64{"bytes": bytes}, what: fmt.Sprintf("cut after %d bytes", bytes)}
}

// Delay lets everything through, later by about so much.
func Delay(d Direction, by time.Duration) Fault {
	ms := by.Milliseconds()
	return Fault{kind: "latency", direction: d, attributes: map[string]int64{"latency": ms, "jitter": ms / 3}, what: fmt.Sprintf("delay by %v", by)}
}

// Slow lets so many KiB a second through.
func Slow(d Direction, kib int64) Fault {
	return Fault{kind: "bandwidth", direction: d, attributes: map[string]int64{"rate": kib}, what: fmt.Sprintf("slow to %d KiB/s", kib)}
}

// toxic is what toxiproxy is asked for, in its own JSON.
type toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     Direction        `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

func (p *Proxy) add(t toxic) (any, error) {
	if t.Attributes == nil {
		t.Attributes = map[string]int64{}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	wrapper, err := p.toxic.Toxics.AddToxicJson(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("add %s %s: %w", t.Type, t.Stream, err)
	}
	return wrapper.Toxic, nil
}

// patience bounds adding and removing a fault: toxiproxy waits for whatever each
// connection is doing at the moment.
const patience = time.Second

// hurry does something to the connections; if it takes too long they are closed,
// which ends whatever they were waiting for.
func (p *Proxy) hurry(do func()) {
	var done sync.WaitGroup
	done.Go(do)
	impatient := time.AfterFunc(patience, p.conns.closeAll)
	done.Wait()
	impatient.Stop()
}

// Break adds a fault.
func (p *Proxy) Break(f Fault) error {
	name := fmt.Sprintf("fault%d", len(p.broken))
	p.conns.resetting.Store(f.reset)
	var err error
	p.hurry(func() { _, err = p.add(toxic{Name: name, Type: f.kind, Stream: f.direction, Attributes: f.attributes}) })
	if err != nil {
		return err
	}
	p.broken = append(p.broken, name)
	return nil
}

// Heal removes every fault. Connections that carried one may be closed by it.
func (p *Proxy) Heal() error {
	var errs []error
	for _, name := range p.broken {
		p.hurry(func() { errs = append(errs, p.toxic.Toxics.RemoveToxic(context.Background(), name)) })
	}
	p.broken = nil
	p.conns.resetting.Store(false)
	return errors.Join(errs...)
}

// Cut closes every connection. New ones are taken at once.
func (p *Proxy) Cut() { p.conns.closeAll() }

// Refuse closes every connection and takes no new ones until Restore.
func (p *Proxy) Refuse() {
	p.conns.refuse()
	p.conns.closeAll()
}

// Restore takes connections again.
func (p *Proxy) Restore() error { return p.conns.accept() }

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() {
	p.Refuse()
	p.conns.wait()
}
