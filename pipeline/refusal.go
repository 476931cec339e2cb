package pipeline

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/transport"
)

// fateOfRefusal is fateOf for a server that does not let the node in any more, or
// that the node does not trust. It did when the node started: what can be renewed
// while the node runs is waited for.
func fateOfRefusal(err error) (f fate, refused bool) {
	var r *transport.Refused
	switch {
	case !errors.As(err, &r):
		return retry, false
	case r.Renewable:
		return retry, true
	}
	return stop, true
}

// turnedAway is told by the Kafka client of every connection that comes to nothing,
// and tells whoever watches if that is because node and broker do not let each other
// in. The client alone would try again in silence for as long as it is turned away.
type turnedAway struct {
	cfg  Kafka
	tell func(error)
}

var _ kgo.HookBrokerConnect = turnedAway{}

// OnBrokerConnect implements [kgo.HookBrokerConnect].
func (t turnedAway) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err = t.cfg.Explain(err); err == nil {
		return
	}
	if _, refused := fateOfRefusal(err); refused {
		t.tell(fmt.Errorf("broker %s: %w", net.JoinHostPort(broker.Host, fmt.Sprint(broker.Port)), err))
	}
}
