// Package web is ClickHouse's HTTP interface.
//
// A request is one statement in a session of its own: the statement in the
// query parameter, the body, or begun in one and continued in the other;
// settings, {name:Type} values and the account in parameters or headers. A
// session_id is accepted, but what a statement leaves in its session does not
// outlive the request.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
)

// Server answers HTTP clients.
type Server struct {
	sessions  *session.Server
	discarded *discard.Counts // nil: rows are stored
}

// NewServer returns a Server on sessions. With counts, it shows them at
// discard.Path, and refuses rows: only the native interface discards.
func NewServer(sessions *session.Server, discarded *discard.Counts) *Server {
	return &Server{sessions: sessions, discarded: discarded}
}

// stopTimeout bounds how long a stop waits for requests. What they run is
// cancelled at once; only an insert at its very end takes longer.
const stopTimeout = 20 * time.Second

// Serve answers requests until ctx ends, then cancels what they run, waits for
// them and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, 0), // of clients that left
	}
	stopped := make(chan error, 1)
	off := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		off()
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return <-stopped
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status":
		_, _ = io.WriteString(w, "Ok.\n") // the client may have gone
	case r.URL.Path == discard.Path && s.discarded != nil:
		s.discarded.ServeHTTP(w, r)
	case r.URL.Path != "/":
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks.\n")
	case r.Method == http.MethodGet && len(r.URL.Query()) == 0:
		_, _ = io.WriteString(w, "Ok.\n")
	default:
		s.answer(w, r)
	}
}

// answer runs the request's statement.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	q, err := readRequest(r)
	h := w.Header()
	h.Set("X-ClickHouse-Server-Display-Name", s.sessions.Host)
	h.Set("X-ClickHouse-Timezone", s.sessions.Timezone)
	h.Set("X-ClickHouse-Query-Id", q.ID)
	a := &answer{w: w, request: q}
	if err == nil {
		err = s.run(r, q, a)
	}
	if err != nil {
		a.fail(err, s.sessions.Version)
		return
	}
	if err := a.Close(); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}

func (s *Server) run(r *http.Request, q request, a *answer) error {
	if err := s.sessions.Login(q.user, q.password); err != nil {
		return err
	}
	ses, err := s.sessions.Open(q.database)
	if err != nil {
		return err
	}
	defer ses.Close()
	if q.insert != nil && s.discarded != nil {
		return engine.NewException(proto.ErrNotImplemented, "this server discards what is inserted, and takes it only over the native protocol")
	}
	if q.insert != nil {
		return insert(ses, q, a)
	}
	return query(r.Context(), ses, q, a)
}
