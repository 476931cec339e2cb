package stacktest

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"testing"

	"penstock/ops/local/browser"
	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/state"
	"penstock/ops/state/statetest"
)

var rewrite = flag.Bool("rewrite", false, "write the pictures of docs/page; look at them before you keep them")

// screens are what pictures are taken of.
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
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}
