package schema

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
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

// rollupColumns returns, per reading, the state column's definition, the
// expression that fills it from events, and the one that finishes it.
func (s *Schema) rollupColumns() (defs, fills, reads []string) {
	add := func(name, def, fill, read string) {
		q := QuoteIdent(name)
		defs = append(defs, q+" "+def)
		fills = append(fills, fill+" AS "+q)
		reads = append(reads, fmt.Sprintf(read, q)+" AS "+q)
	}
	add("events", "SimpleAggregateFunction(sum, UInt64)", "count()", "sum(%s)")
	for _, name := range s.Rollup.Readings {
		c, _ := s.field(name)
		v, typ := QuoteIdent(name), c.ClickHouse()
		add(name+"_min", "SimpleAggregateFunction(min, "+typ+")", "min("+v+")", "min(%s)")
		add(name+"_max", "SimpleAggregateFunction(max, "+typ+")", "max("+v+")", "max(%s)")
		add(name+"_avg", "AggregateFunction(avg, "+typ+")", "avgState("+v+")", "avgMerge(%s)")
		packed, fill, read := s.last(c)
		add(name+"_last", "SimpleAggregateFunction(max, "+packed+")", fill, read)
	}
	return defs, fills, reads
}

// last returns how the last value of a reading in its minute is kept: as a number
// with the event's time in the minute, in milliseconds, above the value's bits,
// so that the greatest is the last. These are the type of the number, the
// expression that makes it of an event, and the one that reads the value from
// the greatest. NULL is no value. Of two events of one millisecond the same one
// counts in whichever order they are merged.
//
// The road not taken is a state of argMax, which keeps the one it meets first: it
// took the server longer to merge than the rest of the row.
func (s *Schema) last(c Column) (typ, fill, read string) {
	width := typeViews[c.Type].arrow.(arrow.FixedWidthDataType).BitWidth()
	typ = "UInt64"
	if width > 32 {
		typ = "UInt128"
	}
	fill = fmt.Sprintf("max(bitOr(bitShiftLeft(to%s(toUnixTimestamp64Milli(%s) %% 60000), %d), reinterpretAsUInt%[3]d(%[4]s)))",
		typ, QuoteIdent(s.Time.Field), width, QuoteIdent(c.Name))
	read = fmt.Sprintf("reinterpretAs%s(toUInt%d(max(%%s)))", typeViews[c.Type].clickhouse, width)
	if c.Nullable {
		typ = "Nullable(" + typ + ")"
	}
	return typ, fill, read
}

func (s *Schema) rollupTable(t Tables) string {
	defs, _, _ := s.rollupColumns()
	device, _ := s.field(s.Device)
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s\n(\n    %s %s,\n    `minute` DateTime('UTC') CODEC(Delta, ZSTD(1)),\n    %s\n)\nENGINE = %s\nPARTITION BY toDate(`minute`)\nORDER BY (%[3]s, `minute`)\nSETTINGS %[7]s",
		t.qualified(s.Name+"_1m_state"), t.onCluster(), QuoteIdent(s.Device), device.ClickHouse(),
		strings.Join(defs, ",\n    "), t.engine("Aggregating", s.Name+"_1m_state"), t.settings())
}

// rollupFeed is the query by which a day is computed anew, of what an insert
// brings.
func (s *Schema) rollupFeed(t Tables) string {
	return fmt.Sprintf("CREATE MATERIALIZED VIEW IF NOT EXISTS %s%s TO %s AS\n%s",
		t.qualified(s.Name+"_1m_feed"), t.onCluster(), t.qualified(s.Name+"_1m_state"), s.RollupOf(s.Hot(t), ""))
}

func (s *Schema) rollupView(t Tables) string {
	_, _, reads := s.rollupColumns()
	return fmt.Sprintf("CREATE VIEW IF NOT EXISTS %s%s AS\nSELECT %s, `minute`,\n    %s\nFROM %s\nGROUP BY %[3]s, `minute`",
		t.qualified(s.Name+"_1m"), t.onCluster(), QuoteIdent(s.Device), strings.Join(reads, ",\n    "), t.qualified(s.Name+"_1m_state"))
}
