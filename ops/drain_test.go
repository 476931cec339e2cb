package ops

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

func ask(d *Drain, method string) string {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(method, "/drain", nil))
	return strings.TrimSpace(w.Body.String())
}

// A drain ends the work in order, and the node stays until it is stopped.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		d := NewDrain(reg)
		finish, ended, drained := make(chan struct{}), make(chan error, 1), false
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			ended <- d.During(ctx, func(ctx context.Context) error { <-ctx.Done(); <-finish; return nil }, func() { drained = true })
		}()
		step := func(what, answer, problem string, draining float64) {
			t.Helper()
			synctest.Wait()
			if got := ask(d, "GET"); got != answer {
				t.Errorf("%s: it answers %q, want %q", what, got, answer)
			}
			if got := strings.Join(d.Problems(), ""); !strings.HasPrefix(got, problem) || problem == "" && got != "" {
				t.Errorf("%s: the problem is %q, want %q", what, got, problem)
			}
			if all, err := reg.Gather(); err != nil || all[0].GetMetric()[0].GetGauge().GetValue() != draining {
				t.Errorf("%s: the metric is %v, %v; want %v", what, all, err, draining)
			}
		}
		step("at work", Working, "", 0)
		if got := ask(d, "POST"); got != Draining {
			t.Errorf("asked to drain, it says %q", got)
		}
		step("what it has read is stored", Draining, "draining: ", 1)
		close(finish)
		step("nothing is left", Drained, "drained: ", 1)
		if got := ask(d, "POST"); got != Drained { // whoever is not sure asks again
			t.Errorf("asked once more, it says %q", got)
		}
		if !drained || len(ended) > 0 {
			t.Errorf("drained: %v; ended: %d", drained, len(ended))
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A node that is stopped or fails ends as it would without anybody to drain it.
func TestNoDrain(t *testing.T) {
	d := NewDrain(prometheus.NewRegistry())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	never := func() { t.Error("drained, and nobody asked") }
	if err := d.During(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil }, never); err != nil {
		t.Error(err)
	}
	broken := errors.New("wrong password")
	if err := d.During(t.Context(), func(context.Context) error { return broken }, never); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ask(d, "POST")
	if err := d.During(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return broken }, never); !errors.Is(err, broken) {
		t.Errorf("a drain that fails: got %v", err)
	}
	if got := ask(d, "GET"); got != Draining {
		t.Errorf("what failed is %q", got)
	}
}
