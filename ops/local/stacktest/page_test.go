package stacktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// TestPage: a node under load, looked at in a browser and in a terminal while ClickHouse
// goes away and comes back.
func TestPage(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	const topic = "paged"
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, 8, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	between, nobody := throughProxy(t, a), freeAddr(t)
	node := nodeSpec(t, dir, "ingest")
	overwrite(t, node.Config, fmt.Appendf(nil, `kafka: {brokers: [%q], topic: %s}
clickhouse: {addr: %q, user: %q, password: %q, database: paged}
admin: {addr: %q}
page: {peers: [%q]}
`, a.Kafka.Brokers[0], topic, between.Addr(), a.ClickHouse.User, a.ClickHouse.Password, node.Admin, nobody))
	say := func(args ...string) string {
		t.Helper()
		said, err := exec.CommandContext(ctx, node.Program, append(args, "--config", node.Config)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, said)
		}
		return string(said)
	}
	say("migrate")
	n, err := ingest.Start(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			said, _ := os.ReadFile(node.Log)
			t.Errorf("%v\n%s", err, said)
		}
	}()
	if err := n.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	defer sending(t, a, topic)()

	p := tab(t)
	if err := p.Screen(1440, false); err != nil {
		t.Fatal(err)
	}
	if err := p.Go("http://"+node.Admin, "#flow"); err != nil {
		t.Fatal(err)
	}
	await := func(what, selector string, want ...string) {
		t.Helper()
		if err := p.Await(selector, time.Minute, want...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	// A peer that never answers is the only thing to be said while all is well.
	await("a peer is away", "#said", nobody, "1 program does not answer")
	await("records flow", "#flow", "/s read", "/s stored", "an insert takes", "1 node")
	await("freshness is measured", ".figures", "p99, last minute")
	if text := say("top", "--once"); !strings.Contains(text, "STREAM "+topic) || !strings.Contains(text, "AWAY") {
		t.Errorf("top shows:\n%s", text)
	}
	if faults := p.Faults(node.Admin); len(faults) > 0 {
		t.Errorf("the page has faults:\n%s", strings.Join(faults, "\n"))
	}

	between.Refuse()
	between.Cut()
	await("the outage is named", "#said", "ClickHouse does not answer since", "records wait in Kafka, the oldest for")
	await("what to do is said", ".cause", "connection refused", "nodes go on by themselves", "Runbook: lag-grows-cpu-low")
	await("where it is is seen", "#flow", "ClickHouse", "trouble")
	await("backpressure shows", "#stream-"+topic+"-pressure", "open on 1 node", "insert")
	time.Sleep(20 * time.Second) // of an outage, for the picture
	fits(t, p, "an outage")
	for _, screen := range screens {
		if err := p.Screen(screen.width, screen.dark); err != nil {
			t.Fatal(err)
		}
		fits(t, p, fmt.Sprintf("an outage at %d", screen.width))
		picture(t, p, fmt.Sprintf("live-outage-%d", screen.width), screen.dark)
	}
	if text := say("top", "--once"); !strings.HasPrefix(text, "[!!] ClickHouse does not answer since") || !strings.Contains(text, "breaker OPEN") {
		t.Errorf("top shows:\n%s", text)
	}

	if err := errors.Join(between.Heal(), between.Restore()); err != nil {
		t.Fatal(err)
	}
	await("it is over", "#said", "1 program does not answer")
	await("nothing is late", "#stream-"+topic+"-pressure", "closed", "Nothing.")

	// The program ends: what is shown is not taken for how things are.
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	await("the page says that it is stale", "#stale", "Stale since", "does not answer")
}

// sending has a fleet send until what it returns is called.
func sending(t *testing.T, a stack.Addresses, topic string) (stop func()) {
	t.Helper()
	cfg := fleetTo(a, topic, topic)
	cfg.Rate, cfg.Devices, cfg.VerifyTimeout = 3000, 1000, 0
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		_, err := loadtest.Run(ctx, cfg, loadtest.Output{Writer: io.Discard})
		ended <- err
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the fleet: %v", err)
		}
	}
}
