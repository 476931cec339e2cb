package loadtest

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"
)

// progress writes one line every so often: rewritten in place on a terminal,
// one below the other elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	ledger   *ledger
	queues   *visibility
	watch    *watcher
	phase    chan string // what the run is doing; changed by it at any time
}

// run writes until ctx ends, and then leaves the last line standing.
func (p *progress) run(ctx context.Context) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	phase, before, since := "sending", uint64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			if p.terminal {
				p.write("\n")
			}
			return
		case phase = <-p.phase:
		case now := <-tick.C:
			produced := p.ledger.totals().produced()
			recent, waiting := p.queues.tick()
			seen := "nothing became visible"
			if recent.count > 0 {
				seen = fmt.Sprintf("visible p50 %5d ms  p99 %5d ms", recent.p50.Milliseconds(), recent.p99.Milliseconds())
			}
			line := fmt.Sprintf("%s  %-8s %7s events/s  lag %8s  %s  sent %s", now.Format(time.TimeOnly), phase,
				grouped(uint64(float64(produced-before)/now.Sub(since).Seconds())), grouped(uint64(waiting)), seen, grouped(produced))
			if trouble := p.watch.trouble.Load(); trouble != nil {
				line += fmt.Sprintf("  (ClickHouse does not answer: %.60v)", *trouble)
			}
			before, since = produced, now
			if p.terminal {
				p.write("\r\x1b[K" + line)
			} else {
				p.write(line + "\n")
			}
		}
	}
}

func (p *progress) write(s string) {
	// A progress line that cannot be written is of no use to anyone, and no
	// reason to end a measurement.
	_, _ = io.WriteString(p.out, s)
}

// grouped writes n with a comma every three digits.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
