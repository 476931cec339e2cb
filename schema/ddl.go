package schema

import (
	"cmp"
	"fmt"
	"strings"
)

// Tables says where and how the tables of a schema stand in ClickHouse.
type Tables struct {
	// Database holds them all. The default value is "default".
	Database string
	// Replicated makes them ReplicatedMergeTree, with the server's macros
	// {shard} and {replica}; otherwise MergeTree.
	Replicated bool
	// Cluster adds ON CLUSTER to every statement, if not empty.
	Cluster string
}

// tokenWindow is how many insert tokens a table remembers per day partition.
// A retried insert is skipped only while its token is remembered. Larger: a
// longer outage is survived without consulting the receipts. Smaller: less to
// keep, some 100 bytes a token. A plain MergeTree remembers none unless told.
const tokenWindow = 10_000

// mergeBase is how many times the largest of them parts have to be together for
// the server to merge them; its default is 5. Larger: a row is rewritten less
// often, and merging is most of what storing it costs. Smaller: fewer parts a
// day for queries to open, some 10 instead of 25.
const mergeBase = 20

// QuoteIdent quotes a ClickHouse identifier.
func QuoteIdent(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// QuoteString quotes a ClickHouse string literal.
func QuoteString(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}

// quoted returns the database's name as a statement has it.
func (t Tables) quoted() string { return QuoteIdent(cmp.Or(t.Database, "default")) }

func (t Tables) qualified(table string) string { return t.quoted() + "." + QuoteIdent(table) }

func (t Tables) onCluster() string {
	if t.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + QuoteIdent(t.Cluster)
}

func (t Tables) engine(kind, table string) string {
	if !t.Replicated {
		return kind + "MergeTree"
	}
	return fmt.Sprintf("Replicated%sMergeTree('/clickhouse/tables/{shard}/{database}/%s', '{replica}')", kind, table)
}

// settings are those of every table that inserts go to; what each saves is in
// docs/performance.md, and why they are as they are in docs/adr/0010.
func (t Tables) settings() string {
	window := "non_replicated_deduplication_window"
	if t.Replicated {
		window = "replicated_deduplication_window"
	}
	return strings.Join([]string{
		fmt.Sprintf("%s = %d", window, tokenWindow),
		fmt.Sprintf("merge_selector_base = %d", mergeBase),
		// What one insert brings is a few files and not one a column.
		"min_level_for_wide_part = 1",
		// Sketches of every column, made anew by each merge, for joins that
		// nobody makes with telemetry.
		"auto_statistics_types = ''",
		// The receipts can be told no codec but by this.
		"default_compression_codec = 'ZSTD(1)'",
	}, ",\n    ")
}

// Hot returns the quoted name of the table inserts go to.
func (s *Schema) Hot(t Tables) string { return t.qualified(s.Name) }

// Sealed returns the quoted name of the table a day is moved to before export.
func (s *Schema) Sealed(t Tables) string { return t.qualified(s.Name + "_sealed") }

// All returns the quoted name of the analysts' view over hot, sealed and cold.
func (s *Schema) All(t Tables) string { return t.qualified(s.Name + "_all") }

// ClickHouse returns the column's type in ClickHouse.
func (c Column) ClickHouse() string {
	name := typeViews[c.Type].clickhouse
	switch {
	case c.LowCardinality:
		return "LowCardinality(" + name + ")"
	case c.Nullable:
		return "Nullable(" + name + ")"
	}
	return name
}

// CreateDatabase returns the statement that creates the database where it does
// not exist yet.
func (t Tables) CreateDatabase() string {
	return "CREATE DATABASE IF NOT EXISTS " + t.quoted() + t.onCluster()
}

// DDL returns the statements that create the schema's tables and views where
// they do not exist yet, in the order they have to run.
func (s *Schema) DDL(t Tables) []string {
	out := s.EventDDL(t)
	for _, r := range s.RollupTables(t) {
		out = append(out, r.CreateState(), r.CreateFeed(nil), r.CreateView())
	}
	return out
}

// EventDDL returns those of the events alone: the hot
// and the sealed table, and the analysts' view of both.
func (s *Schema) EventDDL(t Tables) []string {
	return []string{s.eventTable(t, s.Name), s.eventTable(t, s.Name+"_sealed"), s.viewAs(t, "CREATE VIEW IF NOT EXISTS "+s.All(t), Cold{}), s.versions(t)}
}

// Relations returns the bare names of the tables and views that DDL creates.
func (s *Schema) Relations() []string {
	names := []string{s.Name, s.Name + "_sealed", s.Name + "_all", s.Name + versionsTable}
	for _, r := range s.RollupTables(Tables{}) {
		names = append(names, r.StateName(), r.FeedName(), r.Name())
	}
	return names
}

// eventTable is the same for hot and sealed: MOVE PARTITION requires it.
func (s *Schema) eventTable(t Tables, table string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s%s\n(\n", t.qualified(table), t.onCluster())
	for _, c := range s.Columns() {
		b.WriteString("    " + c.definition() + ",\n")
	}
	fmt.Fprintf(&b, "    %s\n", s.Receipts())
	fmt.Fprintf(&b, ")\nENGINE = %s\nPARTITION BY toDate(%s)\nORDER BY (%s, %s)\nSETTINGS %s",
		t.engine("", table), QuoteIdent(s.Time.Field), QuoteIdent(s.Device), QuoteIdent(s.Time.Field), t.settings())
	return b.String()
}

// Receipts is the definition of the receipts projection. It keeps of a row where
// it came from, when, and the event time and identity by which a resend of it is
// known. It is not ordered by the index too: what is asked for is whole records.
func (s *Schema) Receipts() string {
	cols := []string{QuoteIdent(ColPartition), QuoteIdent(ColOffset), QuoteIdent(ColIndex), QuoteIdent(ColIngestedAt), QuoteIdent(s.Time.Field)}
	return fmt.Sprintf("PROJECTION receipts (SELECT %s ORDER BY %s, %s)",
		strings.Join(append(cols, s.Fingerprint()...), ", "), QuoteIdent(ColPartition), QuoteIdent(ColOffset))
}

// Fingerprint returns the expressions by which ClickHouse makes an [Identity]
// of a row: the device's hash and the number, or the one field. The receipts
// projection has them, so a query that uses these and no others reads that.
func (s *Schema) Fingerprint() []string {
	var out []string
	for _, name := range s.Identity {
		expr := QuoteIdent(name)
		if c, _ := s.field(name); c.Type == String {
			expr = "xxHash64(" + expr + ")"
		}
		out = append(out, expr)
	}
	return out
}
