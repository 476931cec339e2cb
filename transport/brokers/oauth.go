package brokers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"penstock/transport"
)

// OAuth has an identity provider give tokens for an id and a secret of the
// program's own (the client-credentials grant of RFC 6749).
type OAuth struct {
	// TokenURL is where tokens are given, such as
	// https://login.example.com/oauth2/token. The default is none.
	TokenURL     string           `koanf:"token_url"`
	ClientID     string           `koanf:"client_id"`
	ClientSecret transport.Secret `koanf:"client_secret"`
	// Scopes are what the token is asked for. The default is none: what the
	// provider gives by itself.
	Scopes []string `koanf:"scopes"`
	// TLS is for the provider.
	TLS transport.Certificates `koanf:"tls"`
}

func (o OAuth) validate() error {
	var errs []error
	if o.TokenURL == "" {
		if o.ClientID != "" || o.ClientSecret.Given() || len(o.Scopes) > 0 || o.TLS != (transport.Certificates{}) {
			return errors.New("kafka.sasl.oauth has settings and no token_url; give kafka.sasl.oauth.token_url, or drop them")
		}
		return nil
	}
	if u, err := url.Parse(o.TokenURL); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("kafka.sasl.oauth.token_url is %q; want one such as https://login.example.com/oauth2/token", o.TokenURL))
	}
	if o.ClientID == "" || !o.ClientSecret.Given() {
		errs = append(errs, fmt.Errorf("kafka.sasl.oauth.client_id is %q and kafka.sasl.oauth.client_secret %s; both are needed", o.ClientID, given(o.ClientSecret.Given())))
	}
	return errors.Join(append(errs, o.ClientSecret.Validate("kafka.sasl.oauth.client_secret"), o.TLS.Validate("kafka.sasl.oauth.tls"))...)
}

// bearer is the mechanism by tokens, but that it says what brokers have against a
// token: they send it in place of a challenge.
type bearer struct{ sasl.Mechanism }

// Authenticate implements [sasl.Mechanism].
func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := b.Mechanism.Authenticate(ctx, host)
	return verdict{session}, first, err
}

type verdict struct{ sasl.Session }

// Challenge implements [sasl.Session].
func (v verdict) Challenge(said []byte) (done bool, _ []byte, _ error) {
	if len(said) > 0 {
		return false, nil, fmt.Errorf("%w: %s", kerr.SaslAuthenticationFailed, said)
	}
	return v.Session.Challenge(said)
}

// tokenTimeout bounds the wait for a token.
const tokenTimeout = 10 * time.Second

// tokens has a token that is used until it expires: each connection to a broker
// needs one.
type tokens struct {
	of OAuth

	mu   sync.Mutex // guards what follows
	last *oauth2.Token
}

// tokens returns nil if nobody gives any.
func (o OAuth) tokens() *tokens {
	if o.TokenURL == "" {
		return nil
	}
	return &tokens{of: o}
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.Valid() {
		return t.last.AccessToken, nil
	}
	secret, err := t.of.ClientSecret.Reveal()
	if err != nil {
		return "", err
	}
	client := t.of.TLS.Client(tokenTimeout)
	defer client.CloseIdleConnections()
	ask := clientcredentials.Config{ClientID: t.of.ClientID, ClientSecret: secret, TokenURL: t.of.TokenURL, Scopes: t.of.Scopes}
	token, err := ask.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return "", transport.Explain("kafka.sasl.oauth.tls", fmt.Errorf("token of %s: %w", t.of.TokenURL, err))
	}
	t.last = token
	return token.AccessToken, nil
}
