package fetch

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows fetches that go on at the same time.
type display interface {
	// start begins an item; its track is ended exactly once.
	start(Item) *track
	// close waits until everything said is shown.
	close()
}

// newDisplay chooses bars for a terminal and plain lines for everything else,
// such as a terminal without a size: it has no row to draw a bar on.
func newDisplay(out io.Writer) display {
	if f, ok := out.(*os.File); ok {
		if _, rows, err := term.GetSize(int(f.Fd())); err == nil && rows > 0 {
			return &bars{progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))}
		}
	}
	return &lines{out: out}
}

// track is one item's line of a display.
type track struct {
	// every is how often the size is looked at. It costs a walk over a few
	// thousand files.
	every time.Duration
	at    func(bytes int64)
	end   func(error)
}

// watch reports the size of a folder until the function it returns is called.
func (t *track) watch(dir string) (stop func()) {
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		tick := time.NewTicker(t.every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				t.at(size(dir))
			}
		}
	})
	return func() { close(done); watcher.Wait() }
}

// size adds up the files that could be seen: they come and go meanwhile, and
// what could not be seen now is counted the next time.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// bars shows a bar for each item.
type bars struct{ progress *mpb.Progress }

func (b *bars) start(i Item) *track {
	name := decor.Name(i.String(), decor.WC{W: 18, C: decor.DindentRight})
	elapsed := decor.OnAbort(decor.OnComplete(decor.Elapsed(decor.ET_STYLE_MMSS, decor.WC{W: 6}), "  done"), "  failed")
	if i.Bytes == 0 {
		spin := b.progress.AddSpinner(1, mpb.PrependDecorators(name), mpb.AppendDecorators(elapsed))
		return &track{every: time.Second, at: func(int64) {}, end: func(err error) { finish(spin, 1, err) }}
	}
	bar := b.progress.AddBar(i.Bytes, mpb.PrependDecorators(name),
		mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), elapsed))
	return &track{
		every: 200 * time.Millisecond,
		// Never the whole of it: Bytes is an estimate, and only the rename is
		// the end.
		at:  func(bytes int64) { bar.SetCurrent(min(bytes, i.Bytes*99/100)) },
		end: func(err error) { finish(bar, i.Bytes, err) },
	}
}

func finish(bar *mpb.Bar, total int64, err error) {
	if err != nil {
		bar.Abort(false)
		return
	}
	bar.SetCurrent(total)
}

func (b *bars) close() { b.progress.Wait() }

// lines says when an item begins and ends, and where it is every five seconds.
type lines struct {
	mu  sync.Mutex // one line at a time
	out io.Writer
}

func (l *lines) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Progress that cannot be shown is no reason to fail a fetch.
	_, _ = fmt.Fprintf(l.out, format+"\n", args...)
}

func (l *lines) start(i Item) *track {
	began := time.Now()
	l.say("fetch %v ...", i)
	return &track{
		every: 5 * time.Second,
		at: func(bytes int64) {
			elapsed := time.Since(began).Round(time.Second)
			if i.Bytes == 0 {
				l.say("fetch %v: %v", i, elapsed)
				return
			}
			l.say("fetch %v: %v, %d %%", i, elapsed, min(99, bytes*100/i.Bytes))
		},
		end: func(err error) {
			elapsed := time.Since(began).Round(100 * time.Millisecond)
			if err != nil {
				l.say("fetch %v: failed after %v", i, elapsed)
				return
			}
			l.say("fetch %v: done in %v", i, elapsed)
		},
	}
}

func (l *lines) close() {}
