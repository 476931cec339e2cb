// Package browser drives a Chromium that has no window, to see a page as a person
// would: what it says, what it looks like, what is wrong with it.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab of a Chromium of its own.
type Page struct {
	ctx   context.Context
	close func()

	mu     sync.Mutex // guards what follows
	faults []string
	asked  []string // URLs
}

// Open starts a Chromium. Profile is an empty folder for what it writes. It runs
// without its sandbox, which root has none of: open pages of this machine alone.
func Open(ctx context.Context, profile string) (*Page, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w; install Debian's package chromium", err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.NoFirstRun, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true),
	}
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, leave := chromedp.NewContext(ctx)
	p := &Page{ctx: ctx, close: func() { leave(); stop() }}
	if err := p.listen(); err != nil {
		p.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

// Close ends the Chromium.
func (p *Page) Close() { p.close() }

func (p *Page) listen() error {
	if err := chromedp.Listen(p.ctx, p.heard); err != nil {
		return err
	}
	if _, err := chromedp.Call(p.ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	_, err := chromedp.Call(p.ctx, log.Enable, cdp.Empty{})
	return err
}

func (p *Page) heard(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.faults = append(p.faults, text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			text := string(e.Type)
			for _, arg := range e.Args {
				text += " " + string(arg.Value) + arg.Description
			}
			p.faults = append(p.faults, text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	}
}

// Faults returns what was wrong since it was asked last: errors and warnings of scripts
// and of the browser, and requests for anything but the host.
func (p *Page) Faults(host string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	faults := append([]string{}, p.faults...)
	for _, asked := range p.asked {
		if u, err := url.Parse(asked); err != nil || u.Host != host && u.Scheme != "data" && u.Scheme != "about" {
			faults = append(faults, "it asked for "+asked)
		}
	}
	p.faults, p.asked = nil, nil
	return faults
}

// soon bounds whatever a page is asked.
const soon = time.Minute

// Go opens a URL, and returns when there is something of a CSS selector to be seen.
func (p *Page) Go(url, selector string) error {
	return p.do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Press presses a key.
func (p *Page) Press(key string) error { return p.do(chromedp.KeyEvent(key)) }

func (p *Page) do(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, stop := context.WithTimeout(p.ctx, soon)
	defer stop()
	return chromedp.Do(ctx, actions...)
}

// Screen has the page be so wide, in light or dark colours.
func (p *Page) Screen(width int64, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, size); err != nil {
		return err
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media)
	return err
}

// Text returns what is to be read of the first element of a CSS selector, with plain
// spaces; empty if there is none. It is one question: a page that is drawn anew has
// replaced the element by a second one.
func (p *Page) Text(selector string) (string, error) {
	text, err := Eval[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
	return strings.ReplaceAll(text, "\u00a0", " "), err
}

// Eval returns what an expression of JavaScript is.
func Eval[T any](p *Page, expression string) (T, error) {
	ctx, stop := context.WithTimeout(p.ctx, soon)
	defer stop()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Picture returns all of the page as WebP.
func (p *Page) Picture() ([]byte, error) {
	quality, all := int64(70), true
	shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality, CaptureBeyondViewport: &all})
	return shot.Data, err
}

// Await waits until an element's text has all of what is wanted.
func (p *Page) Await(selector string, within time.Duration, want ...string) error {
	last := ""
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		text, err := p.Text(selector)
		if err != nil {
			return err
		}
		last = text
		missing := false
		for _, w := range want {
			missing = missing || !strings.Contains(text, w)
		}
		if !missing {
			return nil
		}
	}
	return errors.New(strings.Join(want, ", ") + " never came; last there was: " + last)
}
