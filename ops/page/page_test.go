package page

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"penstock/ops/peer"
	"penstock/ops/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a program's page.
func serve(t *testing.T, name string, peers *Peers) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	own := func() state.State {
		return state.State{Programs: []state.Program{{Name: name, Kind: "ingest"}}, Streams: []state.Stream{{Name: "fleet", Nodes: []string{name}}}}
	}
	for pattern, handler := range New(own, peers).Handlers() {
		mux.Handle(pattern, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections(); server.Close() })
	return server
}

func nobody() *Peers { return NewPeers(Config{}, peer.Access{}) }

// answered is what a server said.
type answered struct {
	status int
	header http.Header
	text   string
}

// get asks for a page, of which the one of this ETag is there already.
func get(t *testing.T, url, etag string) answered {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("If-None-Match", etag)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answered{answer.StatusCode, answer.Header, string(text)}
}

// TestServed: each file of the page comes as what it is, under a policy that lets it load
// nothing from elsewhere; and nothing else comes.
func TestServed(t *testing.T) {
	server := serve(t, "a:9464", nobody())
	f := func(path, kind, begins string) {
		t.Helper()
		answer := get(t, server.URL+path, "")
		policy := answer.header.Get("Content-Security-Policy")
		if answer.status != http.StatusOK || answer.header.Get("Content-Type") != kind || !strings.HasPrefix(answer.text, begins) {
			t.Errorf("%s: %d, %s, %.40q", path, answer.status, answer.header.Get("Content-Type"), answer.text)
		}
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || answer.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s comes with the policy %q", path, policy)
		}
	}
	f("/", "text/html; charset=utf-8", "<!doctype html>")
	f("/page/page.css", "text/css; charset=utf-8", "/*")
	f("/page/main.js", "text/javascript; charset=utf-8", "//")
	f("/page/icon.svg", "image/svg+xml", "<svg")
	f("/state", "application/json", "{")
	for _, path := range []string{"/page/", "/page/none.js", "/page/..%2fpage.go", "/index.html", "/state/other"} {
		if answer := get(t, server.URL+path, ""); answer.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.status)
		}
	}
	// A browser that has it is told so.
	if again := get(t, server.URL+"/page/main.js", get(t, server.URL+"/page/main.js", "").header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("asked again: %d", again.status)
	}
}

// TestFiles: what the page is made of is here, and nothing of it is written into the HTML,
// where the policy forbids it.
func TestFiles(t *testing.T) {
	names := map[string]string{}
	err := fs.WalkDir(files, "assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		names["/page/"+d.Name()] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	index := names["/page/index.html"]
	used := regexp.MustCompile(`(?:src|href|url|from)[=( ]+"([^"#]+)"`)
	for name, text := range names {
		for _, match := range used.FindAllStringSubmatch(text, -1) {
			path := strings.Replace(match[1], "./", "/page/", 1)
			if _, ok := names[path]; !ok && path != StatePath {
				t.Errorf("%s uses %s, which is not there", name, match[1])
			}
		}
		for _, match := range regexp.MustCompile(`https?://[^" ]+`).FindAllString(text, -1) {
			if !strings.HasPrefix(match, "http://www.w3.org/") { // the name of a namespace
				t.Errorf("%s names %s", name, match)
			}
		}
		if strings.Contains(text, "innerHTML") {
			t.Errorf("%s reads text as HTML", name)
		}
		if lines := strings.Count(text, "\n"); lines > 350 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
	if regexp.MustCompile(`<script>|<style|style=| on[a-z]+=`).MatchString(index) {
		t.Error("index.html has a script or a style in it")
	}
	for _, want := range []string{`<html lang="en">`, `<h1`, `<main id="main"`, `class="skip" href="#main"`, `<nav aria-label=`, `aria-live="polite"`, `<noscript>`, `name="viewport"`} {
		if !strings.Contains(index, want) {
			t.Errorf("index.html lacks %s", want)
		}
	}
}

// TestPeers: one page shows all programs, and who does not answer, since when.
func TestPeers(t *testing.T) {
	a, b := serve(t, "a:9464", nobody()), serve(t, "b:9464", nobody())
	addr := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	peers := NewPeers(Config{Peers: []string{addr(a), addr(b)}}, peer.Access{})
	p := New(func() state.State { return state.State{Programs: []state.Program{{Name: "b:9464", Kind: "ingest"}}} }, peers)
	peers.ask(t.Context())
	s := p.State()
	// b is the program itself, and is not there twice.
	if len(s.Programs) != 2 || len(s.Peers) != 1 || s.Peers[0].Away() || s.Peers[0].Program != "a:9464" || len(s.Streams) != 1 {
		t.Fatalf("both answer: %+v", s)
	}
	a.Close()
	peers.ask(t.Context())
	gone := p.State()
	if len(gone.Programs) != 1 || !gone.Peers[0].Away() || gone.Peers[0].Error == "" || gone.Peers[0].Kind != "ingest" || len(gone.Findings) != 1 || gone.Findings[0].ID != "away" {
		t.Fatalf("a is gone: %+v", gone)
	}
	peers.ask(t.Context())
	if still := p.State(); still.Peers[0].Since != gone.Peers[0].Since {
		t.Errorf("it is away since %v, and later since %v", gone.Peers[0].Since, still.Peers[0].Since)
	}
	end := NewPeers(Config{Peers: []string{addr(b)}}, peer.Access{}).During()
	end()
}

// TestForgotten: an address no name stands for any more is away, and then forgotten.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPeers(Config{}, peer.Access{})
		p.answered("10.0.0.7:9464", state.State{Programs: []state.Program{{Name: "a:9464", Kind: "ingest"}}}, nil)
		at := func(after time.Duration) []state.State {
			time.Sleep(after)
			p.ask(t.Context())
			return p.states("self")
		}
		if all := at(askEvery); len(all) != 2 || all[1].Peers[0].Away() {
			t.Errorf("it has just answered: %+v", all)
		}
		if all := at(time.Minute); len(all) != 2 || !all[1].Peers[0].Away() || len(all[0].Programs) != 0 {
			t.Errorf("its name is gone: %+v", all)
		}
		if all := at(goneAfter); len(all) != 1 {
			t.Errorf("it is forgotten: %+v", all)
		}
	})
}

// TestAsk: what is no state is an error that says where it came from.
func TestAsk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	defer server.Close()
	at := server.Listener.Addr().String()
	if _, err := Ask(t.Context(), peer.New(peer.Access{}, time.Second), at, StatePath); err == nil || !strings.Contains(err.Error(), at+" answers at /state is no state") {
		t.Errorf("got %v", err)
	}
	s, err := Ask(t.Context(), peer.New(peer.Access{}, time.Second), serve(t, "a:9464", nobody()).Listener.Addr().String(), StatePath)
	if err != nil || s.Headline.Text == "" {
		text, _ := json.Marshal(s)
		t.Errorf("%s, %v", text, err)
	}
}

func TestValidate(t *testing.T) {
	if err := (Config{Peers: []string{"ingest-headless:9464"}}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Peers: []string{"ingest", ":9464"}}).Validate(); err == nil || strings.Count(err.Error(), "page.peers has") != 2 {
		t.Errorf("got %v, want two faults", err)
	}
}
