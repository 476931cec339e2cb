package scaling

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// node is a node's page of metrics.
type node struct {
	stream                  string
	began                   float64
	records, cpu            float64
	inserts, insertSeconds  float64
	breaker, paused         float64
	high, lag, behind       float64 // of each of its partitions
	partitions              []int
	otherStream, brokenPage bool
}

func (n node) String() string {
	if n.brokenPage {
		return "<html>"
	}
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	f("process_start_time_seconds %v\nprocess_cpu_seconds_total %v\ngo_sched_gomaxprocs_threads 2", n.began, n.cpu)
	streams := []string{n.stream}
	if n.otherStream {
		streams = append(streams, "other")
	}
	pages := map[string][]string{}
	for _, s := range streams {
		of := fmt.Sprintf(`{stream=%q}`, s)
		for name, v := range map[string]float64{"sealed_records_total": n.records, "paused_lanes": n.paused, "breaker_open": n.breaker, "assigned_partitions": float64(len(n.partitions))} {
			pages[name] = append(pages[name], fmt.Sprint("penstock_ingest_", name, of, " ", v))
		}
		const name = "penstock_ingest_insert_duration_seconds"
		pages["insert"] = append(pages["insert"], fmt.Sprintf("%s_sum%s %v", name, of, n.insertSeconds), fmt.Sprintf("%s_count%s %v", name, of, n.inserts),
			fmt.Sprintf(`%s_bucket{stream=%q,le="+Inf"} %v`, name, s, n.inserts))
		for _, p := range n.partitions {
			for name, v := range map[string]float64{"high_watermark": n.high, "lag_records": n.lag, "lag_seconds": n.behind} {
				pages[name] = append(pages[name], fmt.Sprintf(`penstock_ingest_%s{partition="%d",stream=%q} %v`, name, p, s, v))
			}
		}
	}
	for name, lines := range pages {
		if name == "insert" {
			f("# TYPE penstock_ingest_insert_duration_seconds histogram")
		}
		f("%s", strings.Join(lines, "\n"))
	}
	return b.String()
}

func sampled(t *testing.T, n node, at time.Time) sample {
	t.Helper()
	s, err := read(strings.NewReader(n.String()), "", at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What two rounds of pages say: rates of those that were there both times, capacity
// by CPU time, and what ClickHouse is held back by.
func TestObserve(t *testing.T) {
	a := node{stream: "fleet", began: 1, records: 1_000_000, cpu: 10, high: 5_000, lag: 100, behind: 2, partitions: []int{0, 1}}
	b := node{stream: "fleet", began: 2, records: 9, cpu: 1, high: 7_000, partitions: []int{2}}
	before := map[string]sample{"a": sampled(t, a, noon), "b": sampled(t, b, noon)}
	o := observer{slowInsert: 3 * time.Second}
	look := func(change func(a, b *node)) Observation {
		t.Helper()
		a, b := a, b
		a.records, a.cpu, a.high = a.records+500_000, a.cpu+5, a.high+1_000 // in ten seconds
		b.began, b.records, b.cpu, b.high = 3, 0, 0, b.high+500             // started anew
		change(&a, &b)
		at := noon.Add(10 * time.Second)
		return o.observe(at, before, map[string]sample{"a": sampled(t, a, at), "b": sampled(t, b, at)})
	}
	got := look(func(_, _ *node) {})
	want := "{2 nodes, 200000/s each, [{0 100 100 2s} {1 100 100 2s} {2 50 0 0s}], }"
	if text := fmt.Sprintf("{%d nodes, %.0f/s each, %v, %s}", got.Nodes, got.Capacity, got.Partitions, got.Bottleneck); text != want {
		t.Errorf("got %s, want %s", text, want)
	}

	f := func(name string, change func(a, b *node), want string) {
		t.Helper()
		if got := look(change).Bottleneck; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("well", func(a, _ *node) { a.inserts, a.insertSeconds = 100, 50 }, "")
	f("a breaker", func(_, b *node) { b.breaker = 1 }, "the circuit breaker of 1 of 2 nodes is open")
	f("slow inserts", func(a, _ *node) { a.inserts, a.insertSeconds = 10, 42 }, "an insert takes 4.2s on average")
	f("lanes that wait", func(a, _ *node) { a.paused = 2 }, "2 lanes are full, and the nodes use 12 % of their cores")
	f("lanes that work", func(a, _ *node) { a.paused, a.cpu = 2, a.cpu+25 }, "")

	// A group that is idle keeps what it knew.
	was := got.Capacity
	look(func(_, _ *node) {})
	if got := look(func(a, _ *node) { a.records, a.cpu = 1_000_100, 10.5 }); got.Capacity != was {
		t.Errorf("capacity %v", got.Capacity)
	}
}

func TestPages(t *testing.T) {
	f := func(n node, stream, want string) {
		t.Helper()
		if _, err := read(strings.NewReader(n.String()), stream, noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	n := node{stream: "fleet", began: 1, partitions: []int{0}}
	f(node{brokenPage: true}, "", "no page of metrics")
	f(n, "trucks", `it has no stream "trucks"; there are fleet`)
	n.otherStream = true
	f(n, "", "it has several streams, of which each group is scaled by itself; name one with --stream: fleet, other")
	if _, err := read(strings.NewReader("up 1\n"), "", noon); err == nil || !strings.Contains(err.Error(), "is it a node of ours?") {
		t.Errorf("got %v", err)
	}
}

// A watcher tells what it knows as JSON and as metrics: nothing at first, then how
// many nodes, and what is wrong with those that do not answer.
func TestWatcher(t *testing.T) {
	var mu sync.Mutex
	n := node{stream: "fleet", began: 1, partitions: []int{0, 1, 2, 3}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n.records, n.cpu, n.high = n.records+5_000, n.cpu+0.01, n.high+1_000
		fmt.Fprint(w, n)
	}))
	defer server.Close()
	cfg := Default()
	cfg.Nodes, cfg.Every = []string{server.Listener.Addr().String(), "127.0.0.1:1"}, 20*time.Millisecond
	cfg.UpAfter, cfg.DownAfter = 0, 0
	ctx, stop := context.WithCancel(t.Context())
	decided := make(chan State, 100)
	w := NewWatcher(cfg, "", func(s State) { decided <- s })
	reg := prometheus.NewRegistry()
	w.Register(reg)
	ask := func() (status int, s State) {
		t.Helper()
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, nil)
		if err := json.Unmarshal(answer.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		return answer.Code, s
	}
	if status, s := ask(); status != http.StatusServiceUnavailable || s.Problem != NotYet {
		t.Errorf("at first it answers %d %+v", status, s)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	for s := range decided {
		if s.Nodes > 0 {
			break
		}
	}
	status, s := ask()
	if status != http.StatusOK || s.Nodes < 1 || s.Now != 1 || s.Capacity == 0 || !strings.Contains(s.Problem, "node 127.0.0.1:1") {
		t.Errorf("it answers %d %+v", status, s)
	}
	stop()
	<-ended
	if all, err := reg.Gather(); err != nil || len(all) != 11 {
		t.Errorf("%d metrics, %v; want 11", len(all), err)
	}
}

func TestConfigFaults(t *testing.T) {
	c := Default()
	c.Nodes, c.Every, c.Max = []string{"ingest"}, 0, 0
	err := c.Validate()
	for _, want := range []string{`scaling.nodes has "ingest"; want host:port`, "scaling.every is 0s", "scaling.max is 0 with min 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := Default().Validate(); err == nil || !strings.Contains(err.Error(), "scaling.nodes is empty") {
		t.Errorf("got %v", err)
	}
}
