package stacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"penstock/ops/local/fetch"
	"penstock/schema"
)

// The readers of Parquet are pinned, so that a new release of theirs is a change
// of ours; so is the parser of the SQL of engines that are not to be had here.
var parquetReaders = fetch.Venv("parquet-readers", "1.5.5-26.0.1-2.1.0-30.30.0-0.12.0-2.1.9", 600e6,
	"duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "duckdb-extension-iceberg==1.5.5", "duckdb-extension-avro==1.5.5",
	"pyarrow==26.0.1", "polars==2.1.0", "sqlglot==30.30.0", "pyiceberg==0.12.0", "sqlalchemy==2.1.9")

// runPython runs a script of testdata with the readers and decodes what it prints,
// which is JSON.
func runPython(t *testing.T, said any, script string, args ...string) {
	t.Helper()
	cache, err := fetch.Fetched(t.Context(), os.Stderr, parquetReaders)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), cache.Path(parquetReaders), append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %.200v: %v: %s", script, args, err, stderr.String())
	}
	if err := json.Unmarshal(out, said); err != nil {
		t.Fatalf("%s %.200v said %.500q: %v", script, args, out, err)
	}
}

// Values of all readers are compared as text: NULL is \N, a number without a
// fraction is decimal, one with is its bits or nan, a time is milliseconds since
// 1970 UTC. testdata/values.py writes the same.

// asText is the expression of ClickHouse for a column's values as text.
func asText(c schema.Column) string {
	x := schema.QuoteIdent(c.Name)
	if c.Nullable {
		x = "assumeNotNull(" + x + ")"
	}
	var expr string
	switch c.Type {
	case schema.String:
		expr = "CAST(" + x + ", 'String')"
	case schema.Bool:
		expr = "if(" + x + ", 'true', 'false')"
	case schema.Float32:
		expr = "if(isNaN(" + x + "), 'nan', toString(reinterpretAsUInt32(" + x + ")))"
	case schema.Float64:
		expr = "if(isNaN(" + x + "), 'nan', toString(reinterpretAsUInt64(" + x + ")))"
	case schema.TimestampMS:
		expr = "toString(toUnixTimestamp64Milli(" + x + "))"
	default:
		expr = "toString(" + x + ")"
	}
	if c.Nullable {
		expr = fmt.Sprintf(`if(isNull(%s), '\\N', %s)`, schema.QuoteIdent(c.Name), expr)
	}
	return expr
}

// values are the rows of a table expression of ClickHouse as text.
func (s *services) values(t *testing.T, from string) (rows [][]string) {
	t.Helper()
	var columns []string
	for _, c := range s.schema.Columns() {
		columns = append(columns, asText(c))
	}
	query := fmt.Sprintf("SELECT [%s] FROM %s", strings.Join(columns, ", "), from)
	found, err := s.conn.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	for found.Next() {
		var row []string
		if err := found.Scan(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// sameValues reports the first value by which a reader's rows are not those wanted.
func (s *services) sameValues(t *testing.T, reader string, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s reads %d rows, want %d", reader, len(got), len(want))
		return
	}
	for i, row := range want {
		for j, c := range s.schema.Columns() {
			if got[i][j] != row[j] {
				t.Errorf("%s reads %s of row %d as %q, want %q", reader, c.Name, i, got[i][j], row[j])
				return
			}
		}
	}
}
