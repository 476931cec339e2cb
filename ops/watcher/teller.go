package watcher

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"penstock/ops/canary"
)

// teller tells the log what has changed: what a look says again is not told again.
type teller struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	troubles map[string]bool
	missing  int // canaries, since the last that was seen
	since    time.Time
	told     time.Time
	lates    *rate.Limiter
}

// missedEvery is the time between two lines while canaries are missed.
const missedEvery = time.Minute

// trouble tells of a problem that was not there before, or of its end.
func (t *teller) trouble(what string, problem string) {
	t.mu.Lock()
	had := t.troubles[what]
	if t.troubles == nil {
		t.troubles = map[string]bool{}
	}
	t.troubles[what] = problem != ""
	t.mu.Unlock()
	switch {
	case problem != "" && !had:
		t.log.Warn(what, "problem", problem)
	case problem == "" && had:
		t.log.Info(what + ": no more")
	}
}

func (t *teller) kafka(g Group, err error) {
	if err != nil {
		t.trouble("kafka does not answer", err.Error())
		return
	}
	t.trouble("kafka does not answer", "")
	empty := ""
	if g.Members == 0 {
		empty = "no node is in the consumer group: nothing is stored"
	}
	t.trouble("no node", empty)
	for _, p := range g.Partitions {
		gone := ""
		switch {
		case p.Gone > 0:
			gone = fmt.Sprintf("offset out of range: Kafka has deleted %d records of p%d that were not stored; a node stops there until a person decides where to go on", p.Gone, p.ID)
		case p.Beyond:
			gone = fmt.Sprintf("offset out of range: the group has committed more of p%d than there is, so the topic was made anew; give the group another name, or reset its offsets", p.ID)
		}
		t.trouble(fmt.Sprintf("p%d cannot be read on", p.ID), gone)
		t.trouble(fmt.Sprintf("the commit of p%d is not understood", p.ID), p.Note)
	}
}

func (t *teller) server(name string, s Server, err error) {
	what := "clickhouse shard " + name + " does not answer"
	if err != nil {
		t.trouble(what, err.Error())
		return
	}
	t.trouble(what, "")
	for _, missing := range s.Missing {
		t.trouble("clickhouse shard "+name+" does not tell of "+missing.what, missing.why)
	}
}

// missed tells of a canary that was lost or could not be sent.
func (t *teller) missed(why string) {
	now := time.Now()
	t.mu.Lock()
	if t.missing++; t.missing == 1 {
		t.since = now
	}
	n, since, quiet := t.missing, t.since, now.Sub(t.told) < missedEvery
	if !quiet {
		t.told = now
	}
	t.mu.Unlock()
	if !quiet {
		t.log.Warn("canaries are not visible", "missed", n, "for", now.Sub(since).Round(time.Second), "last", why)
	}
}

func (t *teller) seen() {
	t.mu.Lock()
	n, since := t.missing, t.since
	t.missing, t.told = 0, time.Time{}
	t.mu.Unlock()
	if n > 0 {
		t.log.Info("canaries are visible again", "missed", n, "after", time.Since(since).Round(time.Second))
	}
}

// late tells of a canary that came after it had been given up, of few of many.
func (t *teller) late(c canary.Canary, took time.Duration) {
	t.mu.Lock()
	if t.lates == nil {
		t.lates = rate.NewLimiter(rate.Every(10*time.Second), 3)
	}
	tell := t.lates.Allow()
	t.mu.Unlock()
	if tell {
		t.log.Info("a canary that was given up came after all", "partition", c.Partition, "after", took.Round(time.Millisecond))
	}
}
