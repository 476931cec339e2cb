package brokers

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"penstock/transport"
	"penstock/transport/transporttest"
)

func TestValidate(t *testing.T) {
	p := transport.NewSecret("p")
	secured := transport.TLS{Enabled: true}
	f := func(s Security, want ...string) {
		t.Helper()
		err := s.Validate()
		if len(want) == 0 && err != nil {
			t.Errorf("%+v: %v", s, err)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %v; want %q", s, err, w)
			}
		}
	}
	f(Security{})
	f(Security{TLS: secured})
	f(Security{SASL: SASL{Mechanism: ScramSHA512, User: "u", Password: p}})
	f(Security{TLS: secured, SASL: SASL{Mechanism: Plain, User: "u", Password: p}})
	f(Security{SASL: SASL{Mechanism: Plain, User: "u", Password: p}}, "kafka.sasl.mechanism is plain and kafka.tls.enabled false")
	f(Security{SASL: SASL{Mechanism: "PLAIN"}}, `kafka.sasl.mechanism is "PLAIN"; want one of [plain`)
	f(Security{SASL: SASL{User: "u", Password: p}}, `kafka.sasl.user is "u" and kafka.sasl.mechanism ""`, "kafka.sasl.password is given and")
	f(Security{SASL: SASL{Mechanism: ScramSHA256}}, `kafka.sasl.user is ""`, "kafka.sasl.password is not given")
	f(Security{SASL: SASL{Mechanism: ScramSHA256, User: "u", Password: transport.SecretFile("nowhere")}}, "kafka.sasl.password_file cannot be used: open nowhere")
	f(Security{TLS: secured, SASL: SASL{Mechanism: OAuthBearer, Token: p, Extensions: []string{"logicalCluster=lkc-1"}}})
	f(Security{TLS: secured, SASL: SASL{Mechanism: OAuthBearer}}, "with 0 of kafka.sasl.token_file and kafka.sasl.oauth.token_url")
	f(Security{TLS: secured, SASL: SASL{Mechanism: OAuthBearer, Token: p, OAuth: OAuth{TokenURL: "https://idp/token", ClientID: "c", ClientSecret: p}}}, "with 2 of")
	f(Security{TLS: secured, SASL: SASL{Mechanism: OAuthBearer, OAuth: OAuth{TokenURL: "http://idp/token"}}}, `token_url is "http://idp/token"`, "kafka.sasl.oauth.client_secret not given")
	f(Security{TLS: secured, SASL: SASL{Mechanism: OAuthBearer, Token: p, OAuth: OAuth{ClientID: "c"}}}, "give kafka.sasl.oauth.token_url")
	f(Security{TLS: secured, SASL: SASL{Mechanism: MSKIAM, Extensions: []string{"a"}}}, "they go with oauthbearer", `has "a"; want name=value`)
	f(Security{TLS: secured, SASL: SASL{Mechanism: MSKIAM}})
	f(Security{SASL: SASL{Mechanism: MSKIAM}}, "kafka.tls.enabled false")
}

// provider gives tokens, numbered, to whoever has its secret.
type provider struct {
	secret string
	lasts  int // s
	given  int
	scope  string
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	w.Header().Set("Content-Type", "application/json")
	if id != "penstock" || secret != p.secret || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error": "invalid_client"}`))
		return
	}
	p.given++
	p.scope = r.FormValue("scope")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("token-", p.given), "token_type": "Bearer", "expires_in": p.lasts})
}

func TestOAuth(t *testing.T) {
	p := &provider{secret: "one", lasts: 3600}
	served := httptest.NewTLSServer(p)
	defer served.Close()
	dir := t.TempDir()
	ca := transporttest.Write(t, filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: served.Certificate().Raw}))
	secret := transporttest.Write(t, filepath.Join(dir, "secret"), []byte("one\n"))
	s := SASL{Mechanism: OAuthBearer, Extensions: []string{"logicalCluster=lkc-1"}, OAuth: OAuth{
		TokenURL: served.URL + "/token", ClientID: "penstock", ClientSecret: transport.SecretFile(secret), Scopes: []string{"kafka"},
		TLS: transport.Certificates{CAFile: ca},
	}}
	m := s.mechanism()
	says := func(want string) {
		t.Helper()
		_, first, err := m.Authenticate(t.Context(), "broker:9093")
		if got := string(first); err != nil || got != "n,,\x01auth=Bearer "+want+"\x01logicalCluster=lkc-1\x01\x01" {
			t.Errorf("it says %q, %v", got, err)
		}
	}
	says("token-1")
	says("token-1")
	if p.scope != "kafka" {
		t.Errorf("asked for the scope %q", p.scope)
	}
	p.lasts = 1 // and is as good as expired
	m = s.mechanism()
	says("token-2")
	says("token-3")
	p.secret = "two"
	refused := func(want string) {
		t.Helper()
		_, _, err := m.Authenticate(t.Context(), "broker:9093")
		var r *transport.Refused
		if err = (Security{SASL: s}).Explain(err); !errors.As(err, &r) || !r.Renewable || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want a refusal with %q", err, want)
		}
	}
	refused("correct kafka.sasl.oauth.client_id and kafka.sasl.oauth.client_secret")
	transporttest.Write(t, secret, []byte("two\n"))
	says("token-4")
	s.OAuth.TLS.CAFile = ""
	m = s.mechanism()
	refused("into kafka.sasl.oauth.tls.ca_file")
}

// A token in a file is read for every authentication.
func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	m := SASL{Mechanism: OAuthBearer, Token: transport.SecretFile(file)}.mechanism()
	for _, token := range []string{"one", "two"} {
		transporttest.Write(t, file, []byte(token))
		if _, first, err := m.Authenticate(t.Context(), "broker:9093"); err != nil || !strings.Contains(string(first), "auth=Bearer "+token+"\x01") {
			t.Errorf("it says %q, %v", first, err)
		}
	}
}

// What brokers have against a token is said.
func TestTokenIsRefused(t *testing.T) {
	s := SASL{Mechanism: OAuthBearer, Token: transport.NewSecret("one")}
	session, _, err := s.mechanism().Authenticate(t.Context(), "broker:9093")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = session.Challenge([]byte(`{"status":"invalid_token"}`))
	var refused *transport.Refused
	if err = (Security{SASL: s}).Explain(err); !errors.As(err, &refused) || !strings.Contains(err.Error(), `{"status":"invalid_token"}; see that the token`) {
		t.Errorf("%v", err)
	}
	if done, _, err := session.Challenge(nil); !done || err != nil {
		t.Errorf("a token that is taken: %v, %v", done, err)
	}
}

// MSK's brokers are nobody's to run: what is held here is that the payload is the
// one AWS describes, with the credentials that the SDK finds.
func TestMSKIAM(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	m := SASL{Mechanism: MSKIAM}.mechanism()
	_, first, err := m.Authenticate(t.Context(), "b-1.fleet.abc.c2.kafka.eu-central-1.amazonaws.com:9098")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(first, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"version": "2020_10_22", "host": "b-1.fleet.abc.c2.kafka.eu-central-1.amazonaws.com", "action": "kafka-cluster:Connect",
		"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-security-token": "session", "x-amz-signedheaders": "host", "user-agent": "penstock",
	} {
		if got[key] != want {
			t.Errorf("%s is %q; want %q", key, got[key], want)
		}
	}
	if !strings.HasPrefix(got["x-amz-credential"], "AKIDEXAMPLE/") || !strings.HasSuffix(got["x-amz-credential"], "/eu-central-1/kafka-cluster/aws4_request") || len(got["x-amz-signature"]) != 64 {
		t.Errorf("signed %v", got)
	}
	if m.Name() != "AWS_MSK_IAM" {
		t.Errorf("the mechanism is called %s", m.Name())
	}
}
