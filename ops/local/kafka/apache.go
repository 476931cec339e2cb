package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"penstock/ops/local/child"
)

// properties is the broker's server.properties.
func (c Config) properties() string {
	listeners, advertised, protocols, settings := c.listeners()
	return fmt.Sprintf(`# Written at every start of the local stack; changes do not last.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[1]d
listeners=%[2]s,CONTROLLER://127.0.0.1:%[1]d
advertised.listeners=%[3]s
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=%[4]s,CONTROLLER:PLAINTEXT
log.dirs=%[5]s

# A topic that is misspelt is an error here, as it should be in production.
auto.create.topics.enable=false
message.max.bytes=%[6]d

# One node cannot replicate.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# 8 instead of 50 partitions for internal topics: each costs files and time at
# every start.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
share.coordinator.state.topic.num.partitions=8

# A group starts with its first member instead of 3 s later.
group.initial.rebalance.delay.ms=0

# A broker that was killed is taken back 4 s after its last heartbeat, not 9.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500

# Tests of crashes ask for shorter sessions than Kafka's least of 6 s.
group.min.session.timeout.ms=1000
%[7]s`, c.ControllerPort, listeners, advertised, protocols, c.data(), MaxMessageBytes, settings)
}

// listeners returns where the broker listens, what it tells clients of that,
// the protocol of each, and lines of what else is set for it.
func (c Config) listeners() (listeners, advertised, protocols, settings string) {
	at := func(name string, port int) string { return name + "://" + child.Loopback(port) }
	listen, tell, speak := []string{at("PLAINTEXT", c.Port)}, []string{at("PLAINTEXT", c.Port)}, []string{"PLAINTEXT:PLAINTEXT"}
	for i, l := range c.Behind {
		name := fmt.Sprintf("BEHIND%d", i+1)
		listen = append(listen, at(name, l.Port))
		tell = append(tell, at(name, l.Advertised))
		speak = append(speak, name+":"+cmp.Or(l.Protocol, "PLAINTEXT"))
		for _, s := range l.Settings {
			settings += "listener.name." + strings.ToLower(name) + "." + s + "\n"
		}
	}
	return strings.Join(listen, ","), strings.Join(tell, ","), strings.Join(speak, ","), settings
}

func (c Config) data() string { return filepath.Join(c.Dir, "data") }

// java is the command line of one of Kafka's programs.
func (c Config) java(class string, args ...string) []string {
	return append([]string{
		"java",
		"-cp", filepath.Join(c.Jars, "*"),
		fmt.Sprintf("-Xmx%dm", c.HeapMiB),
		"-XX:+UseG1GC",
		// Without the optimising compiler, which takes more than it gives back in
		// a broker that lives for minutes: at 20,000 records/s for 40 s the
		// broker used 7-9 CPU-seconds instead of 12.5.
		"-XX:TieredStopAtLevel=1",
		"-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		class,
	}, args...)
}

func (b *Broker) startApache(ctx context.Context) error {
	properties := filepath.Join(b.cfg.Dir, "server.properties")
	if err := os.WriteFile(properties, []byte(b.cfg.properties()), 0o644); err != nil {
		return fmt.Errorf("start kafka: %w", err)
	}
	if err := b.format(ctx, properties); err != nil {
		return fmt.Errorf("format kafka's data folder %s: %w", b.cfg.data(), err)
	}
	process, err := child.Start(child.Spec{
		Name: "kafka",
		Args: b.cfg.java("kafka.Kafka", properties),
		Log:  filepath.Join(b.cfg.Dir, "kafka.log"),
		// Java's own shutdown takes 1-3 s; a slow disk at most this.
		StopTimeout: 20 * time.Second,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("kafka did not answer within a minute"))
	defer cancel()
	if err := process.Await(ctx, b.answers); err != nil {
		return errors.Join(err, process.Kill())
	}
	b.process = process
	return nil
}

// format makes the data folder a cluster's, once; it fails on one that is.
func (b *Broker) format(ctx context.Context, properties string) error {
	_, err := os.Stat(filepath.Join(b.cfg.data(), "meta.properties"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err // nil: formatted in an earlier run
	}
	var id [16]byte
	rand.Read(id[:]) // never fails: it would crash the program
	id[0] &= 0x7f    // or one in 64 would begin with a dash and be taken for an option
	tool, err := child.Start(child.Spec{
		Name: "kafka's storage tool",
		Args: b.cfg.java("kafka.tools.StorageTool", "format",
			"--cluster-id", base64.RawURLEncoding.EncodeToString(id[:]), "--config", properties),
		Log: filepath.Join(b.cfg.Dir, "format.log"),
	})
	if err != nil {
		return err
	}
	return tool.Wait(ctx)
}
