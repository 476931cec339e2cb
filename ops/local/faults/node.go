package faults

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"penstock/failpoint"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/proxy"
)

// slot is the place of a node in the network: its own way to Kafka and its own
// to ClickHouse, so that a fault can hit one node. It outlives rounds.
type slot struct {
	number int
	// listener is Kafka's for this slot: it advertises the proxy.
	listener          kafka.Listener
	kafka, clickHouse *proxy.Proxy

	requests proxy.Requests
	inserts  proxy.Inserts
	answers  proxy.Answers
}

// newSlot takes the ports of a slot; open opens it once they are known to Kafka.
func newSlot(number int) (*slot, error) {
	s := &slot{number: number}
	for _, port := range []*int{&s.listener.Port, &s.listener.Advertised} {
		var err error
		if *port, err = child.FreePort(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *slot) open(clickHouse string) (err error) {
	s.kafka, err = proxy.Listen(fmt.Sprintf("kafka-%d", s.number), s.listener.Advertised, child.Loopback(s.listener.Port), s.requests.Watch())
	if err != nil {
		return err
	}
	port, err := child.FreePort()
	if err != nil {
		return err
	}
	s.clickHouse, err = proxy.Listen(fmt.Sprintf("clickhouse-%d", s.number), port, clickHouse, s.inserts.Watch(), s.answers.Watch())
	return err
}

func (s *slot) close() {
	for _, p := range []*proxy.Proxy{s.kafka, s.clickHouse} {
		if p != nil {
			p.Close()
		}
	}
}

// heal undoes whatever a scenario has done to the slot's network.
func (s *slot) heal() error {
	s.requests.Heal()
	s.answers.Lose(false)
	s.inserts.Release()
	for _, p := range []*proxy.Proxy{s.kafka, s.clickHouse} {
		if err := p.Heal(); err != nil {
			return err
		}
		if err := p.Restore(); err != nil {
			return err
		}
	}
	return nil
}

// node is an ingest node in a slot, for one round. One goroutine at a time
// starts, stops or kills it.
type node struct {
	*slot
	spec    ingest.Spec
	process *ingest.Node // nil before the first start
	stopped bool         // by SIGSTOP
	// from is where in its log the present process began.
	from int64
}

// start starts the node, with variables added to its environment.
func (n *node) start(env ...string) error {
	spec := n.spec
	spec.Env = append(append([]string{}, spec.Env...), env...)
	n.from = 0
	if info, err := os.Stat(spec.Log); err == nil {
		n.from = info.Size()
	}
	var err error
	n.process, err = ingest.Start(spec)
	return err
}

// running tells whether there is a process, stopped or not.
func (n *node) running() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.process.Done():
		return false
	default:
		return true
	}
}

// kill ends the node as a power cut would. A stopped one dies, too.
func (n *node) kill() error {
	n.stopped = false
	return n.process.Kill()
}

// pause has the node stand still; resume has it go on.
func (n *node) pause() error {
	n.stopped = true
	return n.signal(syscall.SIGSTOP)
}

func (n *node) resume() error {
	n.stopped = false
	return n.signal(syscall.SIGCONT)
}

func (n *node) signal(s syscall.Signal) error {
	if err := syscall.Kill(n.process.Pid(), s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, n.spec.Name, err)
	}
	return nil
}

// said returns what the present process has written to its log.
func (n *node) said() (_ string, err error) {
	f, err := os.Open(n.spec.Log)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // read only
	if _, err := f.Seek(n.from, io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(f)
	return string(text), err
}

// epitaph says how a node ended that nobody ended. Of a panic that is where it
// began; else the last it said.
func (n *node) epitaph() string {
	said, err := n.said()
	if err != nil {
		return n.process.Err().Error()
	}
	lines := strings.Split(strings.TrimRight(said, "\n"), "\n")
	if at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "panic: ") }); at >= 0 {
		lines = lines[at:min(at+14, len(lines))]
	} else {
		lines = lines[max(0, len(lines)-3):]
	}
	return fmt.Sprintf("%s (pid %d) ended by itself:\n  | %s", n.spec.Name, n.process.Pid(), strings.Join(lines, "\n  | "))
}

// diedOf returns the failpoint the node has died of, empty if it has not.
func (n *node) diedOf() (string, error) {
	said, err := n.said()
	if err != nil {
		return "", err
	}
	for _, name := range failpoint.Ingest() {
		if strings.Contains(said, "failpoint: "+name+"\n") {
			return name, nil
		}
	}
	return "", nil
}

// The metrics of a node that are looked at.
const (
	metricInserts   = "penstock_ingest_inserts_total"
	metricRetries   = "penstock_ingest_retries_total"
	metricOwned     = "penstock_ingest_assigned_partitions"
	metricCommitted = "penstock_ingest_committed_offset"
	metricGap       = "penstock_ingest_gap_records"
)

// metric reads one metric of the node.
func (n *node) metric(ctx context.Context, name string) (float64, error) {
	m, err := n.process.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	return m.Sum(name)
}

// awaitMetric waits until a metric is at least so much. It returns false when
// the node ends or the time is over before.
func (n *node) awaitMetric(ctx context.Context, name string, least float64, timeout time.Duration) bool {
	process := n.process
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if value, err := n.metric(ctx, name); err == nil && value >= least {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-process.Done():
			return false
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
}
