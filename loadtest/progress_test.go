package loadtest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := &progress{out: &out, terminal: terminal, every: time.Second, ledger: newLedger(true), queues: newVisibility(),
				watch: &watcher{}, phase: make(chan string)}
			ctx, stop := context.WithCancel(t.Context())
			var done sync.WaitGroup
			done.Go(func() { p.run(ctx) })

			for i := range int64(1500) {
				p.ledger.acked(record{}, coordinate{0, i})
				p.queues.produced(0, i, time.Now())
			}
			time.Sleep(1100 * time.Millisecond)
			p.queues.arrived(upTo(0, 0, 499), time.Now())
			p.phase <- "arriving"
			away := errors.New("connection refused")
			p.watch.trouble.Store(&away)
			time.Sleep(time.Second)
			stop()
			done.Wait()

			lines := strings.Split(strings.Trim(strings.ReplaceAll(out.String(), "\r\x1b[K", "\n"), "\n"), "\n")
			if len(lines) != 2 || strings.Contains(out.String(), "\r") != terminal || !strings.HasSuffix(out.String(), "\n") {
				t.Fatalf("terminal %v: wrote %q", terminal, out.String())
			}
			f := func(line string, wants ...string) {
				t.Helper()
				for _, want := range wants {
					if !strings.Contains(line, want) {
						t.Errorf("no %q in %q", want, line)
					}
				}
			}
			f(lines[0], "sending", "1,500 events/s", "lag    1,500", "nothing became visible", "sent 1,500")
			f(lines[1], "arriving", "      0 events/s", "lag    1,000", "p50  1105 ms", "p99  1105 ms", "does not answer: connection refused")
		})
	}
}

func TestGrouped(t *testing.T) {
	f := func(n uint64, want string) {
		t.Helper()
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
	f(0, "0")
	f(999, "999")
	f(1000, "1,000")
	f(1234567, "1,234,567")
}
