package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// RollupTables are one rollup in ClickHouse: a table of states, the view that
// feeds it from what is inserted, and the view that analysts read.
type RollupTables struct {
	Rollup
	schema *Schema
	tables Tables
}

// RollupTables returns the rollups in the order of the schema file.
func (s *Schema) RollupTables(t Tables) []RollupTables {
	all := make([]RollupTables, len(s.Rollups))
	for i, r := range s.Rollups {
		all[i] = RollupTables{r, s, t}
	}
	return all
}

// Name returns the bare name of the view that analysts read.
func (r RollupTables) Name() string { return r.schema.rollupName(r.Rollup) }

// StateName returns the bare name of the table of states.
func (r RollupTables) StateName() string { return r.Name() + "_state" }

// FeedName returns the bare name of the view that feeds it.
func (r RollupTables) FeedName() string { return r.Name() + "_feed" }

// State returns the quoted name of the table of states.
func (r RollupTables) State() string { return r.tables.qualified(r.StateName()) }

// Feed returns the quoted name of the view that feeds it.
func (r RollupTables) Feed() string { return r.tables.qualified(r.FeedName()) }

// ByDevice reports whether a row of the rollup is of one device.
func (r RollupTables) ByDevice() bool { return r.schema.by(r.Rollup) == r.schema.Device }

// Period returns the quoted name of the column that says when a row's period
// began, in UTC.
func (r RollupTables) Period() string { return QuoteIdent(periods[r.Every].column) }

// PeriodOf returns the expression for the beginning of the period an event is in.
func (r RollupTables) PeriodOf() string {
	return fmt.Sprintf("%s(toDateTime(%s, 'UTC'))", periods[r.Every].start, QuoteIdent(r.schema.Time.Field))
}

// Scratch returns the quoted name of a table to compute a day of the rollup in,
// and the statement that creates it: of the same structure, so that its
// partition can become the rollup's, but of its own server only. Purpose keeps
// those apart who do so at the same time.
func (r RollupTables) Scratch(purpose string, day Day) (name, create string) {
	bare := r.Name() + "_" + purpose + "_" + strings.ReplaceAll(day.String(), "-", "")
	name = r.tables.qualified(bare)
	return name, fmt.Sprintf("CREATE TABLE %s AS %s ENGINE = AggregatingMergeTree PARTITION BY toDate(%s) ORDER BY (%s, %[3]s)",
		name, r.State(), r.Period(), r.key())
}

func (r RollupTables) key() string { return QuoteIdent(r.schema.by(r.Rollup)) }

// Of returns the query that makes rows of the rollup of the events of a table
// that a condition holds for. The view that feeds the rollup is this query of
// the hot table, of what each insert brings.
func (r RollupTables) Of(table, where string) string {
	if where != "" {
		where = "\nWHERE " + where
	}
	var fills []string
	for _, c := range r.columns() {
		fills = append(fills, c.fill+" AS "+QuoteIdent(c.name))
	}
	return fmt.Sprintf("SELECT %s, %s AS %s,\n    %s\nFROM %s%s\nGROUP BY %[1]s, %[3]s",
		r.key(), r.PeriodOf(), r.Period(), strings.Join(fills, ",\n    "), table, where)
}

// stateColumn is a column of the table of states.
type stateColumn struct {
	name string
	typ  string   // in ClickHouse
	fill string   // makes it of events
	read []string // what the view shows of it, each with its name
}

func (r RollupTables) columns() []stateColumn {
	all := []stateColumn{{"events", "SimpleAggregateFunction(sum, UInt64)", "count()", []string{"sum(`events`) AS `events`"}}}
	for _, name := range r.Readings {
		c, _ := r.schema.field(name)
		for _, f := range r.functions() {
			all = append(all, r.column(c, f))
		}
		if len(r.Quantiles) > 0 {
			all = append(all, r.quantiles(c))
		}
	}
	return all
}

// column is what is kept of a reading for a function.
func (r RollupTables) column(c Column, f Function) stateColumn {
	v, typ, name := QuoteIdent(c.Name), c.ClickHouse(), c.Name+"_"+string(f)
	out := stateColumn{name: name}
	read := "%s(" + QuoteIdent(name) + ")"
	switch f {
	case Min, Max:
		out.typ = fmt.Sprintf("SimpleAggregateFunction(%s, %s)", f, typ)
		out.fill = fmt.Sprintf("%s(%s)", f, v)
		read = fmt.Sprintf(read, f)
	case Sum:
		out.typ = fmt.Sprintf("SimpleAggregateFunction(sum, %s)", c.summed())
		out.fill = fmt.Sprintf("sum(%s)", v)
		read = fmt.Sprintf(read, "sum")
	case Avg:
		out.typ = fmt.Sprintf("AggregateFunction(avg, %s)", typ)
		out.fill = fmt.Sprintf("avgState(%s)", v)
		read = fmt.Sprintf(read, "avgMerge")
	case Last:
		out.typ, out.fill, read = r.last(c)
		out.typ = "SimpleAggregateFunction(max, " + out.typ + ")"
		read = fmt.Sprintf(read, QuoteIdent(name))
	}
	out.read = []string{read + " AS " + QuoteIdent(name)}
	return out
}

// summed is the type of a sum of the column: the widest of its kind.
func (c Column) summed() string {
	wide := typeViews[c.Type].clickhouse
	wide = strings.TrimRight(wide, "0123456789") + "64"
	if c.Nullable {
		return "Nullable(" + wide + ")"
	}
	return wide
}

// quantiles are kept in one state for all levels.
func (r RollupTables) quantiles(c Column) stateColumn {
	levels := make([]string, len(r.Quantiles))
	for i, level := range r.Quantiles {
		levels[i] = strconv.FormatFloat(level, 'f', -1, 64)
	}
	name, of := c.Name+"_quantiles", "("+strings.Join(levels, ", ")+")"
	out := stateColumn{
		name: name,
		typ:  fmt.Sprintf("AggregateFunction(%s%s, %s)", quantilesFunction, of, c.ClickHouse()),
		fill: fmt.Sprintf("%sState%s(%s)", quantilesFunction, of, QuoteIdent(c.Name)),
	}
	for i, level := range r.Quantiles {
		out.read = append(out.read, fmt.Sprintf("%sMerge%s(%s)[%d] AS %s", quantilesFunction, of, QuoteIdent(name), i+1, QuoteIdent(c.Name+"_"+quantile(level))))
	}
	return out
}

// quantilesFunction is the sketch that quantiles are kept in; docs/adr/0016 has how
// exact it is.
const quantilesFunction = "quantilesTDigest"

// last returns how the last value of a reading in its period is kept: as a number
// with the event's time in the period, in milliseconds, above the value's bits,
// so that the greatest is the last. These are the type of the number, the
// expression that makes it of an event, and the one that reads the value from
// the greatest. NULL is no value. Of two events of one millisecond the same one
// counts in whichever order they are merged. A day has fewer than 2^27
// milliseconds, so that 32 bits of value leave room for them in 64.
//
// The road not taken is a state of argMax, which keeps the one it meets first: it
// took the server longer to merge than the rest of the row.
func (r RollupTables) last(c Column) (typ, fill, read string) {
	width := typeViews[c.Type].arrow.(arrow.FixedWidthDataType).BitWidth()
	typ = "UInt64"
	if width > 32 {
		typ = "UInt128"
	}
	fill = fmt.Sprintf("max(bitOr(bitShiftLeft(to%s(toUnixTimestamp64Milli(%s) %% %d), %d), reinterpretAsUInt%[4]d(%[5]s)))",
		typ, QuoteIdent(r.schema.Time.Field), periods[r.Every].millis, width, QuoteIdent(c.Name))
	read = fmt.Sprintf("reinterpretAs%s(toUInt%d(max(%%s)))", typeViews[c.Type].clickhouse, width)
	if c.Nullable {
		typ = "Nullable(" + typ + ")"
	}
	return typ, fill, read
}

// CreateState returns the statement that creates the table of states where it
// does not exist yet.
func (r RollupTables) CreateState() string {
	key, _ := r.schema.field(r.schema.by(r.Rollup))
	var defs []string
	for _, c := range r.columns() {
		defs = append(defs, QuoteIdent(c.name)+" "+c.typ)
	}
	ttl, settings := "", r.tables.settings()
	if r.TTL > 0 {
		// A part is of one day, and goes as a whole.
		ttl = fmt.Sprintf("\nTTL %s + toIntervalDay(%d)", r.Period(), r.TTL)
		settings += ",\n    ttl_only_drop_parts = 1"
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s\n(\n    %s %s,\n    %s DateTime('UTC') CODEC(Delta, ZSTD(1)),\n    %s\n)\nENGINE = %s\nPARTITION BY toDate(%[5]s)\nORDER BY (%[3]s, %[5]s)%[8]s\nSETTINGS %[9]s",
		r.State(), r.tables.onCluster(), r.key(), key.ClickHouse(), r.Period(),
		strings.Join(defs, ",\n    "), r.tables.engine("Aggregating", r.StateName()), ttl, settings)
}

// CreateFeed returns the statement that creates the view which feeds the table of
// states where it does not exist yet: from all events, or from those that a
// boundary leaves to it.
func (r RollupTables) CreateFeed(b Boundary) string {
	where, comment := "", ""
	if b != nil {
		where, comment = "NOT "+b.Below(), "\nCOMMENT "+QuoteString(b.String())
	}
	return fmt.Sprintf("CREATE MATERIALIZED VIEW IF NOT EXISTS %s%s TO %s AS\n%s%s",
		r.Feed(), r.tables.onCluster(), r.State(), r.Of(r.schema.Hot(r.tables), where), comment)
}

// CreateView returns the statement that creates the view that analysts read
// where it does not exist yet.
func (r RollupTables) CreateView() string { return r.view("CREATE VIEW IF NOT EXISTS", "") }

// ReplaceView returns the statement that creates that view anew, with a comment.
func (r RollupTables) ReplaceView(comment string) string {
	return r.view("CREATE OR REPLACE VIEW", comment)
}

func (r RollupTables) view(create, comment string) string {
	var reads []string
	for _, c := range r.columns() {
		reads = append(reads, c.read...)
	}
	if comment != "" {
		comment = "\nCOMMENT " + QuoteString(comment)
	}
	return fmt.Sprintf("%s %s%s AS\nSELECT %s, %s,\n    %s\nFROM %s\nGROUP BY %[4]s, %[5]s%[8]s",
		create, r.tables.qualified(r.Name()), r.tables.onCluster(), r.key(), r.Period(), strings.Join(reads, ",\n    "), r.State(), comment)
}

// Boundary tells the rows of a rollup's view from those of its backfill, by where
// they came from: for each partition of each topic the first offset that is the
// view's. What it does not name is the view's. Every row is on one side of it for
// ever, however often and by whomever it is inserted.
type Boundary map[string]map[int32]int64

// Below returns the condition that a row is the backfill's.
func (b Boundary) Below() string {
	if len(b) == 0 {
		return "(0)"
	}
	var terms []string
	for _, topic := range slices.Sorted(maps.Keys(b)) {
		var partitions, offsets []string
		for _, p := range slices.SortedFunc(maps.Keys(b[topic]), cmp.Compare[int32]) {
			partitions = append(partitions, strconv.Itoa(int(p)))
			offsets = append(offsets, strconv.FormatInt(b[topic][p], 10))
		}
		terms = append(terms, fmt.Sprintf("%s = %s AND %s < transform(%s, CAST([%s], 'Array(Int32)'), CAST([%s], 'Array(Int64)'), toInt64(0))",
			QuoteIdent(ColTopic), QuoteString(topic), QuoteIdent(ColOffset), QuoteIdent(ColPartition), strings.Join(partitions, ", "), strings.Join(offsets, ", ")))
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// String returns the boundary as JSON, as the comment of the view has it.
func (b Boundary) String() string {
	text, err := json.Marshal(map[string]map[int32]int64(b))
	if err != nil {
		panic("BUG: a boundary has no JSON: " + err.Error())
	}
	return string(text)
}
