package stacktest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// wire stands between readers and S3 and counts what passes.
type wire struct {
	endpoint string

	mu sync.Mutex
	// What follows is guarded by mu.

	seen traffic
}

// traffic is what passed in some time.
type traffic struct {
	// requests are those for lists, for the head of an object and for some of
	// its bytes.
	requests int
	// bytes are those of all answers' bodies.
	bytes int64
	// read are the paths of objects of which bytes were read.
	read map[string]bool
}

// objects are the paths that were read, in order.
func (t traffic) objects() []string { return slices.Sorted(maps.Keys(t.read)) }

// tap starts a wire to the S3 at endpoint, which ends with the test.
func tap(t *testing.T, endpoint string) *wire {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	w := new(wire)
	w.take()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // which is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body := &answer{ResponseWriter: out}
		proxy.ServeHTTP(body, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen.requests++
		w.seen.bytes += body.bytes
		if r.Method == http.MethodGet && !r.URL.Query().Has("list-type") {
			w.seen.read[r.URL.Path] = true
		}
	}))
	t.Cleanup(server.Close)
	w.endpoint = server.URL
	return w
}

// during returns what passes while do does something.
func (w *wire) during(do func()) traffic {
	w.take()
	do()
	return w.take()
}

// take returns what has passed since it was called last.
func (w *wire) take() traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = traffic{read: map[string]bool{}}
	return seen
}

// answer counts the bytes of its body.
type answer struct {
	http.ResponseWriter
	bytes int64
}

func (c *answer) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets the proxy flush what it passes on.
func (c *answer) Unwrap() http.ResponseWriter { return c.ResponseWriter }
