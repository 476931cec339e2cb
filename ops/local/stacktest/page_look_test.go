package stacktest

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/ops/local/browser"
	"penstock/ops/local/fetch"
	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/state"
	"penstock/ops/state/statetest"
)

var rewrite = flag.Bool("rewrite", false, "write the pictures of docs/page; look at them before you keep them")

// screens are what the page is looked at on: a desk, a tablet, a phone.
var screens = []struct {
	width int64
	dark  bool
}{{1440, false}, {1440, true}, {768, false}, {768, true}, {360, false}, {360, true}}

// tab opens a page of a browser of its own.
func tab(t *testing.T) *browser.Page {
	t.Helper()
	p, err := browser.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// shown serves the page with a state of statetest.
func shown(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := statetest.New(name)
	mux := http.NewServeMux()
	for pattern, handler := range page.New(func() state.State { return s }, page.NewPeers(page.Config{}, peer.Access{})).Handlers() {
		if pattern != "GET "+page.StatePath {
			mux.Handle(pattern, handler)
		}
	}
	mux.HandleFunc("GET "+page.StatePath, func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(s); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// axe returns the script that finds faults of accessibility.
func axe(t *testing.T) string {
	t.Helper()
	cache := config(t, "").Cache
	if err := cache.Ensure(t.Context(), fetch.Axe); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cache.Path(fetch.Axe))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPageLooks: on each screen, in each colour, with each thing that can be wrong, the page
// fits, can be read by everybody, and says what it is about.
func TestPageLooks(t *testing.T) {
	p, script := tab(t), axe(t)
	for _, name := range statetest.Names() {
		server := shown(t, name)
		for _, screen := range screens {
			where := fmt.Sprintf("%s at %d, dark %v", name, screen.width, screen.dark)
			if err := p.Screen(screen.width, screen.dark); err != nil {
				t.Fatal(err)
			}
			if err := p.Go(server.URL, "#flow"); err != nil {
				t.Fatal(where, err)
			}
			fits(t, p, where)
			accessible(t, p, script, where)
			picture(t, p, fmt.Sprintf("%s-%d", name, screen.width), screen.dark)
		}
		headline, err := p.Text("#said")
		if want := statetest.New(name).Headline.Text + "."; err != nil || headline != want {
			t.Errorf("%s: the headline is %q, %v; want %q", name, headline, err, want)
		}
		if faults := p.Faults(server.Listener.Addr().String()); len(faults) > 0 {
			t.Errorf("%s: %s", name, strings.Join(faults, "\n"))
		}
	}
}

// fits: nothing makes the page wider than the screen.
func fits(t *testing.T, p *browser.Page, where string) {
	t.Helper()
	wide, err := browser.Eval[[]string](p, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .unseen, svg")).map(e => e.tagName + "." + e.className + " " + e.textContent.slice(0, 40))`)
	if err != nil {
		t.Fatal(where, err)
	}
	over, err := browser.Eval[int](p, `document.documentElement.scrollWidth - innerWidth`)
	if err != nil || over > 0 || len(wide) > 0 {
		t.Errorf("%s: %d pixels too wide, %v: %q", where, over, err, wide)
	}
}

// accessible: axe finds nothing against WCAG AA, contrast of colours among it.
func accessible(t *testing.T, p *browser.Page, script, where string) {
	t.Helper()
	if _, err := browser.Eval[bool](p, script+";true"); err != nil {
		t.Fatal(where, err)
	}
	found, err := browser.Eval[[]string](p, `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 160) + " " + n.failureSummary)))`)
	if err != nil {
		t.Fatal(where, err)
	}
	for _, one := range found {
		t.Errorf("%s: %s", where, one)
	}
}

// maxPicture bounds one of docs/page, in bytes.
const maxPicture = 150_000

// picture writes one for docs/page, if it is asked to and it is one of those.
func picture(t *testing.T, p *browser.Page, name string, dark bool) {
	t.Helper()
	if dark {
		name += "-dark"
	}
	if !*rewrite || !strings.HasPrefix(name, statetest.Healthy) && !strings.HasPrefix(name, statetest.Away) && !strings.HasPrefix(name, "live") {
		return
	}
	shot, err := p.Picture()
	if err != nil {
		t.Fatal(err)
	}
	if len(shot) > maxPicture {
		t.Errorf("the picture %s has %d bytes, want at most %d", name, len(shot), maxPicture)
	}
	overwrite(t, filepath.Join("..", "..", "..", "docs", "page", name+".webp"), shot)
}

// TestPageKeys: who has no mouse reaches everything, in the order it is read, and sees
// where he is; who cannot see hears the headline once.
func TestPageKeys(t *testing.T) {
	p := tab(t)
	server := shown(t, statetest.Away)
	if err := p.Screen(1440, false); err != nil {
		t.Fatal(err)
	}
	if err := p.Go(server.URL, "#flow"); err != nil {
		t.Fatal(err)
	}
	const reachable = `[...document.querySelectorAll("a[href], summary, [tabindex='0']")].filter(e => e.checkVisibility())`
	all, err := browser.Eval[int](p, reachable+`.length`)
	if err != nil || all < 10 {
		t.Fatalf("%d elements can be reached, %v", all, err)
	}
	var order []int
	for i := range all {
		if err := p.Press("\t"); err != nil {
			t.Fatal(err)
		}
		at, err := browser.Eval[int](p, reachable+`.indexOf(document.activeElement)`)
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, at)
		ring, err := browser.Eval[bool](p, `document.activeElement.matches(":focus-visible") && getComputedStyle(document.activeElement).outlineStyle !== "none"`)
		if err != nil || !ring {
			what, _ := browser.Eval[string](p, `document.activeElement.outerHTML.slice(0, 80)`)
			t.Errorf("stop %d shows no focus, %v: %s", i, err, what)
		}
	}
	if !slices.IsSorted(order) || order[0] != 0 || order[all-1] != all-1 {
		t.Errorf("the keyboard goes through %v of %d", order, all)
	}
	// What is asked anew does not take the focus away, nor close what is open.
	again, err := browser.Eval[string](p, `(async () => {
		const d = document.querySelector(".others details"); d.open = true; d.querySelector("summary").focus();
		const before = document.querySelector(".others details"), said = [];
		new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true });
		while (document.querySelector(".others details") === before) await new Promise(r => setTimeout(r, 50));
		const now = document.querySelector(".others details");
		return JSON.stringify([now.open, document.activeElement === now.querySelector("summary"), said.length, live.textContent.length > 0]);
	})()`)
	if err != nil || again != "[true,true,0,true]" {
		t.Errorf("asked again: open, focused, times it was said, that it was said at all: %s, %v", again, err)
	}
}

// TestPageWords: the page and the terminal write numbers alike.
func TestPageWords(t *testing.T) {
	p := tab(t)
	if err := p.Go(shown(t, statetest.Healthy).URL, "#flow"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []float64{0, 0.4, 0.61, 7, 9.94, 9.96, 59.4, 59.6, 252, 999, 999.6, 1234, 3599.7, 9994, 9996, 12_345, 86_400, 273_600, 1_234_567, 5.52e9, 1.31e12} {
		for name, write := range map[string]func(float64) string{"seconds": state.Seconds, "count": state.Count, "bytes": state.Bytes} {
			got, err := browser.Eval[string](p, fmt.Sprintf(`import("/page/words.js").then(w => w.%s(%v))`, name, n))
			if want := write(n); err != nil || got != want {
				t.Errorf("%s of %v: the page writes %q, %v; the terminal %q", name, n, got, err, want)
			}
		}
	}
}
