// Package faultproxy stands between a program and an S3 service and has chosen
// requests go wrong: refused, answered otherwise than the service did, cut
// short, delayed, or carried out with the answer lost.
//
// Where package proxy breaks connections, this one knows requests: which
// operation, on which key, the how manyth. So an answer can be lost of exactly
// one conditional write, and a test can say what has to be true afterwards.
// Requests are passed on as they are, the Host header included: it is signed.
package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Proxy is a proxy in front of one service. Its methods may be called by
// several goroutines at once.
type Proxy struct {
	upstream  *url.URL
	transport *http.Transport
	server    *http.Server
	endpoint  string
	serving   sync.WaitGroup
	// closing is closed when what hangs is to end.
	closing chan struct{}

	mu sync.Mutex
	// What follows is guarded by mu.

	injected []*Injection
	seen     map[Operation]int
}

// Listen starts a proxy at a free port of the loopback interface, in front of
// the service at this URL. The caller closes it.
func Listen(upstream string) (*Proxy, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("s3 proxy: upstream %q: %w", upstream, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("s3 proxy: %w", err)
	}
	p := &Proxy{
		upstream: u, endpoint: "http://" + l.Addr().String(), closing: make(chan struct{}), seen: map[Operation]int{},
		// What is compressed for the proxy would be another body for the client.
		transport: &http.Transport{DisableCompression: true},
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.serving.Go(func() { _ = p.server.Serve(l) }) // it ends with ErrServerClosed
	return p, nil
}

// Endpoint is the URL clients are given instead of the service's.
func (p *Proxy) Endpoint() string { return p.endpoint }

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() error {
	close(p.closing)
	err := p.server.Close()
	p.serving.Wait()
	p.transport.CloseIdleConnections()
	return err
}

// Rule says which requests go wrong, and how.
type Rule struct {
	// Operation of the request; empty: any.
	Operation Operation
	// Key is part of the object's key, or of a listing's prefix; empty: any.
	Key string
	// Skip is how many requests of this kind pass first.
	Skip int
	// Times is how many are hit after that; 0: all.
	Times int
	Fault Fault
}

// Injection is a rule at work.
type Injection struct {
	rule    Rule
	proxy   *Proxy
	matched int // guarded by proxy.mu
}

// Inject adds a rule. Of several that hit a request the oldest decides; the
// others have counted it.
func (p *Proxy) Inject(r Rule) *Injection {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := &Injection{rule: r, proxy: p}
	p.injected = append(p.injected, i)
	return i
}

// Hits is how many requests the rule has hit: a fault that hit none has proven
// nothing.
func (i *Injection) Hits() int {
	i.proxy.mu.Lock()
	defer i.proxy.mu.Unlock()
	hits := max(0, i.matched-i.rule.Skip)
	if i.rule.Times > 0 {
		hits = min(hits, i.rule.Times)
	}
	return hits
}

// Heal removes all rules. Requests that are under one end by it.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.injected = nil
}

// Seen counts the requests that came, by operation, whatever became of them.
func (p *Proxy) Seen() map[Operation]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// judge counts a request and returns what is to become of it.
func (p *Proxy) judge(op Operation, key string) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[op]++
	var fault Fault
	for _, i := range p.injected {
		r := i.rule
		if r.Operation != "" && r.Operation != op || !strings.Contains(key, r.Key) {
			continue
		}
		i.matched++
		if hit := i.matched > r.Skip && (r.Times == 0 || i.matched <= r.Skip+r.Times); hit && fault == (Fault{}) {
			fault = r.Fault
		}
	}
	return fault
}

// ServeHTTP passes a request on, unless a rule says otherwise.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, key := operation(r)
	f := p.judge(op, key)
	switch f.what {
	case refused:
		_, _ = io.Copy(io.Discard, r.Body) // the client may be gone; so is the request then
		respond(w, r, f)
		return
	case reset:
		hangUp(w)
		return
	case delayed:
		if !p.pause(r, f.by) {
			hangUp(w)
			return
		}
	}

	answer, err := p.forward(r, f)
	if err != nil {
		hangUp(w) // as the service did, or as the rule wants
		return
	}
	defer answer.Body.Close() //nolint:errcheck // read, or given up
	switch f.what {
	case answeredOtherwise, lost, answerDelayed:
		// The service is done when its answer is whole.
		body, err := io.ReadAll(answer.Body)
		if err != nil || f.what == lost {
			hangUp(w)
			return
		}
		if f.what == answeredOtherwise {
			respond(w, r, f)
			return
		}
		if !p.pause(r, f.by) {
			hangUp(w)
			return
		}
		answer.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	err = f.copy(w, answer.Body)
	if f.what == stalled {
		p.pause(r, never)
	}
	if err != nil {
		// Headers are out; all that is left is to end the connection.
		panic(http.ErrAbortHandler)
	}
}

// forward sends the request on and returns the beginning of the answer.
func (p *Proxy) forward(r *http.Request, f Fault) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.upstream.Scheme, p.upstream.Host, ""
	if r.ContentLength == 0 {
		out.Body = nil // else it would be sent in chunks
	}
	if f.what == uploadCut {
		out.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, f.bytes), broken{}))
	}
	return p.transport.RoundTrip(out)
}

// broken is the rest of a body that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut by the rule") }

// never is longer than any test.
const never = 24 * time.Hour

// pause waits; false if the client or the proxy is gone before.
func (p *Proxy) pause(r *http.Request, by time.Duration) bool {
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-p.closing:
	}
	return false
}

// hangUp resets the client's connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the connection is ended by the server then
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // best effort, as is closing: the client may be gone
	}
	_ = conn.Close()
}
