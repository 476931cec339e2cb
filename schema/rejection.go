package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Reason is why a record cannot be stored. The list is closed: dashboards and
// the dead-letter topic are grouped by it.
type Reason string

// The reasons for a rejection.
const (
	ReasonEmpty     Reason = "empty"      // the record has no value
	ReasonTooLarge  Reason = "too_large"  // the record is larger than the bound, or what extra would hold of it
	ReasonMalformed Reason = "malformed"  // not of its encoding, or what no two parsers read alike: invalid UTF-8, JSON's duplicate keys
	ReasonNesting   Reason = "nesting"    // nested deeper than any reader of extra could bear
	ReasonFields    Reason = "fields"     // more fields than an event may have
	ReasonTooLong   Reason = "too_long"   // a text, name or number longer than the bound
	ReasonNotObject Reason = "not_object" // JSON, but not one object
	ReasonMissing   Reason = "missing"    // a required field is absent or null
	ReasonType      Reason = "type"       // a required field has a value of another type
	ReasonTime      Reason = "time"       // the event's time is not credible
	ReasonSchema    Reason = "schema"     // the schema it was written by can be no event's
	ReasonRefused   Reason = "refused"    // ClickHouse refused the row
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{ReasonEmpty, ReasonTooLarge, ReasonMalformed, ReasonNesting, ReasonFields, ReasonTooLong, ReasonNotObject, ReasonMissing, ReasonType, ReasonTime, ReasonSchema, ReasonRefused}
}

// Rejection is the error of a record that cannot be stored.
type Rejection struct {
	Reason Reason
	// Detail names the field and the value, for the person who has to find
	// the device that sent it. It does nothing to that person's terminal, whatever
	// the device put into it.
	Detail string
}

// Error implements error.
func (r *Rejection) Error() string { return string(r.Reason) + ": " + r.Detail }

func reject(reason Reason, format string, args ...any) *Rejection {
	return &Rejection{Reason: reason, Detail: printable(fmt.Sprintf(format, args...))}
}

// Refused is the rejection of a row that ClickHouse refused, for its error, which
// may quote the row.
func Refused(err error) *Rejection { return reject(ReasonRefused, "%v", err) }

// detailMost is how much of a text a person is told: some parsers say the names of
// all that a fault is inside of.
const detailMost = 1000 // bytes

// printable returns text with every character escaped that a terminal, or whoever
// splits a log into lines, might take for more than a character; and cut, if it is
// long.
func printable(text string) string {
	if len(text) > detailMost {
		text = strings.ToValidUTF8(text[:detailMost], "") + "..."
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
