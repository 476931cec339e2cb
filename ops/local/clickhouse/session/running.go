package session

import (
	"regexp"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/ops/local/clickhouse/engine"
)

// The engine gives its statements ids of its own and takes none. So a client's
// query id is kept here, unique among running statements, and statements carry
// the tag of their session as the first word of their log_comment: of what
// system.processes shows and a client can set, it is the only thing without
// any effect.

// tagged is the condition that finds a session's statement in system.processes.
func tagged(tag string) string {
	return "splitByChar(' ', Settings['log_comment'])[1] = " + quote(tag)
}

// take reserves a query id for a session's statement.
func (s *Server) take(id, tag string) error {
	if id == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.running[id]; taken {
		return engine.NewException(proto.ErrQueryWithSameIDIsAlreadyRunning, "Query with id = %s is already running.", id)
	}
	s.running[id] = tag
	return nil
}

func (s *Server) release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// kill cancels what the session of that tag runs. A statement that has just
// ended is not an error; nor can the caller do anything about another one.
func (s *Server) kill(tag string) {
	s.control.Lock()
	defer s.control.Unlock()
	_ = s.killer.Exec("KILL QUERY WHERE " + tagged(tag) + " ASYNC")
}

var killByID = regexp.MustCompile(`(?i)^(\s*KILL\s+QUERY\s+WHERE\s+)query_id\s*=\s*'([^'\\]*)'(.*)$`)

// rewriteKill makes KILL QUERY WHERE query_id = '...' find the client's id.
func (s *Server) rewriteKill(sql string) string {
	m := killByID.FindStringSubmatch(sql)
	if m == nil {
		return sql
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tag, ok := s.running[m[2]]
	if !ok {
		return sql
	}
	return m[1] + tagged(tag) + m[3]
}
