package schema

import "fmt"

// Reason is why a record cannot be stored. The list is closed: dashboards and
// the dead-letter topic are grouped by it.
type Reason string

// The reasons for a rejection.
const (
	ReasonEmpty     Reason = "empty"      // the record has no value
	ReasonTooLarge  Reason = "too_large"  // the record is larger than the bound
	ReasonMalformed Reason = "malformed"  // not of its encoding, or what no two parsers read alike: invalid UTF-8, JSON's duplicate keys
	ReasonNesting   Reason = "nesting"    // nested deeper than any reader of extra could bear
	ReasonNotObject Reason = "not_object" // JSON, but not one object
	ReasonMissing   Reason = "missing"    // a required field is absent or null
	ReasonType      Reason = "type"       // a required field has a value of another type
	ReasonTime      Reason = "time"       // the event's time is not credible
	ReasonSchema    Reason = "schema"     // the schema it was written by can be no event's
	ReasonRefused   Reason = "refused"    // ClickHouse refused the row
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{ReasonEmpty, ReasonTooLarge, ReasonMalformed, ReasonNesting, ReasonNotObject, ReasonMissing, ReasonType, ReasonTime, ReasonSchema, ReasonRefused}
}

// Rejection is the error of a record that cannot be stored.
type Rejection struct {
	Reason Reason
	// Detail names the field and the value, for the person who has to find
	// the device that sent it.
	Detail string
}

// Error implements error.
func (r *Rejection) Error() string { return string(r.Reason) + ": " + r.Detail }

func reject(reason Reason, format string, args ...any) *Rejection {
	return &Rejection{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
