package schema

import (
	"cmp"
	"fmt"
	"strings"
)

// VersionState is how far a version of a schema has come. Each is a row of the
// table [Schema.Versions].
type VersionState string

// The states, in their order.
const (
	// Accepted: the version is decided. Its columns may not stand everywhere.
	Accepted VersionState = "accepted"
	// Ready: every table of every shard and replica has the version's columns.
	Ready VersionState = "ready"
)

// versionsTable is the part of the table's name behind the schema's.
const versionsTable = "_schema"

// Versions returns the quoted name of the table that has every version of the
// schema, of which the first shard's is the one that counts.
func (s *Schema) Versions(t Tables) string { return t.qualified(s.Name + versionsTable) }

// versions is the statement that creates it. A row is never changed: that a
// version is accepted, and that it is ready, are rows of their own, each
// inserted under [Schema.VersionToken].
func (s *Schema) versions(t Tables) string {
	window := "non_replicated_deduplication_window"
	if t.Replicated {
		window = "replicated_deduplication_window"
	}
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s%s
(
    version UInt32 COMMENT 'Version of the schema',
    state LowCardinality(String) COMMENT 'accepted: decided; ready: every table has its columns',
    text String COMMENT 'The schema file',
    at DateTime64(3, 'UTC') COMMENT 'When it came to this state',
    by String COMMENT 'Who brought it there'
)
ENGINE = %s
ORDER BY (version, state)
SETTINGS %s = %d`, s.Versions(t), t.onCluster(), t.engine("", s.Name+versionsTable), window, tokenWindow)
}

// VersionToken returns the insert token of a version's row. Of two who insert
// the same version in the same state at once ClickHouse takes the first: it is
// what decides between them.
func (s *Schema) VersionToken(version int, state VersionState) string {
	return fmt.Sprintf("schema-%s-v%d-%s", s.Name, version, state)
}

// NewestVersion returns the query for the newest version in a state: its number
// and its text, in one row, or none. Should a version have more than one text,
// because its token was forgotten between two inserts, the earliest counts.
func (s *Schema) NewestVersion(t Tables, in VersionState) string {
	return fmt.Sprintf(`SELECT version, argMin(text, (at, text)) FROM %s
WHERE state = '%s' AND version = (SELECT max(version) FROM %[1]s WHERE state = '%[3]s')
GROUP BY version`, s.Versions(t), Accepted, in)
}

// AddColumns returns the statements that give the hot and the sealed table the
// columns of the fields that came after version since. Each may be repeated.
//
// The sealed table comes first: a day moves from hot to sealed, and only to a
// table that has its columns.
func (s *Schema) AddColumns(t Tables, since int) (all []string) {
	for _, table := range []string{s.Name + "_sealed", s.Name} {
		var columns []string
		for i, c := range s.Fields {
			if c.Since > since {
				place := "FIRST"
				if i > 0 {
					place = "AFTER " + QuoteIdent(s.Fields[i-1].Name)
				}
				columns = append(columns, fmt.Sprintf("ADD COLUMN IF NOT EXISTS %s %s", c.definition(), place))
			}
		}
		if len(columns) > 0 {
			all = append(all, fmt.Sprintf("ALTER TABLE %s%s\n    %s", t.qualified(table), t.onCluster(), strings.Join(columns, ",\n    ")))
		}
	}
	return all
}

// first is the version that brought the column.
func (c Column) first() int { return max(1, c.Since) }

// definition is a column as CREATE TABLE and ALTER TABLE have it.
func (c Column) definition() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", QuoteIdent(c.Name), c.ClickHouse())
	if c.first() > 1 {
		b.WriteString(" DEFAULT " + c.fallback())
	}
	doc := c.Doc
	if c.Unit != "" {
		doc += " [" + c.Unit + "]"
	}
	fmt.Fprintf(&b, " COMMENT %s", QuoteString(strings.TrimSpace(doc)))
	if c.Codec != "" {
		fmt.Fprintf(&b, " CODEC(%s)", c.Codec)
	}
	return b.String()
}

// System is the table expression of a system table of all servers that have
// tables of t.
func (t Tables) System(table string) string {
	if t.Cluster == "" {
		return "system." + table
	}
	return fmt.Sprintf("clusterAllReplicas(%s, system.%s)", QuoteString(t.Cluster), table)
}

// MissingColumns returns the query for the tables that lack a field which came
// after version since, on a server or any of its cluster: their host, their name
// and how many of these fields they have. It is empty if there are no such
// fields.
func (s *Schema) MissingColumns(t Tables, since int) string {
	var names []string
	for _, c := range s.Fields {
		if c.Since > since {
			names = append(names, QuoteString(c.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(`SELECT hostName() AS host, table, countIf(name IN (%s)) AS has FROM %s
WHERE database = %s AND table IN (%s, %s) GROUP BY host, table HAVING has < %d`,
		strings.Join(names, ", "), t.System("columns"), QuoteString(cmp.Or(t.Database, "default")),
		QuoteString(s.Name), QuoteString(s.Name+"_sealed"), len(names))
}
