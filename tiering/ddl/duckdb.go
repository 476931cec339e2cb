package ddl

import (
	"fmt"
	"strings"

	"penstock/schema"
)

// duckDBTypes are the types of the columns.
var duckDBTypes = map[schema.Type]string{
	schema.String: "VARCHAR", schema.Bool: "BOOLEAN",
	schema.Int8: "TINYINT", schema.Int16: "SMALLINT", schema.Int32: "INTEGER", schema.Int64: "BIGINT",
	schema.UInt8: "UTINYINT", schema.UInt16: "USMALLINT", schema.UInt32: "UINTEGER", schema.UInt64: "UBIGINT",
	schema.Float32: "FLOAT", schema.Float64: "DOUBLE", schema.TimestampMS: "TIMESTAMP WITH TIME ZONE",
}

// duckDB makes one read_parquet of the files that have the same columns. With
// union_by_name it would be one of all; but then DuckDB opens every file
// whenever the view is used, and so it opens the first.
func (t Table) duckDB() string {
	var b strings.Builder
	b.WriteString("-- The cold tier for DuckDB. " + t.title()[3:])
	b.WriteString("-- DuckDB has to know the bucket's credentials, for example:\n")
	secret := "--   INSTALL httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain, REGION " + text(t.Bucket.Region)
	if endpoint := t.Bucket.Endpoint; endpoint != "" {
		scheme, host, _ := strings.Cut(endpoint, "://")
		secret += fmt.Sprintf(", ENDPOINT %s, USE_SSL %t", text(host), scheme == "https")
	}
	if t.Bucket.PathStyle {
		secret += ", URL_STYLE 'path'"
	}
	b.WriteString(secret + ");\n")
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s AS\n", names(t.Name, `"`))
	for i, files := range t.byColumns() {
		if i > 0 {
			b.WriteString("UNION ALL\n")
		}
		var columns, urls []string
		for _, c := range t.Schema.Columns() {
			if has(files[0], c) {
				columns = append(columns, ident(c.Name))
			} else {
				zero := absent(c)
				if c.Type == schema.TimestampMS && !c.Nullable {
					zero = "make_timestamptz(0)" // the literal would be in the session's time zone
				}
				columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS %s", zero, duckDBTypes[c.Type], ident(c.Name)))
			}
		}
		for _, f := range files {
			urls = append(urls, text(t.url(f.Path)))
		}
		columns = append(columns, "day AS "+ident(schema.ColDay))
		fmt.Fprintf(&b, "SELECT %s\nFROM read_parquet([%s], hive_partitioning = true, hive_types = {'day': DATE, 'gen': INTEGER})\n",
			strings.Join(columns, ", "), list(urls))
	}
	return strings.TrimSuffix(b.String(), "\n") + ";\n"
}
