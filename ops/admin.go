package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"penstock/ops/runbooks"
)

// Admin is the HTTP server a program is watched by. Who may ask it is in [Config].
// What it has:
//
//	/metrics       for Prometheus
//	/healthz       200 while the process answers at all
//	/readyz        200, or 503 with what is wrong, a line each
//	/lag           for a person: how far an ingest node is behind
//	/drain         POST has an ingest node give up its partitions
//	/runbooks/     for a person: what to do about each symptom
//	/debug/pprof/  Go's profiles, if configured
type Admin struct {
	listener net.Listener // nil for no server
	server   *http.Server
}

// Bounds of a request and of a stop. There is none for writing an answer: a
// profile takes as long as it was asked to.
const (
	readTimeout  = 5 * time.Second
	closeTimeout = 2 * time.Second
)

// NewAdmin listens at the configured address, so that one that cannot be had is
// known before anything else is started. Ready returns what keeps the program
// from being ready; nil for one that is ready once it lives. Pages are what
// the program has beside that, by pattern of [http.ServeMux].
func NewAdmin(cfg Config, metrics prometheus.Gatherer, ready func() []string, pages map[string]http.Handler) (*Admin, error) {
	if cfg.Addr == "" {
		return &Admin{}, nil
	}
	// A client without a certificate is heard: it may have the token, or ask for
	// what is open.
	secured, err := cfg.TLS.ServerConfig(tls.VerifyClientCertIfGiven)
	if err != nil {
		return nil, fmt.Errorf("admin server: %w", err)
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("admin server: %w; set admin.addr to another address, or to nothing for no admin server", err)
	}
	return &Admin{
		listener: l,
		server:   &http.Server{Handler: cfg.guard().wrap(routes(cfg, metrics, ready, pages)), TLSConfig: secured, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout},
	}, nil
}

// Addr returns the address listened at, with the port that was chosen if the
// config left it open; empty if there is no server.
func (a *Admin) Addr() string {
	if a.listener == nil {
		return ""
	}
	return a.listener.Addr().String()
}

// Serve answers requests until ctx ends; requests on their way are then
// answered for at most two seconds. It returns nil after that. It must be
// called: until it returns, the address is taken.
func (a *Admin) Serve(ctx context.Context) error {
	if a.listener == nil {
		<-ctx.Done()
		return nil
	}
	ended := make(chan error, 1)
	go func() {
		if a.server.TLSConfig != nil {
			ended <- a.server.ServeTLS(a.listener, "", "")
			return
		}
		ended <- a.server.Serve(a.listener)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("admin server at %s: %w", a.Addr(), err)
	case <-ctx.Done():
	}
	hurry, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := a.server.Shutdown(hurry)
	if errors.Is(err, context.DeadlineExceeded) {
		err = a.server.Close() // whoever still profiles is cut off
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// During serves while work runs, and ends when it returns: also an orderly stop,
// which begins when ctx ends, is watched. It returns both errors.
func (a *Admin) During(ctx context.Context, work func() error) error {
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	served := make(chan error, 1)
	go func() { served <- a.Serve(watched) }()
	err := work()
	unwatch()
	return errors.Join(err, <-served)
}

func routes(cfg Config, metrics prometheus.Gatherer, ready func() []string, pages map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var problems []string
		if ready != nil {
			problems = ready()
		}
		if len(problems) == 0 {
			fmt.Fprintln(w, "ok")
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, p := range problems {
			fmt.Fprintln(w, p)
		}
	})
	mux.Handle("GET "+runbooks.Path, runbooks.Handler())
	for pattern, page := range pages {
		mux.Handle(pattern, page)
	}
	if cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}
