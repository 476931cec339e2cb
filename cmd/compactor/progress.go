package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"penstock/schema"
	"penstock/tiering"
)

// lineEvery is how often a long step is heard of where there is no terminal.
const lineEvery = 10 * time.Second

// progress shows a compactor at work: on a terminal a bar for what is being
// read or written, elsewhere a line now and then, of the same figures. Lines are
// for every step.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil where there is no terminal

	mu    sync.Mutex // guards what follows
	tasks map[schema.Day]*task
}

// task is what is being done to a day.
type task struct {
	name  string
	begun time.Time
	said  time.Time // when a line was last written of it
	bar   *mpb.Bar  // nil where there is no terminal
	// text is what the bar says. The bar's goroutine reads it, which must not
	// wait for whoever waits for the bar, so no lock guards it.
	text atomic.Pointer[string]

	// Of the day's files, in the running step.
	stored, read int64
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, tasks: map[schema.Day]*task{}}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f))
		p.out = p.bars // lines above the bars
	}
	return p
}

func (p *progress) close() {
	if p.bars == nil {
		return
	}
	p.mu.Lock()
	for _, t := range p.tasks {
		t.end()
	}
	p.mu.Unlock()
	p.bars.Wait()
}

// say writes a line. There is nobody to tell if that fails.
func (p *progress) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *progress) events() tiering.Events {
	return tiering.Events{
		Begun: func(s tiering.Step) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.of(s.Day).end()
			p.tasks[s.Day] = &task{said: time.Now()}
		},
		Done: func(s tiering.Step, took time.Duration) {
			p.mu.Lock()
			p.of(s.Day).end()
			p.mu.Unlock()
			p.say("%v: done in %v", s, took.Round(time.Millisecond))
		},
		Failed: func(s tiering.Step, _ error) {
			p.mu.Lock()
			p.of(s.Day).end()
			p.mu.Unlock()
			p.say("%v: failed", s) // the error comes in the end, with those of other days
		},
		FileStored: func(day schema.Day, f tiering.File) {
			p.mu.Lock()
			p.of(day).stored += f.Bytes
			p.mu.Unlock()
			p.say("  stored %s: %d rows, %d bytes", f.Path, f.Rows, f.Bytes)
		},
		FileRead: func(day schema.Day, f tiering.File) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.of(day).read += f.Bytes
		},
		Exporting: func(day schema.Day, rows, of uint64) {
			p.show("export", day, rows, of, func(t *task) int64 { return t.stored })
		},
		Verified: func(day schema.Day, rows, of uint64) {
			p.show("verify", day, rows, of, func(t *task) int64 { return t.read })
		},
		Loaded: func(day schema.Day, rows, of uint64) {
			p.show("load", day, rows, of, func(t *task) int64 { return t.read })
		},
		Compared: func(day schema.Day, rows, of uint64) {
			p.show("compare", day, rows, of, func(*task) int64 { return 0 })
		},
	}
}

// of returns the day's task. The caller holds the lock.
func (p *progress) of(day schema.Day) *task {
	if p.tasks[day] == nil {
		p.tasks[day] = &task{said: time.Now()}
	}
	return p.tasks[day]
}

// noDay is the task that is about all of the days.
const noDay schema.Day = 0

// whole shows work on all days together.
func (p *progress) whole(doing string, rows, of uint64, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(p.of(noDay), doing, rows, of, bytes)
}

func (p *progress) show(doing string, day schema.Day, rows, of uint64, bytes func(*task) int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of(day)
	p.draw(t, fmt.Sprintf("%s %s", doing, day), rows, of, bytes(t))
}

// draw shows a task's figures. The caller holds the lock.
func (p *progress) draw(t *task, name string, rows, of uint64, bytes int64) {
	now := time.Now()
	if t.name != name {
		t.end()
		t.name, t.begun = name, now
	}
	text := figures(rows, of, bytes, now.Sub(t.begun))
	t.text.Store(&text)
	if p.bars == nil {
		if now.Sub(t.said) >= lineEvery {
			p.say("  %s: %s", name, text)
			t.said = now
		}
		return
	}
	if t.bar == nil {
		t.bar = p.bars.AddBar(int64(of), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(name+" ")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + *t.text.Load() })))
	}
	t.bar.SetCurrent(int64(rows))
}

// end removes the task's bar. The caller holds the progress's lock, or is the
// only one.
func (t *task) end() {
	if t.bar != nil {
		t.bar.Abort(true)
		t.bar = nil
	}
	t.name = ""
}

// figures says how far a task is: rows, rows a second, bytes of files where
// there are any, and the time that is left at this rate.
func figures(rows, of uint64, bytes int64, took time.Duration) string {
	text := fmt.Sprintf("%d of %d rows", rows, of)
	if took < time.Second {
		return text // a rate would be a guess
	}
	rate := float64(rows) / took.Seconds()
	text += fmt.Sprintf(", %.0f rows/s", rate)
	if bytes > 0 {
		text += ", " + size(uint64(bytes))
	}
	if rows > 0 && rows < of {
		left := time.Duration(float64(of-rows) / rate * float64(time.Second))
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}

// size writes a number of bytes in the largest unit that it has one of.
func size(bytes uint64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1000, 0
	const units = "kMGTPE"
	for ; value >= 1000; unit++ {
		value /= 1000
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}
