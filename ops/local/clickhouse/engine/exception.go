package engine

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// Exception is an error of ClickHouse's, with its own number, name and text.
type Exception struct {
	Code    proto.Error
	Name    string // such as UNKNOWN_TABLE
	Message string // as ClickHouse prints it, without code and name
}

// NewException is an exception raised in front of the engine, by whoever
// speaks for it.
func NewException(code proto.Error, format string, args ...any) *Exception {
	return &Exception{Code: code, Name: code.String(), Message: fmt.Sprintf(format, args...)}
}

// AsException is the exception in err; any other error is UNKNOWN_EXCEPTION.
func AsException(err error) *Exception {
	var e *Exception
	if errors.As(err, &e) {
		return e
	}
	return NewException(proto.ErrUnknownException, "%v", err)
}

func (e *Exception) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", e.Code, e.Message, e.Name)
}

var exceptionText = regexp.MustCompile(`(?s)^(?:Error on processing query: )?Code: (\d+)\. DB::(?:NetException|ParsingException|Exception): (.*)$`)

// parseException reads what the engine prints of an exception. Text of any
// other form keeps its words under UNKNOWN_EXCEPTION.
func parseException(text string) *Exception {
	text = strings.TrimSpace(text)
	m := exceptionText.FindStringSubmatch(text)
	if m == nil {
		return NewException(proto.ErrUnknownException, "%s", text)
	}
	code, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return NewException(proto.ErrUnknownException, "%s", text)
	}
	e := &Exception{Code: proto.Error(code), Message: strings.TrimSpace(m[2])}
	if m := nameAtEnd.FindStringSubmatchIndex(e.Message); m != nil {
		e.Name = e.Message[m[2]:m[3]]
		e.Message = e.Message[:m[0]]
	}
	return e
}

// nameAtEnd is the exception's name in parentheses, and the version that an
// exception with a stack trace prints after it.
var nameAtEnd = regexp.MustCompile(`\s*\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\s*$`)
