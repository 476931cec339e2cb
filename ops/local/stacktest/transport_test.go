package stacktest

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/ops/local/proxy"
	"penstock/schema"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
	"penstock/transport"
)

// TestTransport has nodes reach Kafka and ClickHouse by TLS in every way there is,
// replaces what they are known by while they run, and gives them what is wrong.
func TestTransport(t *testing.T) {
	s := startSecured(t)
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		s.scram(t, "node", m, scramPassword)
	}
	t.Run("ways", func(t *testing.T) {
		t.Run("in", func(t *testing.T) { t.Parallel(); testWaysIn(t, s) })
		t.Run("refusals", func(t *testing.T) { t.Parallel(); testRefusals(t, s) })
		t.Run("password", func(t *testing.T) { t.Parallel(); testPasswordIsReplaced(t, s) })
		t.Run("others", func(t *testing.T) { t.Parallel(); testOtherPrograms(t, s) })
	})
	// It cuts connections, which are not only its own.
	t.Run("certificate", func(t *testing.T) { testCertificateExpires(t, s) })
}

// testWaysIn moves events with each mechanism.
func testWaysIn(t *testing.T, s *secured) {
	tokens := s.file(t, "token", token(time.Hour))
	cert, key := s.pair(t, "kafka-client", s.clients, time.Hour)
	password := s.file(t, "scram.password", []byte(scramPassword))
	for name, sasl := range map[string][]string{
		"plain":    {"kafka.sasl.mechanism=plain", "kafka.sasl.user=node", "kafka.sasl.password=" + plainPassword},
		"scram256": {"kafka.sasl.mechanism=scram-sha-256", "kafka.sasl.user=node", "kafka.sasl.password_file=" + password},
		"scram512": {"kafka.sasl.mechanism=scram-sha-512", "kafka.sasl.user=node", "kafka.sasl.password_file=" + password},
		"oauth":    {"kafka.sasl.mechanism=oauthbearer", "kafka.sasl.token_file=" + tokens},
		"mtls":     {"kafka.brokers=" + s.byCert.Addr(), "kafka.tls.cert_file=" + cert, "kafka.tls.key_file=" + key},
	} {
		set := s.settings(t, name, s.bySASL, sasl...)
		send := s.moves(t, name, set)
		node := s.start(t, set)
		send()
		node.stop(t)
	}
}

// testRefusals: a node that cannot get in says what to change, and ends.
func testRefusals(t *testing.T, s *secured) {
	others := s.file(t, "clients-as-servers.pem", s.clients.PEM())
	right := s.file(t, "plain.password", []byte(plainPassword))
	f := func(name, want string, more ...string) {
		t.Helper()
		set := []string{"kafka.sasl.mechanism=plain", "kafka.sasl.user=node", "kafka.sasl.password_file=" + right}
		refused(t, name, want, s.start(t, s.settings(t, "refused", s.bySASL, append(set, more...)...)))
	}
	wrong := s.file(t, "wrong.password", []byte(nobodys))
	f("another password", "correct kafka.sasl.user and kafka.sasl.password", "kafka.sasl.password_file="+wrong)
	f("another password by scram", "correct kafka.sasl.user and kafka.sasl.password", "kafka.sasl.mechanism=scram-sha-512", "kafka.sasl.password_file="+wrong)
	f("authorities of others", "put the certificate of the authority that signed the server's into kafka.tls.ca_file", "kafka.tls.ca_file="+others)
	f("another name", "set kafka.tls.server_name to a name that the server's certificate has", "kafka.tls.server_name=kafka.example.com")
	f("no TLS", "set kafka.tls.enabled to true", "kafka.tls.enabled=false", "kafka.tls.ca_file=", "kafka.sasl.mechanism=scram-sha-512")
	f("another password of ClickHouse", "correct clickhouse.user and clickhouse.password", "clickhouse.password_file="+wrong)
	f("authorities of others at ClickHouse", "into clickhouse.tls.ca_file", "clickhouse.tls.ca_file="+others)
	f("no certificate for ClickHouse", "set clickhouse.tls.cert_file", "clickhouse.tls.cert_file=", "clickhouse.tls.key_file=")
	without := func(name, want string, by *proxy.Proxy, more ...string) {
		t.Helper()
		refused(t, name, want, s.start(t, s.settings(t, "refused", by, more...)))
	}
	without("no certificate", "set kafka.tls.cert_file", s.byCert)
	without("an old token", "see that the token is one that the brokers take", s.bySASL, "kafka.sasl.mechanism=oauthbearer", "kafka.sasl.token_file="+s.file(t, "old-token", token(-time.Hour)))
}

// refused waits until the node has ended.
func refused(t *testing.T, name, want string, node *ran) {
	t.Helper()
	select {
	case err := <-node.ended:
		if said := node.said(t); err == nil || !strings.Contains(said, want) {
			t.Errorf("%s: it ended with %v and said\n%s\nwant %q", name, err, said, want)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("%s: it goes on, and says\n%s", name, node.said(t))
		if err := node.Process.Kill(); err != nil {
			t.Error(err)
		}
		t.Logf("%s: it is ended: %v", name, <-node.ended)
	}
	noSecret(t, node.said(t))
}

// testPasswordIsReplaced: Kafka has another password for the node before the node
// has it, which waits for it, and goes on with it.
func testPasswordIsReplaced(t *testing.T, s *secured) {
	// A user of its own: others are being tested.
	file := s.file(t, "replaced.sasl", []byte(scramPassword))
	s.scram(t, "replaced", kadm.ScramSha512, scramPassword)
	set := s.settings(t, "replaced", s.bySASL, "kafka.sasl.mechanism=scram-sha-512", "kafka.sasl.user=replaced", "kafka.sasl.password_file="+file)
	send := s.moves(t, "replaced", set)
	node := s.start(t, set)
	defer node.stop(t)
	send()
	s.scram(t, "replaced", kadm.ScramSha512, scramPassword+"-2")
	node.says(t, "correct kafka.sasl.user and kafka.sasl.password")
	s.file(t, "replaced.sasl", []byte(scramPassword+"-2"))
	send()
}

// testOtherPrograms: what else reaches them does so in the same way.
func testOtherPrograms(t *testing.T, s *secured) {
	at := s.Addresses().ClickHouse
	set := s.settings(t, "others", s.bySASL, "kafka.sasl.mechanism=plain", "kafka.sasl.user=node", "kafka.sasl.password="+plainPassword)
	send := s.moves(t, "others", set)
	node := s.start(t, set)
	send()
	node.stop(t)
	for _, command := range [][]string{{"check"}, {"audit", "--from", "1h"}, {"dlq", "ls", "--from", "1h"}} {
		out, err := exec.CommandContext(t.Context(), s.ingest, append(command, set...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", command, err, out)
		}
		noSecret(t, string(out))
	}
	load := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(s.ingest), "loadtest"), "preload", "--brokers", s.bySASL.Addr(), "--topic", "others", "--count", "100",
		"--kafka-tls-enabled", "--kafka-tls-ca-file", filepath.Join(s.dir, "servers.pem"), "--kafka-sasl-mechanism", "scram-sha-512", "--kafka-sasl-user", "node")
	load.Env = append(load.Environ(), "PENSTOCK_LOADTEST_KAFKA_SASL_PASSWORD="+scramPassword)
	if out, err := load.CombinedOutput(); err != nil {
		t.Errorf("loadtest: %v\n%s", err, out)
	}

	trust := transport.TLS{Enabled: true, Certificates: transport.Certificates{CAFile: filepath.Join(s.dir, "servers.pem"),
		CertFile: filepath.Join(s.dir, "others.pem"), KeyFile: filepath.Join(s.dir, "others.key")}}
	c := warehouse.Default()
	c.Addr, c.User, c.Password, c.TLS, c.Database = s.toClicks.Addr(), at.User, transport.NewSecret(at.Password), trust, "others"
	w, err := warehouse.Open(t.Context(), c, store.DefaultS3Config(), schema.Telemetry())
	if err != nil {
		t.Fatal(err)
	}
	days, err := w.SealedParts(t.Context(), 0) // by the other library
	if err != nil || len(days) != 0 {
		t.Errorf("sealed parts %v, %v", days, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}

	client := trust.Client(10 * time.Second)
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + s.https + "/ping")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}

// testCertificateExpires: the certificate of a node ends while it runs. The node
// stays, is let in again with the next one, and stores everything.
func testCertificateExpires(t *testing.T, s *secured) {
	const lasts = 12 * time.Second
	cert, key := s.pair(t, "short", s.clients, lasts)
	ends := time.After(lasts + time.Second)
	set := s.settings(t, "expires", s.byCert, "kafka.tls.cert_file="+cert, "kafka.tls.key_file="+key, "clickhouse.tls.cert_file="+cert, "clickhouse.tls.key_file="+key)
	send := s.moves(t, "expires", set)
	node := s.start(t, set)
	defer node.stop(t)
	send()
	<-ends
	s.cut()
	node.says(t, "kafka.tls.cert_file")
	next := s.clients.Sign(t, "short", time.Hour)
	s.file(t, "short.pem", next.Cert)
	node.says(t, "certificates cannot be used as they are")
	s.file(t, "short.key", next.Key)
	send()
	node.says(t, "certificates were replaced")
}
