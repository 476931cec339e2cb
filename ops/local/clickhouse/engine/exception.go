package engine

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Codes of ClickHouse's that the interfaces raise themselves.
const (
	CodeNotImplemented = 48
	CodeUnknownPacket  = 99
	CodeAuthentication = 516
	CodeUnknown        = 1002 // UNKNOWN_EXCEPTION
	CodeCancelled      = 394  // QUERY_WAS_CANCELLED
)

// Exception is an error of ClickHouse's, with its own number, name and text.
type Exception struct {
	Code    int32
	Name    string // such as UNKNOWN_TABLE
	Message string // as ClickHouse prints it, without code and name
}

func (e *Exception) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", e.Code, e.Message, e.Name)
}

var exceptionText = regexp.MustCompile(`(?s)^(?:Error on processing query: )?Code: (\d+)\. DB::(?:NetException|ParsingException|Exception): (.*)$`)

// parseException reads what the engine prints of an exception. Text of any
// other form keeps its words under UNKNOWN_EXCEPTION.
func parseException(text string) *Exception {
	m := exceptionText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return &Exception{Code: CodeUnknown, Name: "UNKNOWN_EXCEPTION", Message: strings.TrimSpace(text)}
	}
	code, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return &Exception{Code: CodeUnknown, Name: "UNKNOWN_EXCEPTION", Message: strings.TrimSpace(text)}
	}
	e := &Exception{Code: int32(code), Message: strings.TrimSpace(m[2])}
	if m := nameAtEnd.FindStringSubmatchIndex(e.Message); m != nil {
		e.Name = e.Message[m[2]:m[3]]
		e.Message = e.Message[:m[0]]
	}
	return e
}

// nameAtEnd is the exception's name in parentheses, and the version that an
// exception with a stack trace prints after it.
var nameAtEnd = regexp.MustCompile(`\s*\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\s*$`)
