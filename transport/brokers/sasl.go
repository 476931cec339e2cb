package brokers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"penstock/transport"
)

// Mechanism is a way to tell brokers who one is.
type Mechanism string

// The mechanisms. MSKIAM is that of Amazon's MSK: the credentials are those that
// AWS's SDK finds, in the environment, the shared files, the pod's or the
// instance's role.
const (
	Plain       Mechanism = "plain"
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
	OAuthBearer Mechanism = "oauthbearer"
	MSKIAM      Mechanism = "aws-msk-iam"
)

var mechanisms = []Mechanism{Plain, ScramSHA256, ScramSHA512, OAuthBearer, MSKIAM}

// SASL says who a client is to the brokers. Whatever secret it takes is looked up
// for each authentication: when a connection begins, and again when the broker's
// connections.max.reauth.ms are over.
type SASL struct {
	// Mechanism is plain, scram-sha-256, scram-sha-512, oauthbearer or aws-msk-iam.
	// The default is none: brokers that ask nobody, or know clients by kafka.tls.
	Mechanism Mechanism `koanf:"mechanism"`
	// User and Password are for plain and scram.
	User     string           `koanf:"user"`
	Password transport.Secret `koanf:"password"`
	// Token is for oauthbearer, and as a rule token_file: something else keeps it
	// fresh there, such as a service account's projected token.
	Token transport.Secret `koanf:"token"`
	// OAuth has tokens given for oauthbearer, instead of Token.
	OAuth OAuth `koanf:"oauth"`
	// Extensions are what brokers want to be told beside the token, each name=value,
	// such as logicalCluster=lkc-1.
	Extensions []string `koanf:"extensions"`
}

func (s SASL) validate(secured bool) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	known := s.Mechanism == "" || slices.Contains(mechanisms, s.Mechanism)
	check(known, "kafka.sasl.mechanism is %q; want one of %v, or nothing for none", s.Mechanism, mechanisms)
	if !known {
		return errors.Join(errs...)
	}
	byUser := s.Mechanism == Plain || s.Mechanism == ScramSHA256 || s.Mechanism == ScramSHA512
	byToken := s.Mechanism == OAuthBearer
	check(byUser == (s.User != ""), "kafka.sasl.user is %q and kafka.sasl.mechanism %q; a user goes with plain and scram, and these need one", s.User, s.Mechanism)
	check(byUser == s.Password.Given(), "kafka.sasl.password is %s and kafka.sasl.mechanism %q; a password goes with plain and scram, and these need one", given(s.Password.Given()), s.Mechanism)
	sources := 0
	for _, there := range []bool{s.Token.Given(), s.OAuth.TokenURL != ""} {
		if there {
			sources++
		}
	}
	check(byToken == (sources == 1) && sources < 2, "kafka.sasl.mechanism is %q, with %d of kafka.sasl.token_file and kafka.sasl.oauth.token_url; oauthbearer needs one of them, the others none", s.Mechanism, sources)
	check(byToken || len(s.Extensions) == 0, "kafka.sasl.extensions are %q and kafka.sasl.mechanism %q; they go with oauthbearer", s.Extensions, s.Mechanism)
	for _, e := range s.Extensions {
		name, _, ok := strings.Cut(e, "=")
		check(ok && name != "", "kafka.sasl.extensions has %q; want name=value", e)
	}
	// A password, or a token, on a line that anybody reads is nobody's any more.
	check(secured || s.Mechanism != Plain && s.Mechanism != OAuthBearer && s.Mechanism != MSKIAM,
		"kafka.sasl.mechanism is %s and kafka.tls.enabled false; what proves who the node is would be read by anybody on the way: set it to true, or use scram-sha-512", s.Mechanism)
	return errors.Join(append(errs, s.Password.Validate("kafka.sasl.password"), s.Token.Validate("kafka.sasl.token"), s.OAuth.validate())...)
}

func given(there bool) string {
	if there {
		return "given"
	}
	return "not given"
}

// remedy is what a person changes if the brokers do not believe who this is.
func (s SASL) remedy() string {
	switch s.Mechanism {
	case OAuthBearer:
		return "see that the token is one that the brokers take, for their audience, and not expired"
	case MSKIAM:
		return "see that AWS's credentials are the right ones, and may do kafka-cluster:Connect"
	}
	return "correct kafka.sasl.user and kafka.sasl.password, or the user that the brokers know; or kafka.sasl.mechanism"
}

// renewable says whether the brokers may be told something else the next time.
func (s SASL) renewable() bool {
	return s.Password.Renewable() || s.Token.Renewable() || s.OAuth.TokenURL != "" || s.Mechanism == MSKIAM
}

// mechanism returns what the client speaks, nil for nothing.
func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.Password.Reveal()
			return plain.Auth{User: s.User, Pass: password}, err
		})
	case ScramSHA256:
		return scram.Sha256(s.scram)
	case ScramSHA512:
		return scram.Sha512(s.scram)
	case OAuthBearer:
		tokens := s.OAuth.tokens()
		return bearer{oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := s.Token.Reveal()
			if err == nil && tokens != nil {
				token, err = tokens.get(ctx)
			}
			return oauth.Auth{Token: token, Extensions: s.extensions()}, err
		})}
	case MSKIAM:
		return iam()
	}
	return nil
}

func (s SASL) scram(context.Context) (scram.Auth, error) {
	password, err := s.Password.Reveal()
	return scram.Auth{User: s.User, Pass: password}, err
}

func (s SASL) extensions() map[string]string {
	all := map[string]string{}
	for _, e := range s.Extensions {
		name, value, _ := strings.Cut(e, "=")
		all[name] = value
	}
	return all
}
