package transport

import (
	"crypto/tls"
	"fmt"
)

// ServerTLS says how a program serves its own port by TLS, 1.2 or newer. The zero
// value is without.
type ServerTLS struct {
	// CertFile and KeyFile are the certificate that is shown to clients, with those
	// between it and its authority, and its key, both in PEM. The default is empty:
	// no TLS.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ClientCAFile is a file of the authorities that have to have signed a client's
	// certificate, in PEM. The default is empty: clients are asked for none.
	ClientCAFile string `koanf:"client_ca_file"`
}

// Enabled says whether there is TLS.
func (s ServerTLS) Enabled() bool { return s.CertFile != "" }

// Validate reports every fault of the config, which is expected in the section,
// and reads the files.
func (s ServerTLS) Validate(section string) error {
	if err := together(section, s.CertFile, s.KeyFile); err != nil {
		return err
	}
	if !s.Enabled() {
		if s.ClientCAFile != "" {
			return fmt.Errorf("%s.client_ca_file is %q, and without TLS no client shows a certificate; set %[1]s.cert_file and %[1]s.key_file", section, s.ClientCAFile)
		}
		return nil
	}
	if _, err := s.names().current(); err != nil {
		return fmt.Errorf("%s.* name files that cannot be used: %w", section, err)
	}
	return nil
}

func (s ServerTLS) names() names {
	return names{cert: s.CertFile, key: s.KeyFile, ca: s.ClientCAFile}
}

// ServerConfig returns the config of a listener, which looks at the files with
// each connection; nil if there is no TLS. Where there are authorities for clients,
// the second says what becomes of one that shows no certificate:
// [tls.RequireAndVerifyClientCert] turns it away, and with
// [tls.VerifyClientCertIfGiven] whoever answers has to look at its VerifiedChains.
func (s ServerTLS) ServerConfig(clients tls.ClientAuthType) (*tls.Config, error) {
	if !s.Enabled() {
		return nil, nil //nolint:nilnil // no TLS
	}
	now := func() (*tls.Config, error) {
		m, err := s.names().current()
		if err != nil {
			return nil, err
		}
		cfg := &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*m.cert}, NextProtos: []string{"h2", "http/1.1"},
			// A session that is taken up again would be one that an authority
			// vouched for who may be trusted no longer.
			SessionTicketsDisabled: true,
		}
		if m.pool != nil {
			cfg.ClientAuth, cfg.ClientCAs = clients, m.pool
		}
		return cfg, nil
	}
	cfg, err := now()
	if err != nil {
		return nil, err
	}
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return now() }
	return cfg, nil
}
