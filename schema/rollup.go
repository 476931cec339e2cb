package schema

import (
	"fmt"
	"strings"
)

// RollupState returns the quoted name of the rollup's table, and whether the
// schema has a rollup.
func (s *Schema) RollupState(t Tables) (name string, ok bool) {
	return t.qualified(s.Name + "_1m_state"), len(s.Rollup.Readings) > 0
}

// RollupScratch returns the quoted name of a table to compute a day of the
// rollup anew in, and the statement that creates it: of the same structure, so
// that its partition can replace the rollup's, but of its own server only.
func (s *Schema) RollupScratch(t Tables, day Day) (name, create string) {
	state, _ := s.RollupState(t)
	name = t.qualified(s.Name + "_1m_repair_" + strings.ReplaceAll(day.String(), "-", ""))
	return name, fmt.Sprintf("CREATE TABLE %s AS %s ENGINE = AggregatingMergeTree PARTITION BY toDate(`minute`) ORDER BY (%s, `minute`)",
		name, state, QuoteIdent(s.Device))
}

// RollupOf returns the query that makes rows of the rollup of the events of a
// table that a condition holds for. The view that feeds the rollup is this query
// of the hot table, of what each insert brings.
func (s *Schema) RollupOf(table, where string) string {
	_, fills, _ := s.rollupColumns()
	if where != "" {
		where = "\nWHERE " + where
	}
	return fmt.Sprintf("SELECT %s, toStartOfMinute(toDateTime(%s, 'UTC')) AS `minute`,\n    %s\nFROM %s%s\nGROUP BY %[1]s, `minute`",
		QuoteIdent(s.Device), QuoteIdent(s.Time.Field), strings.Join(fills, ",\n    "), table, where)
}
