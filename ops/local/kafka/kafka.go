// Package kafka runs the Kafka of a local stack: Apache Kafka itself, one node
// that is broker and controller, or franz-go's kfake where there is no Java.
//
// A Broker keeps its address and its data over a Stop or Kill and the Start
// after it, so that clients see a broker that was away, not another one. The
// caller calls Start, Stop and Kill one at a time.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/ops/local/child"
)

// Kind is what speaks Kafka's protocol.
type Kind string

const (
	// Apache is Apache Kafka; it needs Java 17 or newer.
	Apache Kind = "apache"
	// KFake is franz-go's kfake, in this process. It has topics, groups and
	// transactions, but neither Kafka's storage nor its timing.
	KFake Kind = "kfake"
)

// MaxMessageBytes is the largest record the broker takes. It is well above the
// 2 MiB record that a misbehaving device may send, so that it is ingest, not
// the broker, that has to deal with such a record.
const MaxMessageBytes = 16 << 20

// Config says how to run a broker.
type Config struct {
	Kind Kind
	// Dir is its folder: configuration, data and log.
	Dir string
	// Port is the port of the loopback interface it listens on.
	Port int
	// Behind are further listeners of an Apache broker, for clients that have
	// to reach it through something in between.
	Behind []Listener
	// ControllerPort is where an Apache broker's own controller listens.
	ControllerPort int
	// Jars is the folder of Apache Kafka's jars.
	Jars string
	// HeapMiB bounds the Java heap. Default 512: enough for 150 MB/s through
	// 8 partitions; the rest of the memory does more good as page cache.
	HeapMiB int
}

// Listener is a port of the broker that tells its clients of another one: a
// client that bootstraps through a proxy at Advertised stays behind it, where
// the plain listener would send it to the broker itself.
type Listener struct {
	Port       int
	Advertised int
	// Protocol is SSL, SASL_SSL or SASL_PLAINTEXT; the default is PLAINTEXT.
	Protocol string
	// Settings are the listener's own, each key=value.
	Settings []string
}

// Broker is a Kafka broker of this machine.
type Broker struct {
	cfg Config
	// One of the two is set while the broker runs.
	process *child.Process
	fake    *kfake.Cluster
}

// New prepares a broker; Start starts it.
func New(cfg Config) *Broker {
	if cfg.HeapMiB == 0 {
		cfg.HeapMiB = 512
	}
	return &Broker{cfg: cfg}
}

// Addr is the address clients bootstrap from.
func (b *Broker) Addr() string { return child.Loopback(b.cfg.Port) }

// Name is what the broker is, with its version if it is Apache Kafka.
func (b *Broker) Name() string {
	if b.cfg.Kind == Apache {
		return "apache-4.3.1"
	}
	return string(KFake)
}

// Process is the broker's process; nil if it is part of this one or is not
// running.
func (b *Broker) Process() *child.Process { return b.process }

// Start starts the broker and waits until it answers for its topics.
func (b *Broker) Start(ctx context.Context) error {
	if err := os.MkdirAll(b.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("start kafka: %w", err)
	}
	switch b.cfg.Kind {
	case Apache:
		return b.startApache(ctx)
	case KFake:
		if len(b.cfg.Behind) > 0 {
			return errors.New("kfake advertises one address and cannot stand behind a proxy; use --kafka=apache")
		}
		return b.startFake(ctx)
	default:
		return fmt.Errorf("kafka is %q; there are %q and %q", b.cfg.Kind, Apache, KFake)
	}
}

func (b *Broker) startFake(ctx context.Context) error {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(b.cfg.Port),
		// Not the folder of Apache Kafka, which ends over files it does not know:
		// the same state may be run with one and then with the other.
		kfake.DataDir(filepath.Join(b.cfg.Dir, "kfake")),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(MaxMessageBytes)}),
	)
	if err != nil {
		return fmt.Errorf("start kfake on port %d: %w", b.cfg.Port, err)
	}
	if err := b.answers(ctx); err != nil {
		cluster.Close()
		return fmt.Errorf("kfake on port %d does not answer: %w", b.cfg.Port, err)
	}
	b.fake = cluster
	return nil
}

// answers asks for metadata once. What Kafka answers before it has a controller
// has no broker in it.
func (b *Broker) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(response.Brokers) == 0 {
		return errors.New("the broker does not know itself yet")
	}
	return nil
}

// Stop stops the broker in good order.
func (b *Broker) Stop() error {
	if b.fake != nil {
		b.fake.Close()
		b.fake = nil
	}
	if b.process == nil {
		return nil
	}
	err := b.process.Stop()
	b.process = nil
	return err
}

// Kill ends the broker as a power cut would. kfake cannot be killed apart from
// this process, and says so.
func (b *Broker) Kill() error {
	if b.fake != nil {
		return errors.New("kfake runs in this process and cannot be killed alone; use --kafka=apache")
	}
	if b.process == nil {
		return nil
	}
	err := b.process.Kill()
	b.process = nil
	return err
}
