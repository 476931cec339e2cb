package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// TLS says whether and how a server is reached by TLS, 1.2 or newer. The zero value
// is without.
type TLS struct {
	// Enabled: connections are TLS. Off by default, as the servers are when they
	// come.
	Enabled      bool `koanf:"enabled"`
	Certificates `koanf:",squash"`
}

// Certificates say whom a client trusts, and who it is. The zero value is what the
// system trusts, and nobody.
//
// There is no setting that goes without verifying the server: its certificate, if
// nobody signed it, can stand in CAFile itself.
type Certificates struct {
	// CAFile is a file of the authorities that may have signed a server's
	// certificate, in PEM. The default is empty: those the system trusts.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are the certificate that the client shows, with those
	// between it and its authority, and its key, both in PEM. The default is empty:
	// none is shown, and a server that wants one refuses.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is a name that the server's certificate has to have. The default
	// is empty: the host of the address it is reached at. Set it where that is an
	// address of a balancer or a tunnel, and never for several servers of
	// different names.
	ServerName string `koanf:"server_name"`
}

// Validate reports every fault of the config, which is expected in the section,
// and reads the files.
func (t TLS) Validate(section string) error {
	if !t.Enabled && t != (TLS{}) {
		return fmt.Errorf("%s.enabled is false, and other settings of %[1]s would not be used; set it to true, or drop them", section)
	}
	return t.Certificates.Validate(section)
}

// Validate reports every fault of the config, which is expected in the section,
// and reads the files.
func (c Certificates) Validate(section string) error {
	if err := together(section, c.CertFile, c.KeyFile); err != nil {
		return err
	}
	if _, err := c.names().current(); err != nil {
		return fmt.Errorf("%s.* name files that cannot be used: %w", section, err)
	}
	return nil
}

func (c Certificates) names() names { return names{cert: c.CertFile, key: c.KeyFile, ca: c.CAFile} }

func together(section, cert, key string) error {
	if (cert == "") != (key == "") {
		return fmt.Errorf("%s.cert_file is %q and %[1]s.key_file %[3]q; they go together, set both or neither", section, cert, key)
	}
	return nil
}

// ClientConfig returns the config of one connection, to the server of that host
// name or IP address: the files are looked at now. Ask for another with the next
// connection.
//
// Why not one config for all, with a VerifyConnection that looks up the
// authorities? It would have to skip the verification of its own, and is not told
// the host if that is an IP address.
func (c Certificates) ClientConfig(host string) (*tls.Config, error) {
	m, err := c.names().current()
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(c.ServerName, host), RootCAs: m.pool}
	if m.cert != nil {
		// Shown also to a server that names other authorities: it then says what is
		// wrong, and not that there is none.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.cert, nil }
	}
	return cfg, nil
}

// DialContext connects to a server, by TLS if that is enabled. Clients take it as
// their dialer.
func (t TLS) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if t.Enabled {
		return t.DialTLSContext(ctx, network, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// DialTLSContext connects to a server by TLS, and shakes hands.
func (c Certificates) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := c.ClientConfig(host)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the server ends the connection at once; it may speak no TLS at this port", err)
		}
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", addr, err), conn.Close())
	}
	return secured, nil
}

// Client returns a client for HTTP, by TLS where a URL is https. The caller closes
// its idle connections.
func (c Certificates) Client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialTLSContext: c.DialTLSContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
	}}
}
