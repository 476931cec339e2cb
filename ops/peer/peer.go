// Package peer is how one program asks another's admin server: where it is, and
// with what it is let in.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"penstock/transport"
)

// Access is what an admin server wants of who asks it; see ops.Config. The zero
// value is for servers that are on this machine and want nothing.
type Access struct {
	// Token is admin.token of the programs that are asked.
	Token transport.Secret `koanf:"token"`
	// TLS is for programs with admin.tls: its ca_file has to vouch for them, and
	// its certificate is shown to those that want one. Off by default.
	TLS transport.TLS `koanf:"tls"`
}

// Or is the access with this token, unless it has one: programs of one installation
// have the same.
func (a Access) Or(token transport.Secret) Access {
	if !a.Token.Given() {
		a.Token = token
	}
	return a
}

// Validate reports every fault of the config, which is expected in the section.
func (a Access) Validate(section string) error {
	return errors.Join(a.Token.Validate(section+".token"), a.TLS.Validate(section+".tls"))
}

// Client asks admin servers. It may be used by several goroutines.
type Client struct {
	access Access
	http   *http.Client
}

// New returns a client of which a request takes at most that long.
func New(access Access, timeout time.Duration) *Client {
	return &Client{access: access, http: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DialContext: access.TLS.DialContext, DialTLSContext: access.TLS.DialContext},
		// A token is for the server it was given for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Get asks the server at the address, host:port, for a page. The body has to be
// closed, and gives an error past that many bytes. An answer but 200 is an error.
func (c *Client) Get(ctx context.Context, addr, path string, most int64) (io.ReadCloser, error) {
	answer, err := c.do(ctx, http.MethodGet, addr, path)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(refusal(answer), answer.Body.Close())
	}
	return http.MaxBytesReader(nil, answer.Body, most), nil
}

// Post asks the server to do something, and returns what it says of it, of which
// the status is 2xx.
func (c *Client) Post(ctx context.Context, addr, path string) (_ string, err error) {
	answer, err := c.do(ctx, http.MethodPost, addr, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode/100 != 2 {
		return "", refusal(answer)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return strings.TrimSpace(string(text)), err
}

// URL is where the server at the address has a page, for a browser too.
func (c *Client) URL(addr, path string) string {
	if strings.HasPrefix(addr, ":") { // which the dialler takes for this machine, and a browser does not
		addr = "localhost" + addr
	}
	where := url.URL{Scheme: "http", Host: addr, Path: path}
	if c.access.TLS.Enabled {
		where.Scheme = "https"
	}
	return where.String()
}

func (c *Client) do(ctx context.Context, method, addr, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.URL(addr, path), nil)
	if err != nil {
		return nil, err
	}
	if c.access.Token.Given() {
		token, err := c.access.Token.Reveal()
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return c.http.Do(request)
}

func refusal(answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("it answers %s; want its admin.token, or a certificate that its admin.tls.client_ca_file vouches for", answer.Status)
	}
	return fmt.Errorf("it answers %s; is it the admin.addr of one of our programs?", answer.Status)
}

// Addresses returns the addresses that host:port stands for: one for each of the
// host's, as a headless service of Kubernetes has one for each program.
func Addresses(ctx context.Context, server string) ([]string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, fmt.Errorf("%q: %w; want host:port", server, err)
	}
	found, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(found))
	for i, one := range found {
		all[i] = net.JoinHostPort(one.Unmap().String(), port)
	}
	return all, nil
}

// lookup returns a host's addresses of one family: of both it would have each
// program twice.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return net.DefaultResolver.LookupNetIP(ctx, "ip6", host)
	}
	return all, nil
}
