package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/statement"
)

// request is what a client asked for, out of its URL, headers and body.
type request struct {
	session.Statement
	user, password, database string

	insert io.Reader // the rows, if the statement is an INSERT that takes some

	revision   int    // of Native blocks in the answer: client_protocol_version
	compressed bool   // answer in ClickHouse's own compressed frames: compress=1
	accept     string // Accept-Encoding, if enable_http_compression=1
}

// reserved are the parameters of a request that are no settings.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "user": true, "password": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true, "close_session": true,
	"quota_key": true, "stacktrace": true, "compress": true, "decompress": true, "role": true,
	"buffer_size": true, "wait_end_of_query": true, "client_protocol_version": true,
}

const (
	// headSize is how much of a body is searched for an INSERT's rows: a
	// statement may be no longer (max_query_size of a server is the same).
	headSize = 256 << 10
	// maxStatement bounds a statement without rows; beyond, it is an error.
	maxStatement = 64 << 20
)

// readRequest reads everything but the rows of an INSERT. Its query id is set
// even if it fails.
func readRequest(r *http.Request) (request, error) {
	p := r.URL.Query()
	q := request{
		Statement: session.Statement{ID: p.Get("query_id"), Settings: map[string]string{}, Params: map[string]string{}},
		database:  or(p.Get("database"), r.Header.Get("X-ClickHouse-Database")),
	}
	if q.ID == "" {
		q.ID = uuid.NewString()
	}
	q.account(r)
	for k, v := range p {
		switch name, isParam := strings.CutPrefix(k, "param_"); {
		case isParam:
			q.Params[name] = v[0]
		case !reserved[k]:
			q.Settings[k] = v[0]
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		q.Settings["readonly"] = "2" // as a server: only POST may change anything
	}
	if on(q.Settings["enable_http_compression"]) {
		q.accept = r.Header.Get("Accept-Encoding")
	}
	q.compressed = on(p.Get("compress"))
	if v := p.Get("client_protocol_version"); v != "" {
		var err error
		if q.revision, err = strconv.Atoi(v); err != nil {
			return q, badRequest("client_protocol_version is " + v + ", want a number")
		}
	}
	body, err := decodeBody(r, on(p.Get("decompress")))
	if err != nil {
		return q, err
	}
	q.Format = or(p.Get("default_format"), r.Header.Get("X-ClickHouse-Format"))
	return q, q.statement(p.Get("query"), body)
}

func (q *request) account(r *http.Request) {
	p := r.URL.Query()
	if user, password, ok := r.BasicAuth(); ok {
		q.user, q.password = user, password
		return
	}
	q.user = or(r.Header.Get("X-ClickHouse-User"), p.Get("user"))
	q.password = or(r.Header.Get("X-ClickHouse-Key"), p.Get("password"))
}

// statement takes the statement from the parameter and the body, and what
// format its answer has.
func (q *request) statement(parameter string, body io.Reader) error {
	if in, ok := statement.ParseInsert(parameter); ok {
		q.into(in, body)
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(body, headSize))
	if err != nil {
		return badRequest("read the body: " + err.Error())
	}
	text := strings.TrimPrefix(parameter+"\n"+string(head), "\n")
	if in, ok := statement.ParseInsert(text); ok {
		q.into(in, body)
		return nil
	}
	tail, err := io.ReadAll(io.LimitReader(body, maxStatement))
	if err != nil {
		return badRequest("read the body: " + err.Error())
	}
	if text += string(tail); len(text) > maxStatement {
		return engine.NewException(proto.ErrSyntaxError, "The statement is longer than %d bytes.", maxStatement)
	}
	var format string
	q.SQL, format = statement.WithoutFormat(text)
	q.Format = or(format, or(q.Format, "TabSeparated"))
	return nil
}

// into makes the request an INSERT. The rows begin after the line break that
// ends the statement.
func (q *request) into(in statement.Insert, body io.Reader) {
	data := strings.TrimLeft(in.Data, " \t\r")
	data = strings.TrimPrefix(data, "\n")
	q.SQL, q.Set, q.Format = in.Head, in.Set, or(in.Format, "Values")
	q.insert = io.MultiReader(strings.NewReader(data), body)
}

func on(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func badRequest(message string) error {
	return engine.NewException(proto.ErrBadArguments, "%s", message)
}

// empty reports whether there is nothing to read, without losing what there is.
func empty(r io.Reader) (io.Reader, bool, error) {
	var first [1]byte
	_, err := io.ReadFull(r, first[:])
	if errors.Is(err, io.EOF) {
		return r, true, nil
	}
	return io.MultiReader(bytes.NewReader(first[:]), r), false, err
}
