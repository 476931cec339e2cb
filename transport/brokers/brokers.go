// Package brokers is how Kafka's brokers are reached: by TLS, and by SASL as
// whom. Every client of Kafka that the programs have takes its options from here.
package brokers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/oauth2"

	"penstock/transport"
)

// Security is how clients and brokers know each other: settings of the section
// kafka. The zero value is a Kafka that asks nobody.
type Security struct {
	TLS  transport.TLS `koanf:"tls"`
	SASL SASL          `koanf:"sasl"`
}

// Validate reports every fault of the config, which is expected in the section
// kafka.
func (s Security) Validate() error {
	return errors.Join(s.TLS.Validate("kafka.tls"), s.SASL.validate(s.TLS.Enabled))
}

// dialTimeout bounds a connection attempt and its handshake, as the client does
// that has no dialer of ours.
const dialTimeout = 10 * time.Second

// Options are those of a client. The config must be valid.
func (s Security) Options() []kgo.Opt {
	opts := []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return s.TLS.DialContext(ctx, network, addr)
	})}
	if m := s.SASL.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

// Explain returns err as [transport.Refused], with what mends it, if client and
// brokers do not let each other in; any other error as it is.
func (s Security) Explain(err error) error {
	refused := func(remedy string, renewable bool) error {
		return &transport.Refused{Err: fmt.Errorf("%w; %s", err, remedy), Renewable: renewable}
	}
	var token *oauth2.RetrieveError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &token) && token.Response.StatusCode < 500:
		return refused("correct kafka.sasl.oauth.client_id and kafka.sasl.oauth.client_secret, or what they may have a token for", s.SASL.OAuth.ClientSecret.Renewable())
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return refused(s.SASL.remedy(), s.SASL.renewable())
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return refused(fmt.Sprintf("kafka.sasl.mechanism is %q, which the brokers do not have at this port", s.SASL.Mechanism), false)
	case !s.TLS.Enabled && strings.Contains(err.Error(), "tls alert record"): // the client's own guess, which has no type
		return refused("the brokers speak TLS at this port: set kafka.tls.enabled to true, or correct the address", false)
	}
	return transport.Explain("kafka.tls", err)
}
