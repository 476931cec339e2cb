// Package session gives a client of either interface what ClickHouse calls a
// session: an account that was checked, a current database, settings that hold
// for one statement, query ids, and a way to cancel what runs.
//
// A Session owns one engine connection. Settings that came with a statement
// are set before it and taken back before the next one, so that only a SET
// statement of the client's own lasts.
package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/statement"
)

// Server opens sessions on one engine.
type Server struct {
	engine         *engine.Engine
	user, password string

	Version  string // of the engine, such as 26.7.2.1
	Timezone string
	Host     string

	// changes counts the beginnings and ends of statements that may change
	// tables, or what their names mean.
	changes atomic.Uint64
	next    atomic.Uint64
	control sync.Mutex   // held while killer runs a statement
	killer  *engine.Conn // runs KILL QUERY: a session busy with a statement cannot

	mu      sync.Mutex
	running map[string]string // query id given by a client -> tag of its session
}

// NewServer returns a Server whose one account is user with password.
func NewServer(e *engine.Engine, user, password string) (*Server, error) {
	killer, err := e.Connect()
	if err != nil {
		return nil, err
	}
	s := &Server{engine: e, user: user, password: password, killer: killer, running: map[string]string{}}
	about, err := killer.Fetch("SELECT version(), timezone(), hostName()", "TSVRaw")
	if err != nil {
		killer.Close()
		return nil, err
	}
	f := strings.Split(strings.TrimSpace(string(about)), "\t")
	s.Version, s.Timezone, s.Host = f[0], f[1], f[2]
	return s, nil
}

// Close ends what the Server holds of the engine. Close its sessions first.
func (s *Server) Close() { s.killer.Close() }

// Login checks an account. It returns an *engine.Exception, with the words of
// a ClickHouse server, if there is none of that name and password.
func (s *Server) Login(user, password string) error {
	if user == "" {
		user = "default"
	}
	known := subtle.ConstantTimeCompare([]byte(user), []byte(s.user)) & subtle.ConstantTimeCompare([]byte(password), []byte(s.password))
	if known == 1 {
		return nil
	}
	return engine.NewException(proto.ErrAuthenticationFailed,
		"%s: Authentication failed: password is incorrect, or there is no user with such name.", user)
}

// Open starts a session with database as its current one; empty is default.
func (s *Server) Open(database string) (*Session, error) {
	conn, err := s.engine.Connect()
	if err != nil {
		return nil, err
	}
	ses := &Session{server: s, conn: conn, tag: fmt.Sprintf("session-%d", s.next.Add(1))}
	if database != "" && database != "default" {
		if err := conn.Exec("USE " + backquote(database)); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return ses, nil
}

// Changes is a number that is another one after anything that may have changed
// a table: nobody else has the engine.
func (s *Server) Changes() uint64 { return s.changes.Load() }

// Session is one client's state. It runs one statement at a time and is not
// safe for concurrent use.
type Session struct {
	server *Server
	conn   *engine.Conn
	tag    string // finds this session's statement among those running; see tagged

	// settings are those set for the last statement, as opposed to those the
	// client set for its session.
	settings map[string]string
}

// Close ends the session.
func (s *Session) Close() { s.conn.Close() }

// Statement is what a client asks for.
type Statement struct {
	ID       string // query id; empty when the client gave none
	SQL      string
	Format   string // of the result, or of the rows of an INSERT
	Settings map[string]string
	Set      bool              // SQL has settings of its own
	Params   map[string]string // for {name:Type} placeholders
}

func (st Statement) params() []engine.Param {
	var p []engine.Param
	for _, name := range slices.Sorted(maps.Keys(st.Params)) {
		p = append(p, engine.Param{Name: name, Value: st.Params[name]})
	}
	return p
}

// Query runs a statement and passes its result to each, piece by piece. When
// ctx ends the engine cancels the statement, and Query returns its exception.
func (s *Session) Query(ctx context.Context, st Statement, each func(piece []byte) error) (engine.Stats, error) {
	if err := s.begin(st); err != nil {
		return engine.Stats{}, err
	}
	defer s.end(st)
	if !statement.Reads(st.SQL) {
		s.server.changes.Add(1)
		defer s.server.changes.Add(1)
	}
	defer s.cancelWith(ctx)()
	stream, err := s.conn.Query(s.server.rewriteKill(st.SQL), st.Format, st.params()...)
	if err != nil {
		return engine.Stats{}, err
	}
	defer stream.Close()
	for {
		piece, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return stream.Stats, nil
		}
		if err != nil {
			return stream.Stats, err
		}
		if err := each(piece); err != nil {
			return stream.Stats, err
		}
	}
}

// Insert starts an INSERT: st.SQL up to VALUES or FORMAT. End it with Commit or
// Cancel before the next statement.
//
// Its settings become part of the statement: the token of each is another, and
// to SET it first would be a statement more.
func (s *Session) Insert(st Statement) (*engine.Insert, error) {
	if st.Set {
		if err := s.set(st); err != nil {
			return nil, err
		}
	} else if set := changes(s.settings, s.settingsOf(st)); set != "" {
		st.SQL += " SETTINGS " + set
	}
	if err := s.server.take(st.ID, s.tag); err != nil {
		return nil, err
	}
	// Its id is free again at once: nothing waits on an INSERT by id.
	defer s.end(st)
	return s.conn.Insert(st.SQL, st.Format, st.params()...)
}

// Fetch runs a statement of the server's own, whose result is small.
func (s *Session) Fetch(sql, format string, params map[string]string) ([]byte, error) {
	return s.conn.Fetch(sql, format, Statement{Params: params}.params()...)
}

// begin sets the statement's settings, and takes its query id.
func (s *Session) begin(st Statement) error {
	if err := s.set(st); err != nil {
		return err
	}
	return s.server.take(st.ID, s.tag)
}

// set makes the session's settings those of the statement.
func (s *Session) set(st Statement) error {
	settings := s.settingsOf(st)
	set := changes(s.settings, settings)
	if set == "" {
		return nil
	}
	if err := s.conn.Exec("SET " + set); err != nil {
		return err
	}
	s.settings = settings
	return nil
}

// settingsOf are the statement's settings, with the session's tag.
func (s *Session) settingsOf(st Statement) map[string]string {
	settings := maps.Clone(st.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings["log_comment"] = strings.TrimSuffix(s.tag+" "+settings["log_comment"], " ")
	return settings
}

// changes is what makes settings out of old ones.
func changes(old, settings map[string]string) string {
	var set []string
	for _, k := range slices.Sorted(maps.Keys(old)) {
		if _, keep := settings[k]; !keep {
			set = append(set, k+" = DEFAULT")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		if was, ok := old[k]; !ok || was != settings[k] {
			set = append(set, k+" = "+quote(settings[k]))
		}
	}
	return strings.Join(set, ", ")
}

func (s *Session) end(st Statement) { s.server.release(st.ID) }

// cancelWith kills what the session runs when ctx ends, until the returned
// function is called: the kill must not reach the session's next statement.
func (s *Session) cancelWith(ctx context.Context) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		for {
			s.server.kill(s.tag)
			select {
			case <-ended:
				return
			case <-time.After(killAgain):
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// killAgain is how long a killed statement has to end before it is killed once
// more: the first time it may not have been on the engine's list yet.
const killAgain = 100 * time.Millisecond

func quote(s string) string { return "'" + literal.Replace(s) + "'" }

func backquote(s string) string { return "`" + literal.Replace(s) + "`" }

var literal = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "`", "\\`")
