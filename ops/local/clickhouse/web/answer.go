package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

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
		return engine.NewException(proto.ErrNoDataToInsert, "No data to insert")
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
	tag     string       // marks an exception among the rows
	stats   engine.Stats // as far as known when the headers go out
}

type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }

func (a *answer) begin() error {
	a.begun = true
	a.tag = strings.ToLower(rand.Text()[:16])
	h := a.w.Header()
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
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

// fail ends a response with an exception. If rows are out already it follows
// them, marked by the tag the headers announced; and the connection is cut, for
// clients that do not look for it.
func (a *answer) fail(err error, version string) {
	e := engine.AsException(err)
	text := fmt.Sprintf("%v (version %s (official build))\n", e, version)
	if a.begun {
		_, err := fmt.Fprintf(a.body, "\r\n__exception__\r\n%s\r\n%s\r\n%d %s\r\n__exception__\r\n", a.tag, text, len(text), a.tag)
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
func status(code proto.Error) int {
	switch code {
	case proto.ErrRequiredPassword:
		return http.StatusUnauthorized
	case proto.ErrAuthenticationFailed, proto.ErrUnknownUser, proto.ErrWrongPassword, proto.ErrAccessDenied, proto.ErrDatabaseAccessDenied:
		return http.StatusForbidden
	case proto.ErrCannotParseText, proto.ErrCannotParseEscapeSequence, proto.ErrCannotParseQuotedString,
		proto.ErrCannotParseInputAssertionFailed, proto.ErrCannotParseDate, proto.ErrCannotParseDatetime,
		proto.ErrCannotParseNumber, proto.ErrCannotParseUUID, proto.ErrCannotParseBool, proto.ErrCannotReadArrayFromText,
		proto.ErrTypeMismatch, proto.ErrIllegalTypeOfArgument, proto.ErrIllegalColumn, proto.ErrIllegalAggregation,
		proto.ErrNumberOfArgumentsDoesntMatch, proto.ErrTooManyArgumentsForFunction, proto.ErrTooLessArgumentsForFunction,
		proto.ErrCannotConvertType, proto.ErrCannotInsertNullInOrdinaryColumn, proto.ErrUnknownQueryParameter,
		proto.ErrSyntaxError, proto.ErrBadArguments, proto.ErrIncorrectData, proto.ErrNoDataToInsert, proto.ErrTableAlreadyExists:
		return http.StatusBadRequest
	case proto.ErrUnknownTable, proto.ErrUnknownDatabase, proto.ErrUnknownIdentifier, proto.ErrUnknownFunction,
		proto.ErrUnknownAggregateFunction, proto.ErrUnknownType, proto.ErrUnknownStorage, proto.ErrUnknownSetting,
		proto.ErrThereIsNoColumn, proto.ErrNoSuchColumnInTable, proto.ErrFileDoesntExist:
		return http.StatusNotFound
	case proto.ErrTimeoutExceeded:
		return http.StatusRequestTimeout
	case proto.ErrNotImplemented:
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
