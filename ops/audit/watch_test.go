package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/pipeline"
	"penstock/pipeline/receipts"
)

// tables is what is stored, for a watch.
type tables struct {
	mu    sync.Mutex
	rows  map[int32]map[int64]uint64
	err   error
	asked []receipts.Span
}

func (s *tables) Counts(_ context.Context, spans []receipts.Span) (map[receipts.Span]receipts.Count, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.asked = append(s.asked, spans...)
	out := map[receipts.Span]receipts.Count{}
	for _, of := range spans {
		var c receipts.Count
		for o, n := range s.rows[of.Partition] {
			if of.First <= o && o < of.Next {
				c.Rows += n
				c.Distinct++
			}
		}
		out[of] = c
	}
	return out, nil
}

func (s *tables) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// watched runs a watch in a bubble of fake time.
func watched(t *testing.T, test func(w *Watch, s *tables, log *bytes.Buffer, wants wants)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &tables{rows: map[int32]map[int64]uint64{0: {}, 1: {}}}
		registry := prometheus.NewRegistry()
		w := NewWatch(s, Default(), registry, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(ctx) }()
		test(w, s, &log, func(want ...float64) { t.Helper(); exported(t, registry, want) })
		cancel()
		<-ended
	})
}

func minutes(n int) {
	time.Sleep(time.Duration(n) * time.Minute)
	synctest.Wait()
}

// wants checks what is exported: rows, gaps, doubles, skipped rows, failures.
type wants func(want ...float64)

func exported(t *testing.T, registry *prometheus.Registry, want []float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
	}
	for i, name := range []string{"rows", "gap_rows", "dup_rows", "skipped_rows", "failures"} {
		if name = "penstock_ingest_audit_" + name + "_total"; got[name] != want[i] {
			t.Errorf("%s is %v, want %v", name, got[name], want[i])
		}
	}
}

func claims(w *Watch, partition int32, first, next int64, rows int) {
	if hook := w.PipelineEvents().Confirmed; hook != nil {
		hook(pipeline.Confirmed{Partition: partition, First: first, Next: next, Rows: rows})
	}
}

func TestWatchSeesWhatIsMissingAndDoubled(t *testing.T) {
	watched(t, func(w *Watch, s *tables, log *bytes.Buffer, wants wants) {
		s.set(func() {
			for o := range int64(100) {
				s.rows[0][o], s.rows[1][o] = 1, 1
			}
		})
		claims(w, 0, 0, 50, 50)
		claims(w, 0, 50, 100, 50) // what follows on is asked about together
		claims(w, 1, 0, 100, 100)
		minutes(1)
		wants(200, 0, 0, 0, 0)
		if len(s.asked) != 2 {
			t.Errorf("asked about %v; want a span a partition", s.asked)
		}
		if log.Len() > 0 {
			t.Errorf("said %s", log)
		}

		s.set(func() { delete(s.rows[0], 120) })
		claims(w, 0, 100, 200, 3) // three rows, the others were duplicates
		s.set(func() { s.rows[0][110], s.rows[0][130], s.rows[0][140] = 1, 1, 3 })
		claims(w, 1, 100, 110, 2)
		s.set(func() { s.rows[1][105] = 1 })
		minutes(3)
		wants(205, 1, 2, 0, 0)
		for _, want := range []string{"partition=0 first=100 next=200 confirmed=3 missing=0 doubled=2", "partition=1 first=100 next=110 confirmed=2 missing=1 doubled=0"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in\n%s", want, log)
			}
		}
		minutes(5) // and is told once
		wants(205, 1, 2, 0, 0)
	})
}

// A replica that is behind is not a loss, and a ClickHouse that is away is not
// an audit that found nothing.
func TestWatchLooksAgain(t *testing.T) {
	watched(t, func(w *Watch, s *tables, _ *bytes.Buffer, wants wants) {
		claims(w, 0, 0, 10, 10)
		minutes(2)
		wants(0, 0, 0, 0, 0)
		s.set(func() { s.err = errors.New("away") })
		minutes(4)
		wants(0, 0, 0, 0, 4)
		s.set(func() {
			s.err = nil
			for o := range int64(10) {
				s.rows[0][o] = 1
			}
		})
		minutes(1)
		wants(10, 0, 0, 0, 4)
	})
}

// What a node confirms while nobody can be asked stays within bounds, and so
// does what is asked at once.
func TestWatchIsBounded(t *testing.T) {
	watched(t, func(w *Watch, s *tables, _ *bytes.Buffer, wants wants) {
		for i := range int64(2 * spansMost) {
			claims(w, 0, 10*i, 10*i+1, 1) // no two touch
			s.set(func() { s.rows[0][10*i] = 1 })
		}
		minutes(1)
		wants(spansMost, 0, 0, spansMost, 0)

		s.asked = nil
		for p := range int32(12) {
			claims(w, p, 1<<40, 1<<40+spanMost, 0)
		}
		minutes(1)
		if len(s.asked) != lookMost/spanMost {
			t.Errorf("%d spans of %d offsets were asked about at once", len(s.asked), spanMost)
		}
		first := s.asked[0].Partition
		for p := range int32(12) {
			claims(w, p, 1<<41, 1<<41+spanMost, 0)
		}
		s.asked = nil
		minutes(1)
		if s.asked[0].Partition == first {
			t.Errorf("the partitions do not take turns: %d is first again", first)
		}
	})
}

func TestWatchThatIsOff(t *testing.T) {
	w := NewWatch(&tables{}, Config{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	claims(w, 0, 0, 10, 10)
	w.Run(t.Context()) // returns
	if len(w.claims) > 0 {
		t.Error("a watch that is off collects claims")
	}
}

func TestConfig(t *testing.T) {
	f := func(every time.Duration, want string) {
		t.Helper()
		err := Config{Every: every}.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", every, err, want)
		}
	}
	f(Default().Every, "")
	f(0, "")
	f(time.Millisecond, "audit.every is 1ms; want at least 1s")
	f(-time.Second, "audit.every is -1s")
}
