package stacktest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
	"penstock/ops/local/kafka"
	"penstock/ops/local/proxy"
	"penstock/ops/local/stack"
	"penstock/transport/transporttest"
)

// secured is a stack whose Kafka and ClickHouse are reached by TLS alone, through
// proxies that can cut every connection, and the files of whoever reaches them.
type secured struct {
	*stack.Stack
	dir, ingest string
	kafka       *kgo.Client // by the plain listener
	admin       *kadm.Client

	servers  *transporttest.Authority // of both servers
	clients  *transporttest.Authority // of those that Kafka and ClickHouse let in
	bySASL   *proxy.Proxy             // to Kafka's listener that wants SASL
	byCert   *proxy.Proxy             // to Kafka's listener that wants a certificate
	toClicks *proxy.Proxy             // to ClickHouse, which wants a certificate
	https    string
}

// The passwords of the test are unlike anything else, so that they are found
// wherever they are printed.
const (
	plainPassword = "plain-hunter2"
	scramPassword = "scram-hunter2"
	nobodys       = "nobodys-hunter2"
)

const reauthenticate = 3 * time.Second

func startSecured(t *testing.T) *secured {
	t.Helper()
	if err := kafka.FindJava(t.Context()); err != nil {
		t.Skip(err) // kfake answers a wrong password with silence
	}
	s := &secured{
		dir: t.TempDir(), ingest: filepath.Join(products(t), "ingest"),
		servers: transporttest.NewAuthority(t, "servers"), clients: transporttest.NewAuthority(t, "clients"),
	}
	server := s.servers.Sign(t, "server", time.Hour, "127.0.0.1")
	s.file(t, "servers.pem", s.servers.PEM())
	s.file(t, "clients.pem", s.clients.PEM())
	s.file(t, "server.pem", server.Cert)
	s.file(t, "server.key", server.Key)
	s.file(t, "broker.pem", append(server.Key, server.Cert...))

	ports := map[string]int{}
	for _, name := range []string{"sasl", "cert", "native", "https"} {
		ports[name] = freePort(t)
	}
	through := func(name string) *proxy.Proxy {
		p, err := proxy.Listen(name, freePort(t), child.Loopback(ports[name]))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	s.bySASL, s.byCert, s.toClicks = through("sasl"), through("cert"), through("native")
	s.https = child.Loopback(ports["https"])

	cfg := config(t, kafka.Apache)
	cfg.WithoutS3 = true
	store := []string{"ssl.keystore.type=PEM", "ssl.keystore.location=" + filepath.Join(s.dir, "broker.pem")}
	cfg.KafkaBehind = []kafka.Listener{
		{Port: ports["sasl"], Advertised: portOf(t, s.bySASL.Addr()), Protocol: "SASL_SSL", Settings: append([]string{
			"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
			fmt.Sprintf("connections.max.reauth.ms=%d", reauthenticate.Milliseconds()),
			"plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_node=\"" + plainPassword + "\";",
			"scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
			"scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
			"oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"kafka\";",
		}, store...)},
		{Port: ports["cert"], Advertised: portOf(t, s.byCert.Addr()), Protocol: "SSL", Settings: append([]string{
			"ssl.client.auth=required", "ssl.truststore.type=PEM", "ssl.truststore.location=" + filepath.Join(s.dir, "clients.pem"),
		}, store...)},
	}
	cfg.ClickHouse = append(cfg.ClickHouse, "--tcp-secure", child.Loopback(ports["native"]), "--http-secure", s.https,
		"--tls-cert", filepath.Join(s.dir, "server.pem"), "--tls-key", filepath.Join(s.dir, "server.key"), "--tls-client-ca", filepath.Join(s.dir, "clients.pem"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var err error
	if s.Stack, err = stack.Start(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.kafka = kafkaClient(t, s.Addresses())
	s.admin = kadm.NewClient(s.kafka)
	return s
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return at.Port
}

// file writes a file of the test's folder, at once, and returns its path.
func (s *secured) file(t *testing.T, name string, text []byte) string {
	t.Helper()
	return transporttest.Write(t, filepath.Join(s.dir, name), text)
}

// pair writes a certificate for a client, and its key.
func (s *secured) pair(t *testing.T, name string, by *transporttest.Authority, lasts time.Duration) (cert, key string) {
	t.Helper()
	p := by.Sign(t, name, lasts)
	return s.file(t, name+".pem", p.Cert), s.file(t, name+".key", p.Key)
}

// scram has Kafka know a user by this password.
func (s *secured) scram(t *testing.T, user string, mechanism kadm.ScramMechanism, password string) {
	t.Helper()
	altered, err := s.admin.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// token is a token of the kind that Kafka takes from anybody.
func token(lasts time.Duration) []byte {
	claims := fmt.Sprintf(`{"sub":"node","iat":%d,"exp":%d}`, time.Now().Unix(), time.Now().Add(lasts).Unix())
	return []byte(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".")
}

// settings are those of a node with tables and a topic of its own, by one of the
// proxies to Kafka; more of them override it.
func (s *secured) settings(t *testing.T, name string, by *proxy.Proxy, more ...string) (set []string) {
	t.Helper()
	cert, key := s.pair(t, name, s.clients, time.Hour)
	at := s.Addresses().ClickHouse
	all := append([]string{
		"kafka.brokers=" + by.Addr(), "kafka.topic=" + name, "kafka.group=" + name,
		"kafka.tls.enabled=true", "kafka.tls.ca_file=" + filepath.Join(s.dir, "servers.pem"),
		"clickhouse.addr=" + s.toClicks.Addr(), "clickhouse.user=" + at.User, "clickhouse.database=" + name,
		"clickhouse.password_file=" + s.file(t, name+".password", []byte(at.Password+"\n")),
		"clickhouse.tls.enabled=true", "clickhouse.tls.ca_file=" + filepath.Join(s.dir, "servers.pem"),
		"clickhouse.tls.cert_file=" + cert, "clickhouse.tls.key_file=" + key,
		"admin.addr=", "lanes=1",
	}, more...)
	for _, one := range all {
		set = append(set, "--set", one)
	}
	return set
}

// ran is a program that runs, and what it wrote.
type ran struct {
	*exec.Cmd
	log   string // path
	ended chan error
}

func (s *secured) start(t *testing.T, set []string) *ran {
	t.Helper()
	log, err := os.CreateTemp(s.dir, "log")
	if err != nil {
		t.Fatal(err)
	}
	r := &ran{Cmd: exec.Command(s.ingest, append([]string{"run"}, set...)...), log: log.Name(), ended: make(chan error, 1)}
	r.Stdout, r.Stderr = log, log
	if err := errors.Join(r.Start(), log.Close()); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.Wait() }()
	return r
}

func (r *ran) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// says waits until the program has said something.
func (r *ran) says(t *testing.T, what string) {
	t.Helper()
	eventually(t, "word of "+what, func() error {
		if !strings.Contains(r.said(t), what) {
			return errors.New(r.said(t))
		}
		return nil
	})
}

// stop ends the program in order.
func (r *ran) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(r.Process.Signal(syscall.SIGTERM), <-r.ended); err != nil {
		t.Errorf("%v\n%s", err, r.said(t))
	}
	noSecret(t, r.said(t))
}

func noSecret(t *testing.T, said string) {
	t.Helper()
	if strings.Contains(said, "hunter2") {
		t.Errorf("a secret is in what it says:\n%s", said)
	}
}

// moves creates topic and tables and returns what sends a record and waits until
// all that were sent are stored.
func (s *secured) moves(t *testing.T, name string, set []string) (send func()) {
	t.Helper()
	if _, err := s.admin.CreateTopic(t.Context(), 2, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), s.ingest, append([]string{"migrate"}, set...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	noSecret(t, string(out))
	conn, sent := clickHouseClient(t, s.Addresses()), 0
	return func() {
		t.Helper()
		for device := range 10 {
			value := reading(device, sent, time.Now())
			if err := s.kafka.ProduceSync(t.Context(), &kgo.Record{Topic: name, Key: fmt.Appendf(nil, "device-%d", device), Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		eventually(t, "row for each record", func() error {
			var rows uint64
			err := conn.QueryRow(t.Context(), "SELECT count() FROM "+name+".telemetry").Scan(&rows)
			if err == nil && rows != uint64(sent) {
				err = fmt.Errorf("%d of %d", rows, sent)
			}
			return err
		})
	}
}

// cut ends every connection.
func (s *secured) cut() {
	for _, p := range []*proxy.Proxy{s.bySASL, s.byCert, s.toClicks} {
		p.Cut()
	}
}
