package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/loadtest/gate"
)

// script notes what hands are asked for, and when.
type script struct {
	start time.Time
	done  []string
	takes time.Duration // the end of a fault
	fails string
}

func (s *script) Begin(_ context.Context, f gate.Fault) error {
	s.done = append(s.done, fmt.Sprintf("%v begin %s", time.Since(s.start), f.Name))
	if f.Name == s.fails {
		return errors.New("no")
	}
	return nil
}

func (s *script) End(_ context.Context, f gate.Fault) error {
	s.done = append(s.done, fmt.Sprintf("%v end %s", time.Since(s.start), f.Name))
	time.Sleep(s.takes)
	return nil
}

func (s *script) Crashed() ([]string, error) { return nil, nil }

// TestTimeline: faults may overlap; each mark is when it was over for those who
// are hit, and not when what was broken is there again.
func TestTimeline(t *testing.T) {
	faults := []gate.Fault{
		{Name: "slow", Kind: gate.ClickHouseSlow, At: 2 * time.Second, For: 6 * time.Second},
		{Name: "gone", Kind: gate.NodesAway, At: 4 * time.Second, For: 2 * time.Second},
	}
	synctest.Test(t, func(t *testing.T) {
		hands := &script{start: time.Now(), takes: 500 * time.Millisecond}
		line := &timeline{hands: hands, events: events(faults), progress: io.Discard}
		if err := line.run(t.Context(), hands.start); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(hands.done, ", "), "2s begin slow, 4s begin gone, 6s end gone, 8s end slow"; got != want {
			t.Errorf("done was %s, want %s", got, want)
		}
		want := []gate.Mark{{Name: "slow", Kind: gate.ClickHouseSlow, From: 2, To: 8}, {Name: "gone", Kind: gate.NodesAway, From: 4, To: 6}}
		if len(line.marks) != 2 || line.marks[0] != want[0] || line.marks[1] != want[1] {
			t.Errorf("marks are %+v, want %+v", line.marks, want)
		}

		hands = &script{start: time.Now(), fails: "gone"}
		line = &timeline{hands: hands, events: events(faults), progress: io.Discard}
		if err := line.run(t.Context(), hands.start); err == nil || !strings.Contains(err.Error(), "begin fault gone (nodes-away, after 4s for 2s): no") {
			t.Errorf("a fault that cannot be done: %v", err)
		}
	})
}

// TestCounter: the CPU of a node that was killed is not given back.
func TestCounter(t *testing.T) {
	var c counter
	c.first = 10
	for _, step := range []struct{ now, want float64 }{{10, 0}, {12, 2}, {0.5, 2.5}, {3, 5}, {1, 6}} {
		if got := c.add(step.now); math.Abs(got-step.want) > 1e-9 {
			t.Errorf("at %v it has grown by %v, want %v", step.now, got, step.want)
		}
	}
}

func TestProcess(t *testing.T) {
	page := "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.048576e+08\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	if cpu, bytes, err := process(t.Context(), addr); err != nil || cpu != 12.5 || bytes != 100<<20 {
		t.Errorf("%v s, %v bytes, %v", cpu, bytes, err)
	}
	page = "up 1\n"
	if _, _, err := process(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "is it an ingest node?") {
		t.Errorf("a page of something else: %v", err)
	}
}

// TestRefused: what breaks things is not tried where nothing can.
func TestRefused(t *testing.T) {
	s := gate.Scenario{Name: "x", Faults: []gate.Fault{{Name: "gone", Kind: gate.NodesAway, At: time.Second, For: time.Second}}}
	if _, err := Play(t.Context(), Config{Scenario: s}); err == nil || !strings.Contains(err.Error(), "scenario x has faults, and nothing here can break things: gone (nodes-away, after 1s for 1s)") {
		t.Errorf("error %v", err)
	}
}

func TestWrite(t *testing.T) {
	s, err := gate.Parse("mine", []byte("about: Mine. All.\nphases: [{name: all, for: 2s, rate: 10}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	paths, err := Write(dir, gate.NewReport(s, 1, gate.Side{Environment: Here(), Runs: []gate.Run{s.Measure(gate.Run{})}}, nil, nil))
	if err != nil || len(paths) != 3 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "mine") {
			t.Errorf("%s: %v\n%.200s", path, err, text)
		}
	}
	if side, err := ReadBaseline(filepath.Join(dir, "report.json"), s); err != nil || len(side.Runs) != 1 || side.Environment.Cores < 1 {
		t.Errorf("%+v, %v", side, err)
	}
	if _, err := ReadBaseline(filepath.Join(dir, "report.md"), s); err == nil || !strings.Contains(err.Error(), "it is no report") {
		t.Errorf("Markdown as a baseline: %v", err)
	}
}
