package brokers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/transport"
	"penstock/transport/transporttest"
)

// cluster is a Kafka behind TLS that wants a certificate and knows one user by each
// mechanism that kfake has.
type cluster struct {
	addrs []string
	trust transport.TLS // that gets in
}

const password = "correct-horse"

func newCluster(t *testing.T) cluster {
	t.Helper()
	authority, dir := transporttest.NewAuthority(t, "brokers"), t.TempDir()
	file := func(name string, text []byte) string {
		return transporttest.Write(t, filepath.Join(dir, name), text)
	}
	ca := file("ca.pem", authority.PEM())
	broker, client := authority.Sign(t, "broker", time.Hour, "127.0.0.1"), authority.Sign(t, "node", time.Hour)
	server := transport.ServerTLS{CertFile: file("broker.pem", broker.Cert), KeyFile: file("broker.key", broker.Key), ClientCAFile: ca}
	cfg, err := server.ServerConfig(tls.RequireAndVerifyClientCert)
	if err != nil {
		t.Fatal(err)
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "telemetry"), kfake.EnableSASL(), kfake.TLS(cfg)}
	for _, method := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		opts = append(opts, kfake.Superuser(method, "node", password))
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return cluster{addrs: fake.ListenAddrs(), trust: transport.TLS{Enabled: true, Certificates: transport.Certificates{
		CAFile: ca, CertFile: file("node.pem", client.Cert), KeyFile: file("node.key", client.Key),
	}}}
}

// reach has a client ask the brokers something.
func (c cluster) reach(ctx context.Context, s Security) error {
	client, err := kgo.NewClient(append(s.Options(), kgo.SeedBrokers(c.addrs...), kgo.RetryTimeout(time.Second))...)
	if err != nil {
		return err
	}
	defer client.Close()
	return s.Explain(client.Ping(ctx))
}

func TestClient(t *testing.T) {
	c := newCluster(t)
	f := func(name string, change func(*Security), want string, renewable bool) {
		t.Helper()
		s := Security{TLS: c.trust, SASL: SASL{Mechanism: Plain, User: "node", Password: transport.NewSecret(password)}}
		change(&s)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := c.reach(ctx, s)
		var refused *transport.Refused
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want == "":
		case !errors.As(err, &refused) || refused.Renewable != renewable || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v; want a refusal with %q, renewable: %v", name, err, want, renewable)
		case strings.Contains(err.Error(), password):
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
	for _, m := range []Mechanism{Plain, ScramSHA256, ScramSHA512} {
		f(string(m), func(s *Security) { s.SASL.Mechanism = m }, "", false)
	}
	file := transporttest.Write(t, filepath.Join(t.TempDir(), "password"), []byte(password+"\n"))
	f("password in a file", func(s *Security) { s.SASL.Password = transport.SecretFile(file) }, "", true)
	f("a mechanism that they do not have", func(s *Security) { s.SASL = SASL{Mechanism: OAuthBearer, Token: transport.NewSecret("t")} },
		`kafka.sasl.mechanism is "oauthbearer"`, false)
	f("authorities of the system", func(s *Security) { s.TLS.CAFile = "" }, "into kafka.tls.ca_file", true)
	f("without a certificate", func(s *Security) { s.TLS.CertFile, s.TLS.KeyFile = "", "" }, "set kafka.tls.cert_file", true)
}

// kfake hangs up where Kafka answers, so what Kafka says is said here; on Kafka
// itself it is tested with the whole node.
func TestExplain(t *testing.T) {
	f := func(s SASL, err error, want string, renewable bool) {
		t.Helper()
		var refused *transport.Refused
		got := Security{SASL: s}.Explain(fmt.Errorf("metadata: %w", err))
		if !errors.As(got, &refused) || refused.Renewable != renewable || !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %v; want a refusal with %q, renewable: %v", err, got, want, renewable)
		}
	}
	p, file := transport.NewSecret("p"), transport.SecretFile("p")
	f(SASL{Mechanism: Plain, User: "u", Password: p}, kerr.SaslAuthenticationFailed, "correct kafka.sasl.user and kafka.sasl.password", false)
	f(SASL{Mechanism: ScramSHA512, User: "u", Password: file}, kerr.SaslAuthenticationFailed, "correct kafka.sasl.user and kafka.sasl.password", true)
	f(SASL{Mechanism: OAuthBearer, Token: p}, kerr.SaslAuthenticationFailed, "see that the token", false)
	f(SASL{Mechanism: OAuthBearer, Token: file}, kerr.SaslAuthenticationFailed, "see that the token", true)
	f(SASL{Mechanism: MSKIAM}, kerr.SaslAuthenticationFailed, "kafka-cluster:Connect", true)
	f(SASL{}, errors.New("invalid large response size 352518912 > limit 104857600; the first three bytes received appear to be a tls alert record for TLS v1.2"), "set kafka.tls.enabled to true", false)
	for _, err := range []error{io.EOF, context.DeadlineExceeded, kerr.TopicAuthorizationFailed} {
		if got := (Security{}).Explain(err); got.Error() != err.Error() {
			t.Errorf("%v is explained: %v", err, got)
		}
	}
}

// A client lives on while its password and its certificate are replaced, and uses
// the new ones with its next connection.
func TestClientOutlivesItsCredentials(t *testing.T) {
	c := newCluster(t)
	file := transporttest.Write(t, filepath.Join(t.TempDir(), "password"), []byte(password))
	s := Security{TLS: c.trust, SASL: SASL{Mechanism: Plain, User: "node", Password: transport.SecretFile(file)}}
	conns := make(chan net.Conn, 100)
	client, err := kgo.NewClient(append(s.Options(), kgo.SeedBrokers(c.addrs...), kgo.WithHooks(connected(conns)))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := func(want bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := client.Ping(ctx); (err == nil) != want {
			t.Fatalf("asked: %v; want %v", err, want)
		}
	}
	cut := func() {
		t.Helper()
		for len(conns) > 0 {
			_ = (<-conns).Close()
		}
	}
	ask(true)
	transporttest.Write(t, file, []byte("another"))
	ask(true) // by the connection that stands
	cut()
	ask(false)
	transporttest.Write(t, file, []byte(password))
	ask(true)
}

type connected chan net.Conn

func (c connected) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, conn net.Conn, err error) {
	if err == nil {
		c <- conn
	}
}
