// Package ddl writes the statements by which other engines read the cold tier.
//
// Each makes a view of exactly the files that the manifests list, with the
// columns of the newest schema and, as schema.ColDay, the day in a file's path,
// by which all of these engines choose the files they open. Nothing is stored on
// S3 for them: what the manifests list changes, and the statements are made anew.
//
// A column that is newer than a file is NULL in it, or empty, 0 or false if it
// cannot be NULL, except in ClickHouse, which takes it from extra as the
// analysts' view does.
package ddl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
)

// Engine is who is to read the cold tier.
type Engine string

// The engines.
const (
	DuckDB     Engine = "duckdb"
	ClickHouse Engine = "clickhouse"
	Trino      Engine = "trino"
	Athena     Engine = "athena"
)

// Engines returns all of them, sorted by name.
func Engines() []Engine { return []Engine{Athena, ClickHouse, DuckDB, Trino} }

// Table is what the statements are made of.
type Table struct {
	// Name is that of the view, as the engine takes it: with its schema or
	// database before a dot, or without.
	Name   string
	Bucket store.S3Config
	tiering.Listed
}

// Statements returns the engine's statements, each with a semicolon, and what
// has to be known beside them as comments.
func Statements(e Engine, t Table) (string, error) {
	if len(t.Files) == 0 {
		return "", errors.New("the manifests list no file of these days; see `compactor plan` for the days that are cold")
	}
	for _, part := range strings.Split(t.Name, ".") {
		if part == "" || strings.ContainsAny(part, "\"`'\\ \n") {
			return "", fmt.Errorf("the view cannot be called %q; want a name such as telemetry or fleet.telemetry", t.Name)
		}
	}
	switch e {
	case DuckDB:
		return t.duckDB(), nil
	case ClickHouse:
		return t.clickHouse()
	case Trino:
		return t.trino()
	case Athena:
		return t.athena()
	}
	return "", fmt.Errorf("there is no engine %q; want one of %v", e, Engines())
}

// url is where a file is, as all engines but ClickHouse name it.
func (t Table) url(file string) string {
	return fmt.Sprintf("s3://%s/%s/%s/%s", t.Bucket.Bucket, t.Bucket.Prefix, t.Schema.Name, file)
}

// title says what is read.
func (t Table) title() string {
	first, last := t.Files[0].Day, t.Files[len(t.Files)-1].Day
	return fmt.Sprintf("-- %d files of %s to %s. To be made anew when the compactor has published others.\n", len(t.Files), first, last)
}

// has reports whether the file has the column.
func has(f tiering.ListedFile, c schema.Column) bool {
	return slices.ContainsFunc(f.Columns, func(sum tiering.ColumnSum) bool { return sum.ID == c.ID })
}

// absent is the literal for a column's value in a file that has it not.
func absent(c schema.Column) string {
	switch {
	case c.Nullable:
		return "NULL"
	case c.Type == schema.String:
		return "''"
	case c.Type == schema.Bool:
		return "false"
	case c.Type == schema.TimestampMS:
		return "TIMESTAMP '1970-01-01 00:00:00'"
	}
	return "0"
}

// generations returns the highest number of one.
func (t Table) generations() int {
	highest := 1
	for _, f := range t.Files {
		var n int
		_, name, _ := strings.Cut(f.Path, "/gen=")
		if _, err := fmt.Sscanf(name, "%d/", &n); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

// names quotes each part of a name.
func names(name, quote string) string {
	return quote + strings.ReplaceAll(name, ".", quote+"."+quote) + quote
}

// text is a string literal of standard SQL.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ident is an identifier of standard SQL.
func ident(name string) string { return `"` + name + `"` }

// list indents literals, one a line.
func list(values []string) string { return "\n    " + strings.Join(values, ",\n    ") + "\n" }

// byColumns returns the files by the columns they have, those with most first.
func (t Table) byColumns() [][]tiering.ListedFile {
	groups := map[string][]tiering.ListedFile{}
	for _, f := range t.Files {
		key := ""
		for _, c := range t.Schema.Columns() {
			if has(f, c) {
				key += c.Name + " "
			}
		}
		groups[key] = append(groups[key], f)
	}
	var all [][]tiering.ListedFile
	for _, files := range groups {
		all = append(all, files)
	}
	slices.SortFunc(all, func(a, b []tiering.ListedFile) int {
		return cmp.Or(len(b[0].Columns)-len(a[0].Columns), strings.Compare(a[0].Path, b[0].Path))
	})
	return all
}
