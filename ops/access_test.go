package ops

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/transport"
	"penstock/transport/transporttest"
)

// TestGuard: who is let in, by what is configured and what is shown.
func TestGuard(t *testing.T) {
	open := Default().Open
	nothing := func(*http.Request) {}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	f := func(name string, g guard, method, target string, show func(*http.Request), want int, says string) {
		t.Helper()
		r := httptest.NewRequest(method, target, nil)
		show(r)
		w := httptest.NewRecorder()
		g.wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })).ServeHTTP(w, r)
		if w.Code != want || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: got %d %q, want %d with %q", name, w.Code, w.Body, want, says)
		}
		if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (want == http.StatusUnauthorized) {
			t.Errorf("%s: a browser is asked for a password: %v", name, asks)
		}
	}

	local := guard{open: open}
	f("this machine", local, "GET", "http://localhost:9464/metrics", nothing, 200, "in")
	f("its address", local, "POST", "http://127.0.0.1:9464/drain", nothing, 200, "in")
	f("its IPv6 address", local, "GET", "http://[::1]:9464/metrics", nothing, 200, "in")
	f("a name that somebody else resolves", local, "GET", "http://evil.example:9464/metrics", nothing, 403, "ask for localhost")
	f("a page of somebody else's", local, "POST", "http://localhost:9464/drain", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "")
	f("an old browser's", local, "POST", "http://localhost:9464/drain", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "")

	token := guard{token: transport.NewSecret("open sesame"), open: open}
	f("no token", token, "GET", "http://10.0.0.7:9464/metrics", nothing, 401, "wants its token")
	f("also on this machine", token, "GET", "http://localhost:9464/metrics", nothing, 401, "wants its token")
	f("another token", token, "GET", "http://10.0.0.7:9464/metrics", bearer("open"), 401, "wants its token")
	f("half a header", token, "GET", "http://10.0.0.7:9464/metrics", func(r *http.Request) { r.Header.Set("Authorization", "Bearer") }, 401, "")
	f("the token", token, "GET", "http://10.0.0.7:9464/metrics", bearer("open sesame"), 200, "in")
	f("as a password", token, "GET", "http://10.0.0.7:9464/", func(r *http.Request) { r.SetBasicAuth("me", "open sesame") }, 200, "in")
	f("a probe", token, "GET", "http://10.0.0.7:9464/readyz", nothing, 200, "in")
	f("below what is open", token, "GET", "http://10.0.0.7:9464/readyz/x", nothing, 401, "")
	f("to do something where it is open", token, "POST", "http://10.0.0.7:9464/readyz", nothing, 401, "")
	f("a token that is gone", guard{token: transport.SecretFile(filepath.Join(t.TempDir(), "token"))}, "GET", "http://10.0.0.7:9464/metrics", bearer("x"), 500, "cannot be read")

	certs := guard{certs: true, open: open}
	f("no certificate", certs, "GET", "https://10.0.0.7:9464/metrics", nothing, 403, "wants a certificate")
	f("one that nobody vouches for", certs, "GET", "https://10.0.0.7:9464/metrics", func(r *http.Request) {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	}, 403, "wants a certificate")
	f("a certificate", certs, "GET", "https://10.0.0.7:9464/metrics", func(r *http.Request) {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	}, 200, "in")
	f("a probe of a server with certificates", certs, "GET", "https://10.0.0.7:9464/healthz", nothing, 200, "in")

	both := guard{certs: true, token: transport.NewSecret("open sesame")}
	f("a token for want of a certificate", both, "GET", "https://10.0.0.7:9464/metrics", bearer("open sesame"), 200, "in")
	f("neither", both, "GET", "https://10.0.0.7:9464/metrics", nothing, 401, "wants its token")
}

// TestAdminTLS: the server as it is reached by clients with a certificate and
// without.
func TestAdminTLS(t *testing.T) {
	dir := t.TempDir()
	authority := transporttest.NewAuthority(t, "operators")
	file := func(name string, text []byte) string { return transporttest.Write(t, filepath.Join(dir, name), text) }
	server, operator := authority.Sign(t, "ingest", time.Hour, "127.0.0.1"), authority.Sign(t, "operator", time.Hour)
	cfg := Default().At("127.0.0.1:0")
	cfg.TLS = transport.ServerTLS{CertFile: file("server.pem", server.Cert), KeyFile: file("server.key", server.Key), ClientCAFile: file("ca.pem", authority.PEM())}
	a, err := NewAdmin(cfg, prometheus.NewRegistry(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx) }()
	ask := func(access transport.TLS, path string) string {
		t.Helper()
		of, err := access.ClientConfig("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: of, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + a.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(body)))
	}
	stranger := transport.TLS{Enabled: true, Certificates: transport.Certificates{CAFile: cfg.TLS.ClientCAFile}}
	known := stranger
	known.CertFile, known.KeyFile = file("operator.pem", operator.Cert), file("operator.key", operator.Key)
	for _, one := range []struct{ got, want string }{
		{ask(stranger, "/healthz"), "200 ok"},
		{ask(stranger, "/metrics"), "403 this server wants a certificate"},
		{ask(known, "/metrics"), "200"},
	} {
		if !strings.HasPrefix(one.got, one.want) {
			t.Errorf("got %.100q, want %q", one.got, one.want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
