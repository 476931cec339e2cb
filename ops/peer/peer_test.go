package peer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/transport"
)

func TestURL(t *testing.T) {
	f := func(access Access, addr, want string) {
		t.Helper()
		if got := New(access, time.Second).URL(addr, "/runbooks/"); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	f(Access{}, "10.0.0.7:9464", "http://10.0.0.7:9464/runbooks/")
	f(Access{}, ":9464", "http://localhost:9464/runbooks/")
	f(Access{TLS: transport.TLS{Enabled: true}}, "[::1]:9464", "https://[::1]:9464/runbooks/")
}

func TestGet(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer open sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "0123456789")
	})
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/metrics", http.StatusFound)
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "draining\n")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	addr := server.Listener.Addr().String()
	get := func(c *Client, path string, most int64) (string, error) {
		body, err := c.Get(t.Context(), addr, path, most)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(body)
		return string(text), errors.Join(err, body.Close())
	}
	known := New(Access{Token: transport.NewSecret("open sesame")}, time.Second)
	if text, err := get(known, "/metrics", 10); err != nil || text != "0123456789" {
		t.Errorf("got %q, %v", text, err)
	}
	refused := func(c *Client, path string, most int64, want string) {
		t.Helper()
		if text, err := get(c, path, most); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v; want an error with %q", path, text, err, want)
		}
	}
	refused(New(Access{}, time.Second), "/metrics", 10, "want its admin.token")
	refused(known, "/metrics", 9, "too large")
	refused(known, "/nothing", 10, "is it the admin.addr of one of our programs?")
	refused(known, "/moved", 10, "302 Found") // and not where it points, with the token
	if text, err := known.Post(t.Context(), addr, "/drain"); err != nil || text != "draining" {
		t.Errorf("post: %q, %v", text, err)
	}
	if _, err := known.Post(t.Context(), addr, "/nothing"); err == nil {
		t.Error("a post that is refused is no error")
	}
}

func TestAddresses(t *testing.T) {
	for server, want := range map[string]string{"127.0.0.1:9464": "127.0.0.1:9464", "[::1]:9464": "[::1]:9464"} {
		if got, err := Addresses(t.Context(), server); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, %v; want %s", server, got, err, want)
		}
	}
	if got, err := Addresses(t.Context(), "localhost"); err == nil {
		t.Errorf("a host without a port stands for %q", got)
	}
}
