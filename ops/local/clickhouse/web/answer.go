package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/engine"
	"penstock/ops/local/clickhouse/session"
)

// query runs a statement and writes its result as it comes.
func query(ctx context.Context, ses *session.Session, q request, a *answer) error {
	write := func(piece []byte) error {
		_, err := a.Write(piece)
		return err
	}
	if q.revision > 0 && strings.EqualFold(q.Format, "Native") {
		blocks := block.NewSplitter()
		write = func(piece []byte) error {
			return blocks.Each(piece, q.revision, func(_ block.Header, data []byte) error {
				_, err := a.Write(data)
				return err
			})
		}
	}
	stats, err := ses.Query(ctx, q.Statement, write)
	a.stats = stats
	return err
}

// insert hands the rows to the engine as they come and commits after the last.
func insert(ses *session.Session, q request, a *answer) error {
	rows, none, err := empty(q.insert)
	if err != nil {
		return badRequest("read the rows: " + err.Error())
	}
	if none {
		return &engine.Exception{Code: 108, Name: "NO_DATA_TO_INSERT", Message: "No data to insert"}
	}
	in, err := ses.Insert(q.Statement)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{rows}, make([]byte, 256<<10))
	if err != nil && !errors.Is(err, engine.ErrInsertFailed) {
		in.Cancel()
		return badRequest("read the rows: " + err.Error())
	}
	a.stats, err = in.Commit()
	return err
}

// answer is a response on its way. Its status goes out with the first piece,
// so until then a failure still becomes a status.
type answer struct {
	w       http.ResponseWriter
	request request
	body    encoder // over w; nil until begun
	begun   bool
	stats   engine.Stats // as far as known when the headers go out
}

type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }

func (a *answer) begin() error {
	a.begun = true
	h := a.w.Header()
	h.Set("X-ClickHouse-Format", a.request.Format)
	h.Set("Content-Type", contentType(a.request.Format))
	h.Set("X-ClickHouse-Summary", summary(a.stats))
	if a.request.compressed {
		a.body = newFrameWriter(a.w, a.request.Settings["network_compression_method"])
		return nil
	}
	e, name, err := encodeAnswer(a.w, a.request.accept)
	if err != nil {
		return err
	}
	if e == nil {
		a.body = plain{a.w}
		return nil
	}
	a.body = e
	h.Set("Content-Encoding", name)
	return nil
}

func (a *answer) Write(p []byte) (int, error) {
	if !a.begun {
		if err := a.begin(); err != nil {
			return 0, err
		}
	}
	return a.body.Write(p)
}

// Close ends a response that succeeded.
func (a *answer) Close() error {
	if !a.begun {
		if err := a.begin(); err != nil {
			return err
		}
	}
	return a.body.Close()
}

// fail ends a response with an exception. If rows are out already it can only
// follow them; cutting the connection then tells the client they are not all.
func (a *answer) fail(err error, version string) {
	e := new(engine.Exception)
	if !errors.As(err, &e) {
		e = &engine.Exception{Code: engine.CodeUnknown, Name: "UNKNOWN_EXCEPTION", Message: err.Error()}
	}
	text := fmt.Sprintf("%v (version %s (official build))\n", e, version)
	if a.begun {
		_, err := io.WriteString(a.body, text)
		if err == nil {
			_ = a.body.Close()                          // cut below in any case
			_ = http.NewResponseController(a.w).Flush() // cut below in any case
		}
		panic(http.ErrAbortHandler)
	}
	h := a.w.Header()
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(int(e.Code)))
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	a.w.WriteHeader(status(e.Code))
	_, _ = io.WriteString(a.w, text) // the client may have gone
}

// status is what a ClickHouse server answers an exception with.
func status(code int32) int {
	switch code {
	case 516, 192, 193, 497, 291: // AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, DATABASE_ACCESS_DENIED
		return http.StatusForbidden
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 6, 26, 27, 36, 38, 41, 42, 43, 44, 45, 53, 57, 62, 70, 72, 130, 132, 456, 467, 108, 117, 441: // parsing and typing
		return http.StatusBadRequest
	case 8, 15, 16, 46, 47, 50, 56, 60, 63, 81, 107, 115, 216: // what is named does not exist
		return http.StatusNotFound
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	case 48: // NOT_IMPLEMENTED
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

func contentType(format string) string {
	switch f := strings.ToLower(format); {
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(f, "names")]
	case f == "jsoneachrow" || f == "jsonlines" || f == "ndjson":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "pretty"), f == "values", f == "vertical", f == "markdown":
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}

func summary(s engine.Stats) string {
	n := func(v uint64) string { return strconv.FormatUint(v, 10) }
	text, err := json.Marshal(map[string]string{
		"read_rows": n(s.ReadRows), "read_bytes": n(s.ReadBytes),
		"written_rows": n(s.WrittenRows), "written_bytes": n(s.WrittenBytes),
		"total_rows_to_read": "0", "result_rows": n(s.ResultRows), "result_bytes": n(s.ResultBytes), "elapsed_ns": "0",
	})
	if err != nil {
		panic("BUG: a map of strings does not marshal: " + err.Error())
	}
	return string(text)
}
