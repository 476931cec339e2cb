package main

import (
	"fmt"
	"io"
	"os"
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
// read or written, elsewhere a line now and then. Lines are for every step.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil where there is no terminal
	bar  *mpb.Bar      // of the running step, nil if none
	name string        // of the bar
	said time.Time     // when a line of the running step was last written
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f))
		p.out = p.bars // lines above the bar
	}
	return p
}

func (p *progress) close() {
	if p.bars != nil {
		p.endBar()
		p.bars.Wait()
	}
}

// say writes a line. There is nobody to tell if that fails.
func (p *progress) say(format string, args ...any) {
	p.endBar()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *progress) events() tiering.Events {
	return tiering.Events{
		Begun: func(tiering.Step) { p.said = time.Now() },
		Done: func(s tiering.Step, took time.Duration) {
			p.say("%v: done in %v", s, took.Round(time.Millisecond))
		},
		FileStored: func(_ schema.Day, f tiering.File) {
			p.say("  stored %s: %d rows, %d bytes", f.Path, f.Rows, f.Bytes)
		},
		Exporting: func(day schema.Day, rows, of uint64) { p.show(fmt.Sprintf("export %s", day), rows, of) },
		Verified:  func(day schema.Day, rows, of uint64) { p.show(fmt.Sprintf("verify %s", day), rows, of) },
	}
}

func (p *progress) show(name string, rows, of uint64) {
	if p.bars == nil {
		if time.Since(p.said) >= lineEvery {
			p.say("  %s: %d of %d rows", name, rows, of)
			p.said = time.Now()
		}
		return
	}
	if p.name != name {
		p.endBar()
		p.name = name
		p.bar = p.bars.AddBar(int64(of), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(name+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d rows "), decor.AverageSpeed(0, "%.0f/s ")))
	}
	p.bar.SetCurrent(int64(rows))
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar, p.name = nil, ""
	}
}
