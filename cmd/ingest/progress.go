package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"penstock/ops/audit"
)

// lineEvery is how often work is heard of where there is no terminal.
const lineEvery = 10 * time.Second

// progress shows work that is counted: a bar on a terminal, a line now and then
// elsewhere.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil where there is no terminal
	bar  *mpb.Bar      // of what is being done, nil if none
	what string        // of the bar
	said time.Time     // when a line was last written
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, said: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f))
	}
	return p
}

func (p *progress) close() {
	if p.bars != nil {
		p.endBar()
		p.bars.Wait()
	}
}

func (p *progress) audit(now audit.Progress) { p.show(now.What, now.Done, now.Of) }

func (p *progress) show(what string, done, of int64) {
	if p.bars == nil {
		if time.Since(p.said) >= lineEvery {
			// There is nobody to tell that a line cannot be written.
			_, _ = fmt.Fprintf(p.out, "%s: %d of %d\n", what, done, of)
			p.said = time.Now()
		}
		return
	}
	if p.what != what {
		p.endBar()
		p.what = what
		p.bar = p.bars.AddBar(of, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(what+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.bar.SetCurrent(done)
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar, p.what = nil, ""
	}
}
