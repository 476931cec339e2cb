package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/ops/settings"
	"penstock/ops/tracing"
	"penstock/tiering"
)

// results are those of passes, one after the other; then it waits to be stopped.
type results []error

func (p *results) Pass(ctx context.Context) ([]tiering.Step, error) {
	if len(*p) == 0 {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	err := (*p)[0]
	*p = (*p)[1:]
	return nil, err
}

// A pass that fails is told of and made again at its turn; failures make the
// compactor not ready after a while, and one good pass makes it ready at once.
// A compactor that finds another at work is as it should be.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		h := &health{limit: 30 * time.Second}
		broken := errors.New("clickhouse is away")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			loop(ctx, &results{broken, broken, nil, fmt.Errorf("%w: other", tiering.ErrHeld)}, log, h, time.Minute)
		}()
		ready := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := strings.Join(h.problems(), "\n"); got != want {
				t.Errorf("problems %q, want %q", got, want)
			}
		}
		ready(0, "")
		ready(29*time.Second, "")
		ready(time.Second, "passes have been failing for 30s: clickhouse is away")
		ready(30*time.Second, "passes have been failing for 1m0s: clickhouse is away")
		ready(time.Minute, "")
		ready(time.Minute, "")
		ready(time.Minute, "")
		stop()
		<-ended
		want := `level=ERROR msg="pass failed" next_in=1m0s error="clickhouse is away"
level=ERROR msg="pass failed" next_in=1m0s error="clickhouse is away"
level=INFO msg="pass done" left="nothing left to do"
level=INFO msg="pass left to another compactor" why="another compactor holds the lease: other"
`
		if said.String() != want {
			t.Errorf("the log is\n%swant\n%s", said.String(), want)
		}
	})
}

// An admin address that cannot be had is known before anything is reached.
func TestDaemonNamesTheAdminAddress(t *testing.T) {
	cfg, all, err := loadTables(settings.Sources{File: write(t, good+"admin: {addr: \"192.0.2.1:1\", token: sesame}\n")})
	if err != nil {
		t.Fatal(err)
	}
	err = daemon(t.Context(), cfg, all, time.Minute, slog.New(slog.DiscardHandler), new(tracing.Tracer))
	if err == nil || !strings.Contains(err.Error(), "192.0.2.1:1") || !strings.Contains(err.Error(), "set admin.addr") {
		t.Errorf("got %v, want the address and the remedy", err)
	}
}
