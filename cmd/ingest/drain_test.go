package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/ops"
	"penstock/ops/peer"
	"penstock/transport"
)

// The command waits for the node to have given up what it has, and knows one
// that it is not let in by, or that takes too long.
func TestDrainCommand(t *testing.T) {
	reg := prometheus.NewRegistry()
	asked := ops.NewDrain(reg)
	token := transport.NewSecret("open sesame")
	admin, err := ops.NewAdmin(ops.Config{Addr: "127.0.0.1:0", Token: token}, reg, asked.Problems, map[string]http.Handler{"/drain": asked})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	finish, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- admin.During(ctx, func() error {
			return asked.During(ctx, func(ctx context.Context) error { <-ctx.Done(); <-finish; return nil }, func() {})
		})
	}()
	ask := func(within time.Duration, token transport.Secret) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		var out bytes.Buffer
		err := drain(ctx, peer.New(peer.Access{Token: token}, time.Second), admin.Addr(), &out)
		return out.String(), err
	}
	if _, err := ask(10*time.Second, transport.Secret{}); err == nil || !strings.Contains(err.Error(), "want its admin.token") {
		t.Errorf("without the token: %v", err)
	}
	if _, err := ask(100*time.Millisecond, token); err == nil || !strings.Contains(err.Error(), "is not drained yet") {
		t.Errorf("a node that takes long: %v", err)
	}
	close(finish)
	if out, err := ask(10*time.Second, token); err != nil || out != "drained\n" {
		t.Errorf("got %q, %v", out, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
