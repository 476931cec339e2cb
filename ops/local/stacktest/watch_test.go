package stacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"penstock/ops/local/child"
	"penstock/ops/local/ingest"
	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
)

// watched is a node, and `ingest watch` beside it.
type watched struct {
	ingest, config, at string
	node               ingest.Spec
	watch              *child.Process
}

// newWatched returns a watcher that is not started, of a topic and a database.
func newWatched(t *testing.T, topic string, a stack.Addresses, database string) *watched {
	t.Helper()
	dir := t.TempDir()
	node := nodeSpec(t, dir, "ingest")
	w := &watched{ingest: node.Program, config: node.Config, at: freeAddr(t), node: node}
	overwrite(t, w.config, fmt.Appendf(nil, `kafka: {brokers: [%q], topic: %s}
clickhouse: {addr: %q, user: %q, password: %q, database: %s}
admin: {addr: %q}
watch: {addr: %q, every: 250ms, canary_every: 20ms, canary_limit: 6s}
`, a.Kafka.Brokers[0], topic, a.ClickHouse.Native, a.ClickHouse.User, a.ClickHouse.Password, database, w.node.Admin, w.at))
	return w
}

// start starts the watcher, which ends with the test.
func (w *watched) start(t *testing.T) {
	t.Helper()
	log := filepath.Join(filepath.Dir(w.config), "watch.log")
	var err error
	if w.watch, err = child.Start(child.Spec{Name: "ingest watch", Args: []string{w.ingest, "watch", "--config", w.config}, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.watch.Stop(); err != nil {
			t.Error(err)
		}
		if said, err := os.ReadFile(log); err == nil {
			t.Logf("ingest watch said:\n%s", said)
		}
	})
}

func (w *watched) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, w.ingest, append([]string{name, "--config", w.config}, args...)...)
}

// page returns a page of the watcher, and its status.
func (w *watched) page(path string) (text string, status int, err error) {
	answer, err := http.Get("http://" + w.at + path)
	if err != nil {
		return "", 0, err
	}
	all, err := io.ReadAll(answer.Body)
	return string(all), answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// metric adds up the samples of penstock_watch_NAME that have a label; all if it is empty.
// None is an error.
func (w *watched) metric(name, label string) (sum float64, err error) {
	page, _, err := w.page("/metrics")
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(page) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(series, "penstock_watch_"+name+"{") || !strings.Contains(series+"}", label) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += n
		found = true
	}
	if !found {
		return 0, fmt.Errorf("there is no penstock_watch_%s with %s", name, label)
	}
	return sum, nil
}

// reaches waits for a metric to be as wanted.
func (w *watched) reaches(t *testing.T, name, label string, want func(float64) bool) (value float64) {
	t.Helper()
	eventually(t, name+" "+label, func() (err error) {
		if value, err = w.metric(name, label); err == nil && !want(value) {
			err = fmt.Errorf("it is %v", value)
		}
		return err
	})
	return value
}

// outside is what the page is told of, as far as it is seen from outside.
type outside struct {
	Headline struct{ Level, Text string }
	Canary   []struct {
		Lost    int
		Waiting float64 `json:"waiting_seconds"`
		P99     float64 `json:"p99_seconds"`
	}
	Kafka []struct {
		Up      bool
		Members int
		Records int     `json:"lag_records"`
		Seconds float64 `json:"lag_seconds"`
	}
	ClickHouse []struct {
		Up      bool
		Version string
	}
	Days []struct{ Hot, Sealed, Cold int }
}

func (w *watched) state(t *testing.T) (s outside) {
	t.Helper()
	text, _, err := w.page("/state")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func isExactly(want float64) func(float64) bool { return func(v float64) bool { return v == want } }
func isAtLeast(want float64) func(float64) bool { return func(v float64) bool { return v >= want } }

// TestWatch: the watcher sees canaries within the promise while all is well, the lag grow
// and canaries lost while no node lives, and ClickHouse go away and come back; and to the
// audit a canary is an event like any other.
func TestWatch(t *testing.T) {
	s := start(t, "")
	ctx, a := t.Context(), s.Addresses()
	const topic = "watched"
	if err := kafka.CreateTopic(ctx, a.Kafka.Brokers, topic, 4, nil); err != nil {
		t.Fatal(err)
	}
	w := newWatched(t, topic, a, "watched")
	if out, err := w.command(ctx, "migrate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.start(t)
	node, err := ingest.Start(w.node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Kill() }) // whatever the test came to
	if err := node.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}

	// Those that were sent before there was a node are late; what comes now is not.
	w.reaches(t, "canary_visible_seconds_count", "", isAtLeast(1))
	w.reaches(t, "lag_seconds", "", func(v float64) bool { return v < 4 })
	late := func() float64 {
		t.Helper()
		all, err := w.metric("canary_visible_seconds_count", "")
		if err != nil {
			t.Fatal(err)
		}
		inTime, err := w.metric("canary_visible_seconds_bucket", `le="5"`)
		if err != nil {
			t.Fatal(err)
		}
		return all - inTime
	}
	before, already := w.reaches(t, "canary_visible_seconds_count", "", isAtLeast(1)), late()
	seen := w.reaches(t, "canary_visible_seconds_count", "", isAtLeast(before+200)) - before
	if n := late() - already; n > 0 {
		t.Errorf("%v of %v canaries took longer than 5 s", n, seen)
	}
	w.reaches(t, "up", `what="kafka"`, isExactly(1))
	w.reaches(t, "up", `what="clickhouse"`, isExactly(1))
	w.reaches(t, "group_members", "", isExactly(1))
	for _, name := range []string{"parts", "partition_parts_max", "parts_delay_limit", "parts_throw_limit"} {
		w.reaches(t, name, `table="telemetry"`, isAtLeast(1))
	}
	w.reaches(t, "disk_total_bytes", "", isAtLeast(1<<20))
	w.reaches(t, "disk_free_bytes", "", isAtLeast(1))
	w.reaches(t, "readonly_replicas", "", isExactly(0))
	w.reaches(t, "days", `state="hot"`, isAtLeast(1))
	if _, status, err := w.page("/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("it is not ready: %d, %v", status, err)
	}
	t.Logf("all is well: %+v", w.state(t))

	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	lag := w.reaches(t, "lag_records", "", isAtLeast(0))
	w.reaches(t, "lag_records", "", isAtLeast(lag+100))
	w.reaches(t, "canary_lost_total", "", isAtLeast(1))
	w.reaches(t, "group_members", "", isExactly(0))
	w.reaches(t, "lag_seconds", "", isAtLeast(4*6)) // of each of four partitions
	if st := w.state(t); len(st.Kafka) != 1 || !st.Kafka[0].Up || st.Kafka[0].Records < 100 || st.Kafka[0].Seconds < 6 || st.Canary[0].Waiting < 5 || st.Canary[0].Lost == 0 {
		t.Errorf("no node lives, and the state is %+v %+v", st.Kafka, st.Canary)
	}
	if node, err = ingest.Start(w.node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Kill() })
	w.reaches(t, "lag_seconds", "", func(v float64) bool { return v < 4 })

	if err := s.ClickHouse.Stop(); err != nil {
		t.Fatal(err)
	}
	w.reaches(t, "up", `what="clickhouse"`, isExactly(0))
	w.reaches(t, "canary_failures_total", `what="query"`, isAtLeast(1))
	if _, err := w.metric("parts", ""); err == nil {
		t.Error("parts are told of a ClickHouse that is away")
	}
	if text, status, err := w.page("/readyz"); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "clickhouse shard 1") {
		t.Errorf("it is ready: %d %s %v", status, text, err)
	}
	if err := s.ClickHouse.Start(ctx); err != nil {
		t.Fatal(err)
	}
	w.reaches(t, "up", `what="clickhouse"`, isExactly(1))
	again := w.reaches(t, "canary_visible_seconds_count", "", isAtLeast(0))
	w.reaches(t, "canary_visible_seconds_count", "", isAtLeast(again+20))
	w.reaches(t, "canary_failures_total", `what="send"`, isExactly(0))

	if err := errors.Join(w.watch.Stop(), node.Stop()); err != nil {
		t.Fatal(err)
	}
	var audited outcome
	out, err := w.command(ctx, "audit", "--json").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &audited); err != nil {
		t.Fatal(err)
	}
	if total := audited.Total; audited.Verdict != "proven" || total.Stored < 300 || total.Missing+total.Doubled+total.Duplicates+total.Rejects+total.Repeated > 0 {
		t.Errorf("the audit of canaries says %s: %+v", audited.Verdict, total)
	}
}
