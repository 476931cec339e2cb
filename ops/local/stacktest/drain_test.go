package stacktest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
)

// TestDrain: of two nodes one is drained by `ingest drain` under load. It gives its
// partitions to the other, stays and says that it is drained; every event is
// stored once, and visible in time.
func TestDrain(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	const topic = "drained"
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, 4, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	node := func(name string) ingest.Spec {
		t.Helper()
		spec := nodeSpec(t, dir, name)
		overwrite(t, spec.Config, fmt.Appendf(nil, "kafka: {brokers: [%q], topic: %s}\nclickhouse: {addr: %q, user: %q, password: %q, database: drained}\nadmin: {addr: %q}\n",
			a.Kafka.Brokers[0], topic, a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, spec.Admin))
		return spec
	}
	leaves, stays := node("leaves"), node("stays")
	command := func(name string) error {
		p, err := child.Start(child.Spec{Name: "ingest " + name, Args: []string{leaves.Program, name, "--config", leaves.Config}, Log: filepath.Join(dir, name+".log")})
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	if err := command("migrate"); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]*ingest.Node{}
	for _, spec := range []ingest.Spec{leaves, stays} {
		n, err := ingest.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := n.Stop(); err != nil { // also the drained one is to stop in order
				t.Error(err)
			}
		}()
		if err := n.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		nodes[spec.Name] = n
	}

	fleet := fleetTo(a, topic, topic)
	fleet.Run, fleet.Rate, fleet.Duration, fleet.Devices = "drained", 2000, 10*time.Second, 1000
	drained := make(chan error, 1)
	time.AfterFunc(4*time.Second, func() { drained <- command("drain") })
	result, err := loadtest.Run(ctx, fleet, loadtest.Output{Writer: io.Discard})
	t.Log(result)
	if err != nil {
		t.Error(err)
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if result.VisibleP99 >= 5000 {
		t.Errorf("the slowest hundredth of events was visible after %.0f ms; within 5 s is promised", result.VisibleP99)
	}
	answer, err := http.Get("http://" + leaves.Admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(string(text), "drained: ") {
		t.Errorf("the drained node answers %s %s", answer.Status, text)
	}
	for name, want := range map[string]float64{"leaves": 0, "stays": 4} {
		m, err := nodes[name].Metrics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Sum("penstock_ingest_assigned_partitions"); err != nil || got != want {
			t.Errorf("the node that %s has %v partitions, %v; want %v", name, got, err, want)
		}
	}
}
