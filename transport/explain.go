package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// alerts are what a server says as it ends a handshake, and what mends it. Others
// say nothing about what is wrong on this side.
var alerts = map[tls.AlertError]string{
	40:  "it wants TLS that this program does not offer (1.2 and 1.3), or a certificate: set %s.cert_file",
	42:  "set %s.cert_file and %[1]s.key_file, or correct them", // also Java's word for no certificate
	43:  "correct the certificate of %s.cert_file",
	44:  "renew the certificate of %s.cert_file, which is revoked",
	45:  "renew the certificate of %s.cert_file, which has expired",
	46:  "correct the certificate of %s.cert_file",
	48:  "have %s.cert_file signed by an authority that the server trusts",
	49:  "allow the certificate of %s.cert_file",
	70:  "it has no TLS of 1.2 or newer, which %s needs: upgrade it",
	116: "it wants a certificate: set %s.cert_file and %[1]s.key_file",
}

// Explain returns err as [Refused], with what a person has to change in the settings
// of the section or at the server, if the two do not trust each other's
// certificates. Any other error it returns as it is: what keeps a server from
// being reached may pass.
func Explain(section string, err error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		plain   tls.RecordHeaderError
		remote  *net.OpError
	)
	remedy := ""
	switch {
	case errors.As(err, &unknown):
		remedy = fmt.Sprintf("put the certificate of the authority that signed the server's into %s.ca_file", section)
	case errors.As(err, &name):
		remedy = fmt.Sprintf("correct the address, or set %s.server_name to a name that the server's certificate has", section)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		remedy = "renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &invalid):
		remedy = "give the server another certificate"
	case errors.As(err, &plain):
		remedy = fmt.Sprintf("the server speaks no TLS at this port: correct the address, or set %s.enabled to false", section)
	case errors.As(err, &remote) && remote.Op == "remote error":
		for alert, mend := range alerts {
			if remote.Err.Error() == alert.Error() { // whose type is not exported
				remedy = fmt.Sprintf(mend, section)
			}
		}
	}
	if remedy == "" {
		return err
	}
	return &Refused{Err: fmt.Errorf("%w; %s", err, remedy), Renewable: true}
}
