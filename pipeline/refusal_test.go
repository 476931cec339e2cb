package pipeline

import (
	"crypto/x509"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/transport"
	"penstock/transport/brokers"
)

// What a client would repeat in silence is told, and no more than that.
func TestTurnedAway(t *testing.T) {
	var told []string
	cfg := Kafka{Security: brokers.Security{SASL: brokers.SASL{Mechanism: brokers.Plain, User: "node", Password: transport.SecretFile("p")}}}
	hook := turnedAway{cfg, func(err error) { told = append(told, err.Error()) }}
	f := func(err error, want string) {
		t.Helper()
		told = nil
		hook.OnBrokerConnect(kgo.BrokerMetadata{Host: "kafka-1", Port: 9093}, 0, nil, err)
		if want == "" && len(told) > 0 || want != "" && (len(told) != 1 || !strings.HasPrefix(told[0], "broker kafka-1:9093: ") || !strings.Contains(told[0], want)) {
			t.Errorf("%v: told %q; want %q", err, told, want)
		}
	}
	f(nil, "")
	f(io.EOF, "")
	f(x509.UnknownAuthorityError{}, "into kafka.tls.ca_file")
	f(kerr.SaslAuthenticationFailed, "correct kafka.sasl.user and kafka.sasl.password")
}
