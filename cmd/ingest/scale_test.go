package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"penstock/ops/scaling"
)

func scaleWith(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := command(&out)
	root.SetArgs(append([]string{"scale"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// Of the config only scaling and log matter: nothing is said of Kafka.
func TestScaleFaults(t *testing.T) {
	f := func(want string, set ...string) {
		t.Helper()
		var args []string
		for _, s := range set {
			args = append(args, "--set", s)
		}
		_, err := scaleWith(t, args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "kafka") {
			t.Errorf("%v: got %v, want %q", set, err, want)
		}
	}
	f("scaling.nodes is empty")
	f("scaling.max is 0 with min 1", "scaling.nodes=localhost:1", "scaling.max=0")
	f(`scaling.peaks is "noon"; want a list in which each element is a valid value: a time of the day and a number of nodes such as 07:30-09:00=12`, "scaling.nodes=localhost:1", "scaling.peaks=noon")
	f("scaling.grpc: listen tcp 192.0.2.1:1", "scaling.nodes=localhost:1", "scaling.grpc=192.0.2.1:1", "scaling.addr=")
}

func TestScaleOnce(t *testing.T) {
	var looks atomic.Int64
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := looks.Add(1)
		fmt.Fprintf(w, `process_start_time_seconds 1
process_cpu_seconds_total %d
go_sched_gomaxprocs_threads 2
penstock_ingest_assigned_partitions{stream="fleet"} 1
penstock_ingest_sealed_records_total{stream="fleet"} %d
penstock_ingest_high_watermark{stream="fleet",partition="0"} %[2]d
penstock_ingest_lag_records{stream="fleet",partition="0"} 0
`, n, n*100_000)
	}))
	defer node.Close()
	said, err := scaleWith(t, "--once", "--set", "scaling.nodes="+node.Listener.Addr().String(), "--set", "scaling.every=50ms")
	if err != nil {
		t.Fatal(err)
	}
	var s scaling.State
	if err := json.Unmarshal([]byte(said), &s); err != nil || s.Wanted != 1 || s.Capacity != 200_000 || s.Problem != "" {
		t.Errorf("%v:\n%s", err, said)
	}
	_, err = scaleWith(t, "--once", "--set", "scaling.nodes=127.0.0.1:1", "--set", "scaling.every=50ms")
	if err == nil || !strings.Contains(err.Error(), "node 127.0.0.1:1: ") {
		t.Errorf("got %v, want the node that does not answer", err)
	}
}
