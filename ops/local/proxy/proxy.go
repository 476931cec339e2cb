// Package proxy puts a network that fails between a program and a server.
//
// A Proxy is toxiproxy's, in this process, with watchers added: a watcher sees
// the bytes of one direction as they pass and can hold them back, lose them, or
// cut the connection at a place in the protocol that time alone would not hit.
// What breaks by time or amount (resets, silence, delays, cuts after so many
// bytes) is toxiproxy's own and is added and removed while connections live.
package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"penstock/ops/local/child"
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
	inner *toxiproxy.Proxy
	// broken is what Break has added and Heal has not removed yet.
	broken []string
	// passed counts, per direction, the pieces that have come to the proxy.
	passed map[Direction]*atomic.Int64
}

// Listen starts a proxy at a port of the loopback interface, in front of the
// server at upstream. The watchers are there from the first byte on.
func Listen(name string, port int, upstream string, watchers ...Watch) (*Proxy, error) {
	quiet := zerolog.Nop()
	p := &Proxy{
		inner:  toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), quiet), name, child.Loopback(port), upstream),
		passed: map[Direction]*atomic.Int64{Upstream: {}, Downstream: {}},
	}
	for d, n := range p.passed {
		watchers = append(watchers, Watch{d, counter{n}})
	}
	registered()
	for i, w := range watchers {
		toxic, err := p.add(toxic{Name: fmt.Sprintf("watch%d", i), Type: tapType, Stream: w.Direction})
		if err != nil {
			return nil, fmt.Errorf("proxy %s: %w", name, err)
		}
		toxic.(*tap).watcher = w.Watcher
	}
	if err := p.inner.Start(); err != nil {
		return nil, fmt.Errorf("proxy %s at port %d: %w", name, port, err)
	}
	return p, nil
}

// Passed counts the pieces that have come to the proxy in a direction, whatever
// became of them: a fault during which there was none has hit nothing.
func (p *Proxy) Passed(d Direction) int64 { return p.passed[d].Load() }

// Addr is the address clients connect to.
func (p *Proxy) Addr() string { return p.inner.Listen }

// Fault is what toxiproxy does to a connection. It hits those that are there
// and those that come, until Heal.
type Fault struct {
	kind       string
	direction  Direction
	attributes map[string]int64
	what       string
}

// String says what the fault is.
func (f Fault) String() string { return f.what + " " + string(f.direction) }

// Reset closes a connection abruptly as soon as data comes that way.
func Reset(d Direction) Fault { return Fault{"reset_peer", d, nil, "reset"} }

// Hang keeps connections open and lets nothing through: what is sent is lost.
func Hang(d Direction) Fault { return Fault{"timeout", d, nil, "hang"} }

// CutAfter closes a connection after so many bytes.
func CutAfter(d Direction, bytes int64) Fault {
	return Fault{"limit_data", d, map[string]int64{"bytes": bytes}, fmt.Sprintf("cut after %d bytes", bytes)}
}

// Delay lets everything through, later by about so much.
func Delay(d Direction, by time.Duration) Fault {
	ms := by.Milliseconds()
	return Fault{"latency", d, map[string]int64{"latency": ms, "jitter": ms / 3}, fmt.Sprintf("delay by %v", by)}
}

// Slow lets so many KiB a second through.
func Slow(d Direction, kib int64) Fault {
	return Fault{"bandwidth", d, map[string]int64{"rate": kib}, fmt.Sprintf("slow to %d KiB/s", kib)}
}

// toxic is what toxiproxy is asked for, in its own JSON.
type toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     Direction        `json:"stream"`
	Toxicity   float32          `json:"toxicity"`
	Attributes map[string]int64 `json:"attributes"`
}

func (p *Proxy) add(t toxic) (any, error) {
	t.Toxicity = 1
	if t.Attributes == nil {
		t.Attributes = map[string]int64{}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	wrapper, err := p.inner.Toxics.AddToxicJson(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("add %s %s: %w", t.Type, t.Stream, err)
	}
	return wrapper.Toxic, nil
}

// patience bounds adding and removing a fault: toxiproxy waits for whatever a
// connection is doing at the moment, which may be waiting for a client that does
// not read.
const patience = 2 * time.Second

// Break adds a fault.
func (p *Proxy) Break(f Fault) error {
	name := fmt.Sprintf("fault%d", len(p.broken))
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
		p.hurry(func() { errs = append(errs, p.inner.Toxics.RemoveToxic(context.Background(), name)) })
	}
	p.broken = nil
	return errors.Join(errs...)
}

// hurry does something to the connections; those that keep it waiting are
// closed.
func (p *Proxy) hurry(do func()) {
	var done sync.WaitGroup
	done.Go(do)
	cut := time.AfterFunc(patience, func() {
		if p.inner.Enabled {
			p.inner.Stop()
		}
	})
	done.Wait()
	cut.Stop()
	if !p.inner.Enabled {
		_ = p.inner.Start()
	}
}

// Cut closes every connection. New ones are taken at once.
func (p *Proxy) Cut() error {
	p.inner.Stop()
	return p.Restore()
}

// Refuse closes every connection and takes no new ones until Restore.
func (p *Proxy) Refuse() { p.inner.Stop() }

// Restore takes connections again.
func (p *Proxy) Restore() error {
	if err := p.inner.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("proxy %s: %w", p.inner.Name, err)
	}
	return nil
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() { p.inner.Stop() }
