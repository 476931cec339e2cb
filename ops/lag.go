package ops

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"penstock/pipeline"
)

// Lag knows where an ingest node stands in its partitions, how far it is behind,
// and when it will have caught up. It tells the log when that is far, every so
// often while it lasts, and when it is over.
type Lag struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex // guards what follows
	backlog backlog
	looked  time.Time // when it was last seen whether there is something to tell
	since   time.Time // when the node was found to be behind; zero if it is not
	told    time.Time // when that was last told; zero if it was not
}

const (
	// tellBehind is how old the oldest record that is not committed has to be. It
	// is longer than a restart takes, which is nobody's concern.
	tellBehind = 30 * time.Second
	// tellEvery is the time between two lines of a node that is behind.
	tellEvery = 10 * time.Second
	// tellWithin is how long the first line waits for a forecast to put in it.
	tellWithin = 5 * time.Second
	// lookEvery bounds what looking costs, which is done at a node's events.
	lookEvery = time.Second
)

// NewLag returns the lag of a node that has no partition yet.
func NewLag(log *slog.Logger) *Lag { return &Lag{log: log, now: time.Now, backlog: newBacklog()} }

// PipelineEvents returns the hooks by which it knows.
func (l *Lag) PipelineEvents() pipeline.Events {
	return pipeline.Events{
		Assigned:  func(p []int32) { l.update(func(b *backlog, _ time.Time) { b.assigned(p) }) },
		Settled:   func(e pipeline.Settled) { l.update(func(b *backlog, _ time.Time) { b.settled(e) }) },
		Revoked:   func(p []int32) { l.update(func(b *backlog, _ time.Time) { b.disowned(p) }) },
		Lost:      func(p []int32) { l.update(func(b *backlog, _ time.Time) { b.disowned(p) }) },
		Polled:    func(e pipeline.Polled) { l.update(func(b *backlog, now time.Time) { b.polled(e, now) }) },
		Committed: func(e pipeline.Committed) { l.update(func(b *backlog, now time.Time) { b.committed(e, now) }) },
	}
}

func (l *Lag) update(change func(*backlog, time.Time)) {
	l.mu.Lock()
	now := l.now()
	change(&l.backlog, now)
	line := l.look(now)
	l.mu.Unlock()
	if line != nil {
		l.log.LogAttrs(context.Background(), line.level, line.what, line.attrs...)
	}
}

// line is one of the log.
type line struct {
	level slog.Level
	what  string
	attrs []slog.Attr
}

// look returns what is to be told now, nil for nothing.
func (l *Lag) look(now time.Time) *line {
	if now.Sub(l.looked) < lookEvery {
		return nil
	}
	l.looked = now
	s := l.backlog.standing(now)
	switch {
	case l.since.IsZero() && s.age > tellBehind:
		l.since = now
		fallthrough
	case !l.since.IsZero() && l.told.IsZero() && s.behind():
		if !s.rated && now.Sub(l.since) < tellWithin {
			return nil
		}
		l.told = now
		return &line{slog.LevelWarn, "far behind", s.attrs()}
	case l.since.IsZero():
		return nil
	case !s.behind():
		took, told := now.Sub(l.since), !l.told.IsZero()
		l.since, l.told = time.Time{}, time.Time{}
		if !told { // nobody knows of it
			return nil
		}
		return &line{slog.LevelInfo, "caught up", []slog.Attr{slog.Duration("after", took.Round(time.Second))}}
	case now.Sub(l.told) >= tellEvery:
		l.told = now
		what := "catching up"
		if !s.foreseen {
			what = "still far behind"
		}
		return &line{slog.LevelInfo, what, s.attrs()}
	}
	return nil
}

func (s standing) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Int64("records", s.todo), slog.Duration("oldest", s.age.Round(time.Second))}
	if s.rated {
		attrs = append(attrs, slog.Int64("done_per_second", int64(s.done)), slog.Int64("arriving_per_second", int64(s.arriving)))
	}
	return append(attrs, slog.String("caught_up_in", s.forecast()))
}

// forecast is when the node will have caught up, for people.
func (s standing) forecast() string {
	switch {
	case s.foreseen:
		return s.left.Round(time.Second).String()
	case s.rated:
		return "never at this rate"
	}
	return "not known yet"
}

// String is the page /lag: the partitions in a table, and what is to be said of
// all of them.
func (l *Lag) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var page strings.Builder
	table := tabwriter.NewWriter(&page, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "partition\tcommitted\thigh watermark\tlag\tof it in gaps\toldest\t")
	for _, id := range slices.Sorted(maps.Keys(l.backlog.owned)) {
		p := l.backlog.owned[id]
		lag, age := "?", "?"
		if n, known := p.lag(); known {
			lag = fmt.Sprint(n)
		}
		if d, known := p.age(now); known {
			age = d.Round(100 * time.Millisecond).String()
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\t\n", id, offset(p.committed), offset(p.high), lag, max(0, p.gap), age)
	}
	_ = table.Flush() // a builder takes everything
	s := l.backlog.standing(now)
	rates := "rates are not known yet"
	if s.rated {
		rates = fmt.Sprintf("%.0f records/s done, %.0f arriving", s.done, s.arriving)
	}
	fmt.Fprintf(&page, "\n%d records to do, the oldest from %v ago\n%s\ncaught up in: %s\n",
		s.todo, s.age.Round(100*time.Millisecond), rates, s.forecast())
	return page.String()
}

// offset is one that may not be known.
func offset(o int64) string {
	if o < 0 {
		return "?"
	}
	return fmt.Sprint(o)
}
