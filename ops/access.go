package ops

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"slices"

	"penstock/transport"
)

// guard lets requests in: each has the token or a certificate, or is for a path
// that is open to all. A server that wants neither is on this machine's loopback
// interface, and lets in who is on the machine.
type guard struct {
	token transport.Secret
	certs bool // clients may show a certificate
	open  []string
}

func (c Config) guard() guard {
	return guard{token: c.Token, certs: c.TLS.ClientCAFile != "", open: c.Open}
}

// wrap returns a handler for those who are let in.
func (g guard) wrap(next http.Handler) http.Handler {
	// A page of somebody else's in an operator's browser may ask for nothing that
	// does something, with the operator's rights.
	own := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why, status := g.refuse(r)
		switch status {
		case 0:
			own.ServeHTTP(w, r)
			return
		case http.StatusUnauthorized:
			// By it a browser asks for a name, which may be any, and a password.
			w.Header().Set("WWW-Authenticate", `Basic realm="penstock: any name, and the token as password", charset="UTF-8"`)
		}
		http.Error(w, why, status)
	})
}

// refuse returns why the request is not let in, and the status that says so; 0 if
// it is.
func (g guard) refuse(r *http.Request) (why string, status int) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case reads && slices.Contains(g.open, r.URL.Path):
		return "", 0
	case g.certs && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return "", 0
	case g.token.Given():
		want, err := g.token.Reveal()
		if err != nil {
			return fmt.Sprintf("the token this server wants cannot be read: %v", err), http.StatusInternalServerError
		}
		if !sameSecret(given(r), want) {
			return "this server wants its token: Authorization: Bearer ..., or as the password of any user", http.StatusUnauthorized
		}
		return "", 0
	case g.certs:
		return "this server wants a certificate that its admin.tls.client_ca_file vouches for", http.StatusForbidden
	case !isLoopback(r.Host):
		// A page that has its own name resolve to this machine would read it all.
		return fmt.Sprintf("asked for as %q; without a token this server is for this machine: ask for localhost", r.Host), http.StatusForbidden
	}
	return "", 0
}

// given returns the token of a request, "" for none.
func given(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	const scheme = "Bearer "
	if h := r.Header.Get("Authorization"); len(h) > len(scheme) && h[:len(scheme)] == scheme {
		return h[len(scheme):]
	}
	return ""
}

func sameSecret(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// isLoopback says whether the address, with or without a port, is reached from
// this machine only. Of names only localhost is known not to change.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost"
}
