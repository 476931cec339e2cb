package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/runbooks"
	"penstock/ops/state/statetest"
)

// TestTopOnce: whoever has nothing but what it writes finds the runbook, which the program
// that was asked serves.
func TestTopOnce(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc(page.StatePath, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(statetest.New(statetest.Hot))
	})
	mux.Handle(runbooks.Path, runbooks.Handler())
	server := httptest.NewServer(mux)
	defer server.Close()
	var out bytes.Buffer
	client := peer.New(peer.Access{}, time.Second)
	if err := (terminal{client, server.Listener.Addr().String(), &out}).once(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(out.String(), "hot-partition (")
	where, _, _ := strings.Cut(rest, ")")
	answer, err := server.Client().Get(where)
	if err != nil {
		t.Fatalf("of %q: %v", out.String(), err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s, %v", where, answer.Status, err)
	}
}
