// Package page serves what a program knows of itself and its peers, as a page for a
// browser and as JSON. The page is made of the files in assets, which are in the
// program: nothing is built or loaded from elsewhere when it is opened, so that it is
// there in the network an outage leaves.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"time"

	"penstock/ops/state"
)

//go:embed assets
var files embed.FS

// Paths of what is served.
const (
	// StatePath has the state of all programs that are asked, judged.
	StatePath = "/state"
	// ownPath has that of the program alone: peers ask each other for it.
	ownPath = StatePath + "/self"
	// assetPath is where the page's files are.
	assetPath = "/page/"
)

// Page is what is known of one moment, of one program and its peers.
type Page struct {
	own   func() state.State
	peers *Peers
}

// New returns the page of a program. Own is what it knows of itself, its program
// first.
func New(own func() state.State, peers *Peers) *Page {
	return &Page{own: own, peers: peers}
}

// State is of all that are asked.
func (p *Page) State() state.State {
	own := p.own()
	all := append([]state.State{own}, p.peers.states(own.Programs[0].Name)...)
	return state.Merge(time.Now(), all...).Judged()
}

// Handlers returns what is served, by pattern of [http.ServeMux].
func (p *Page) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /{$}":         asset("index.html"),
		"GET " + assetPath: http.HandlerFunc(assets),
		"GET " + StatePath: answer(p.State),
		"GET " + ownPath:   answer(func() state.State { return state.Merge(time.Now(), p.own()).Judged() }),
	}
}

// answer serves a state.
func answer(of func() state.State) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(of()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		guarded(w.Header())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes()) // whoever asked may be gone
	})
}

// guarded says what a browser may do with an answer: show it, and load what the page
// is made of from here.
func guarded(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// types are what the page's files are, by the ends of their names. The system's own
// list of them is not to be relied on.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func assets(w http.ResponseWriter, r *http.Request) {
	asset(r.URL.Path[len(assetPath):]).ServeHTTP(w, r)
}

// asset serves one of the page's files. A browser asks each time whether it is the one
// it has: another version of the program has others.
func asset(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := fs.ReadFile(files, path.Join("assets", name))
		kind, known := types[path.Ext(name)]
		if err != nil || !known {
			http.NotFound(w, r)
			return
		}
		sum := sha256.Sum256(text)
		guarded(w.Header())
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	})
}
