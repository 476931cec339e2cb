package ddl

import (
	"fmt"
	"strings"

	"penstock/schema"
)

// Trino and Athena know no table that is a list of files, but one that is a
// folder. So there are two: a table of the folder, with whatever lies there, and
// a view of it that keeps the rows of the listed files, by the path each engine
// knows of a row. A day that is asked for is chosen by its partition, and a file
// by its path before it is opened.
//
// Neither has unsigned types. The table has the signed type that a number is
// stored as, and the view makes of it what it is: of 8 and 16 bits nothing else,
// of 32 bits a bigint, of 64 bits a decimal(20, 0). Declared as the wider type in
// the table, Trino compares a condition with signed bounds of the file and fails
// (trinodb/trino issue 27274).

// hiveTypes are the types of the table: Trino's and, where it differs, Hive's.
var hiveTypes = map[schema.Type]struct{ trino, hive string }{
	schema.String: {"varchar", "string"}, schema.Bool: {"boolean", "boolean"},
	schema.Int8: {"tinyint", "tinyint"}, schema.Int16: {"smallint", "smallint"}, schema.Int32: {"integer", "int"}, schema.Int64: {"bigint", "bigint"},
	schema.UInt8: {"integer", "int"}, schema.UInt16: {"integer", "int"}, schema.UInt32: {"integer", "int"}, schema.UInt64: {"bigint", "bigint"},
	schema.Float32: {"real", "float"}, schema.Float64: {"double", "double"}, schema.TimestampMS: {"timestamp(3)", "timestamp"},
}

// athenaStatement is the most bytes that Athena takes as one statement.
const athenaStatement = 262_144

// folder is the name of the table of the folder.
func (t Table) folder() string { return t.Name + "_folder" }

func (t Table) trino() (string, error) {
	if !strings.Contains(t.Name, ".") {
		return "", fmt.Errorf("--table-name is %q; Trino's sync_partition_metadata needs the schema too, such as fleet.%[1]s", t.Name)
	}
	var columns []string
	for _, c := range t.Schema.Columns() {
		columns = append(columns, ident(c.Name)+" "+hiveTypes[c.Type].trino)
	}
	columns = append(columns, `"day" date`, `"gen" integer`)
	parts := strings.Split(t.folder(), ".")
	var b strings.Builder
	b.WriteString("-- The cold tier for Trino's Hive connector. " + t.title()[3:])
	b.WriteString("-- Timestamps are in UTC. The table holds no data of its own: to drop it deletes nothing.\n")
	fmt.Fprintf(&b, "DROP TABLE IF EXISTS %s;\n", names(t.folder(), `"`))
	fmt.Fprintf(&b, "CREATE TABLE %s (%s) WITH (external_location = %s, format = 'PARQUET', partitioned_by = ARRAY['day', 'gen']);\n",
		names(t.folder(), `"`), list(columns), text(t.url("")))
	fmt.Fprintf(&b, "CALL system.sync_partition_metadata(%s, %s, 'FULL');\n", text(parts[len(parts)-2]), text(parts[len(parts)-1]))
	b.WriteString(t.pathView() + ";\n")
	return b.String(), nil
}

func (t Table) athena() (string, error) {
	var columns []string
	for _, c := range t.Schema.Columns() {
		columns = append(columns, "`"+c.Name+"` "+hiveTypes[c.Type].hive)
	}
	view := t.pathView()
	if len(view) > athenaStatement {
		return "", fmt.Errorf("the view of %d files is %d bytes long, and Athena takes %d; ask for fewer days with --from and --to",
			len(t.Files), len(view), athenaStatement)
	}
	var b strings.Builder
	b.WriteString("-- The cold tier for Athena. " + t.title()[3:])
	b.WriteString("-- Timestamps are in UTC. The table holds no data of its own: to drop it deletes nothing.\n-- Athena runs one statement at a time.\n")
	fmt.Fprintf(&b, "DROP TABLE IF EXISTS %s;\n", names(t.folder(), "`"))
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE %s (%s)\nPARTITIONED BY (`day` date, `gen` int)\nSTORED AS PARQUET\nLOCATION %s\nTBLPROPERTIES (%s);\n",
		names(t.folder(), "`"), list(columns), text(t.url("")), list([]string{
			"'projection.enabled' = 'true'",
			"'projection.day.type' = 'date'", "'projection.day.format' = 'yyyy-MM-dd'",
			fmt.Sprintf("'projection.day.range' = '%s,%s'", t.Files[0].Day, t.Files[len(t.Files)-1].Day),
			"'projection.gen.type' = 'integer'", "'projection.gen.digits' = '6'",
			fmt.Sprintf("'projection.gen.range' = '1,%d'", t.generations()),
			fmt.Sprintf("'storage.location.template' = %s", text(t.url("day=${day}/gen=${gen}/"))),
		}))
	b.WriteString(view + ";\n")
	return b.String(), nil
}

// pathView is the view of the table of the folder; Athena's SQL is Trino's here.
func (t Table) pathView() string {
	var columns, urls []string
	for _, c := range t.Schema.Columns() {
		q := ident(c.Name)
		expr := q
		switch c.Type {
		case schema.UInt32:
			expr = fmt.Sprintf("IF(%s < 0, %[1]s + BIGINT '4294967296', %[1]s)", q)
		case schema.UInt64:
			expr = fmt.Sprintf("CAST(IF(%s < 0, %[1]s + DECIMAL '18446744073709551616', %[1]s) AS decimal(20, 0))", q)
		}
		if c.Since > 1 && !c.Nullable {
			expr = fmt.Sprintf("COALESCE(%s, %s)", expr, absent(c))
		}
		if expr != q {
			expr += " AS " + q
		}
		columns = append(columns, expr)
	}
	columns = append(columns, `"day" AS `+ident(schema.ColDay))
	for _, f := range t.Files {
		urls = append(urls, text(t.url(f.Path)))
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS\nSELECT %s\nFROM %s\nWHERE \"$path\" IN (%s)",
		names(t.Name, `"`), strings.Join(columns, ", "), names(t.folder(), `"`), list(urls))
}
