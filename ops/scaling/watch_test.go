package scaling

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops/peer"
)

// node is a node's page of metrics.
type node struct {
	stream                  string
	began                   float64
	records, cpu            float64
	inserts, insertSeconds  float64
	breaker, paused         float64
	high, lag, behind, gap  float64 // of each of its partitions
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
			for name, v := range map[string]float64{"high_watermark": n.high, "lag_records": n.lag, "lag_seconds": n.behind, "gap_records": n.gap} {
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

func sampled(t *testing.T, n node, at time.Time) Sample {
	t.Helper()
	s, err := read(strings.NewReader(n.String()), at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What rounds of pages say: rates of those that were there both times, capacity by
// CPU time, and what ClickHouse is held back by.
func TestObserve(t *testing.T) {
	a := node{stream: "fleet", began: 1, records: 1_000_000, cpu: 10, high: 5_000, lag: 100, behind: 2, partitions: []int{0, 1}}
	b := node{stream: "fleet", began: 2, records: 9, cpu: 1, high: 7_000, partitions: []int{2}}
	at := noon
	before := map[string]Sample{"a": sampled(t, a, at), "b": sampled(t, b, at)}
	o := NewObserver(3*time.Second, 0)
	o.Observe(at, nil, before)
	look := func(change func(a, b *node)) Observation {
		t.Helper()
		a, b := a, b
		a.records, a.cpu, a.high = a.records+500_000, a.cpu+5, a.high+1_000 // in ten seconds
		b.began, b.records, b.cpu, b.high = 3, 0, 0, b.high+500             // started anew
		change(&a, &b)
		at := noon.Add(10 * time.Second)
		return o.Observe(at, before, map[string]Sample{"a": sampled(t, a, at), "b": sampled(t, b, at)})
	}
	got := look(func(_, _ *node) {})
	want := "{2 nodes, 200000/s each, [{0 100 100 2s} {1 100 100 2s} {2 50 0 0s}] of 3, false, }"
	if text := fmt.Sprintf("{%d nodes, %.0f/s each, %v of %d, %v, %s}", got.Nodes, got.Capacity, got.Partitions, got.Topic, got.Partial, got.Bottleneck); text != want {
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
	f("lanes that wait", func(a, _ *node) { a.paused = 2 }, "2 lanes are full in nodes that use less than 60 % of their cores")
	f("lanes that work", func(a, _ *node) { a.paused, a.cpu = 2, a.cpu+10 }, "")
	f("lanes of a node that has just started", func(_, b *node) { b.paused = 2 }, "")

	if got := look(func(a, _ *node) { a.partitions = a.partitions[:1] }); !got.Partial || got.Topic != 3 {
		t.Errorf("%+v; want that a partition is not seen", got)
	}
	if got := look(func(a, _ *node) { a.gap, a.lag = 30, 5_000 }); got.Partitions[0].Lag != 30 || got.Partitions[0].Behind != 0 {
		t.Errorf("%+v; want what is left of the gap", got.Partitions[0])
	}
}

// While ClickHouse is away lanes are full, their partitions are not read, and the
// pages do not change. What arrives meanwhile is not nothing.
func TestWhatNobodyLooksAt(t *testing.T) {
	o := NewObserver(0, 0)
	n := node{stream: "fleet", began: 1, high: 1_000, partitions: []int{0}}
	at := noon
	look := func(high, lag float64) Partition {
		t.Helper()
		at = at.Add(5 * time.Second)
		n.high, n.lag = high, lag
		return o.Observe(at, nil, map[string]Sample{"a": sampled(t, n, at)}).Partitions[0]
	}
	f := func(when string, p Partition, arriving float64, lag int64) {
		t.Helper()
		if p.Arriving != arriving || p.Lag != lag {
			t.Errorf("%s: %+v; want %v/s, a lag of %d", when, p, arriving, lag)
		}
	}
	f("at first", look(1_000, 0), 0, 0)
	f("it grows", look(1_500, 100), 100, 100)
	f("nobody reads it", look(1_500, 100), 100, 600)
	f("for longer", look(1_500, 100), 100, 1_100)
	f("it is read again, and had grown faster", look(4_500, 3_000), 200, 3_000)
	f("it is done, and nothing comes", look(4_500, 0), 0, 0)
	f("it comes again", look(4_600, 50), 20, 50)
}

// What a group can do that is idle is no less than it was known to.
func TestCapacityOfAnIdleGroup(t *testing.T) {
	o := NewObserver(0, 0)
	n := node{stream: "fleet", began: 1, partitions: []int{0}}
	at := noon
	look := func(records, cpu float64) float64 {
		t.Helper()
		before := map[string]Sample{"a": sampled(t, n, at)}
		at = at.Add(10 * time.Second)
		n.records, n.cpu = n.records+records, n.cpu+cpu
		return o.Observe(at, before, map[string]Sample{"a": sampled(t, n, at)}).Capacity
	}
	for _, step := range []struct{ records, cpu, want float64 }{
		{100, 0.1, 0},           // too little to say
		{1_000, 1, 2_000},       // a trickle, most of which is being there
		{50_000, 1, 100_000},    // better known
		{1_000, 1, 100_000},     // and not forgotten
		{800_000, 10, 160_000},  // busy
		{500_000, 10, 100_000},  // and busy with what takes longer
		{10_000, 0.5, 100_000},  //
		{100_000, 0.5, 400_000}, // for less than it was thought to take
	} {
		if got := look(step.records, step.cpu); math.Round(got) != step.want {
			t.Errorf("%+v: %v", step, got)
		}
	}
}

func TestPages(t *testing.T) {
	f := func(n node, want string) {
		t.Helper()
		if _, err := read(strings.NewReader(n.String()), noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(node{brokenPage: true}, "no page of metrics")
	f(node{stream: "fleet", began: 1, partitions: []int{0}, otherStream: true}, "it has the streams fleet, other, which share its CPU time and the number of nodes")
	if _, err := read(strings.NewReader("up 1\n"), noon); err == nil || !strings.Contains(err.Error(), "is it a node of ours?") {
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
		n.records, n.cpu, n.high = n.records+5_000, n.cpu+0.5, n.high+1_000
		fmt.Fprint(w, n)
	}))
	defer server.Close()
	cfg := Default()
	cfg.Nodes, cfg.Every = []string{server.Listener.Addr().String(), "127.0.0.1:1"}, 20*time.Millisecond
	cfg.UpAfter, cfg.DownAfter = 40*time.Millisecond, 40*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	decided := make(chan State, 100)
	w := NewWatcher(cfg, peer.Access{}, func(s State) { decided <- s })
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
	if status != http.StatusOK || s.Nodes != 1 || s.Now != 1 || s.Capacity == 0 || !strings.Contains(s.Problem, "node 127.0.0.1:1") {
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
