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

// lineEvery is how often an audit is heard of where there is no terminal.
const lineEvery = 10 * time.Second

// auditProgress shows an audit at work: a bar on a terminal, a line now and then
// elsewhere.
type auditProgress struct {
	out  io.Writer
	bars *mpb.Progress // nil where there is no terminal
	bar  *mpb.Bar      // of what is being done, nil if none
	what string        // of the bar
	said time.Time     // when a line was last written
}

func newAuditProgress(out io.Writer) *auditProgress {
	p := &auditProgress{out: out, said: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f))
	}
	return p
}

func (p *auditProgress) close() {
	if p.bars != nil {
		p.endBar()
		p.bars.Wait()
	}
}

func (p *auditProgress) show(now audit.Progress) {
	if p.bars == nil {
		if time.Since(p.said) >= lineEvery {
			// There is nobody to tell that a line cannot be written.
			_, _ = fmt.Fprintf(p.out, "%s: %d of %d\n", now.What, now.Done, now.Of)
			p.said = time.Now()
		}
		return
	}
	if p.what != now.What {
		p.endBar()
		p.what = now.What
		p.bar = p.bars.AddBar(now.Of, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(now.What+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.bar.SetCurrent(now.Done)
}

func (p *auditProgress) endBar() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar, p.what = nil, ""
	}
}
