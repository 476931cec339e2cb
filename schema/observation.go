package schema

import (
	"fmt"
	"time"
)

// Observation is what rows hold in extra under one name, in one type of JSON,
// from one sender.
type Observation struct {
	Name string
	Kind string // the type of JSON as ClickHouse names it: Int64, UInt64, Double, Bool, String, Array, Object, Null
	By   string // the value of the field that says who sends it, such as a firmware version
	Rows uint64
	// Of numbers: the least, the greatest, and whether a float32 has every one of
	// them to its last digit.
	Min, Max float64
	Short    bool
}

// observedMost is how many rows with something in extra are looked at: enough to
// tell what a field is, and some 100 ms of the server's time.
const observedMost = 200_000

// Observations returns the query for what the rows of the last time hold in
// extra, with the columns of an [Observation]. By names the field that says who
// sends it; a schema without it has no sender.
func (s *Schema) Observations(t Tables, last time.Duration, by string) string {
	sender := "''"
	if _, ok := s.field(by); ok {
		sender = "toString(" + QuoteIdent(by) + ")"
	}
	return fmt.Sprintf(`SELECT member.1 AS name, toString(JSONType(extra, name)) AS kind, sender, count(),
ifNull(min(toFloat64OrNull(member.2)), 0), ifNull(max(toFloat64OrNull(member.2)), 0), min(toString(toFloat32OrZero(member.2)) = toString(toFloat64OrZero(member.2))) = 1
FROM (SELECT extra, %s AS sender FROM %s WHERE extra != '' AND %s >= now64(3) - INTERVAL %d MILLISECOND LIMIT %d)
ARRAY JOIN JSONExtractKeysAndValuesRaw(extra) AS member
GROUP BY name, kind, sender ORDER BY name, kind, sender LIMIT 10000`, sender, s.Hot(t), QuoteIdent(ColIngestedAt), last.Milliseconds(), observedMost)
}
