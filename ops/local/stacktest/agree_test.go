package stacktest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// extremes are values of each type that a reader may take for others, in the SQL
// of ClickHouse.
var extremes = map[schema.Type]string{
	schema.String:      `['', 'ünï\0code', '中 🚀', '{"a":[1,null]}']`,
	schema.Bool:        "[false, true, true, false]",
	schema.Int8:        "[-128, 127, 0, -1]",
	schema.Int16:       "[-32768, 32767, 0, -1]",
	schema.Int32:       "[-2147483648, 2147483647, 0, -1]",
	schema.Int64:       "[-9223372036854775808, 9223372036854775807, 9007199254740993, -1]",
	schema.UInt8:       "[0, 255, 128, 1]",
	schema.UInt16:      "[0, 65535, 32768, 1]",
	schema.UInt32:      "[0, 4294967295, 2147483648, 1]",
	schema.UInt64:      "[0, 18446744073709551615, 9223372036854775808, 9007199254740993]",
	schema.Float32:     "['nan', '-0', 'inf', '1e-45']",
	schema.Float64:     "['nan', '-0', '-inf', '4.9e-324']",
	schema.TimestampMS: "[toDateTime64('1969-12-31 23:59:59.999', 3, 'UTC'), toDateTime64('2100-01-01 00:00:00.001', 3, 'UTC'), toDateTime64('1970-01-01', 3, 'UTC'), toDateTime64('2026-10-25 01:30:00.5', 3, 'UTC')]",
}

// readerTypes are what each reader makes of a type. Those that are missing here
// are compared by value alone.
var readerTypes = map[string]map[schema.Type]string{
	"duckdb": {
		schema.String: "VARCHAR", schema.Bool: "BOOLEAN", schema.Int8: "TINYINT", schema.Int16: "SMALLINT", schema.Int32: "INTEGER", schema.Int64: "BIGINT",
		schema.UInt8: "UTINYINT", schema.UInt16: "USMALLINT", schema.UInt32: "UINTEGER", schema.UInt64: "UBIGINT",
		schema.Float32: "FLOAT", schema.Float64: "DOUBLE", schema.TimestampMS: "TIMESTAMP WITH TIME ZONE",
	},
	"pyarrow": {
		schema.String: "string", schema.Bool: "bool", schema.Int8: "int8", schema.Int16: "int16", schema.Int32: "int32", schema.Int64: "int64",
		schema.UInt8: "uint8", schema.UInt16: "uint16", schema.UInt32: "uint32", schema.UInt64: "uint64",
		schema.Float32: "float", schema.Float64: "double", schema.TimestampMS: "timestamp[ms, tz=UTC]",
	},
	"polars": {
		schema.String: "String", schema.Bool: "Boolean", schema.Int8: "Int8", schema.Int16: "Int16", schema.Int32: "Int32", schema.Int64: "Int64",
		schema.UInt8: "UInt8", schema.UInt16: "UInt16", schema.UInt32: "UInt32", schema.UInt64: "UInt64",
		schema.Float32: "Float32", schema.Float64: "Float64", schema.TimestampMS: "Datetime(time_unit='ms', time_zone='UTC')",
	},
	"arrow-go": {
		schema.String: "utf8", schema.Bool: "bool", schema.Int8: "int8", schema.Int16: "int16", schema.Int32: "int32", schema.Int64: "int64",
		schema.UInt8: "uint8", schema.UInt16: "uint16", schema.UInt32: "uint32", schema.UInt64: "uint64",
		schema.Float32: "float32", schema.Float64: "float64", schema.TimestampMS: "timestamp[ms, tz=UTC]",
	},
	"parquet-go": {
		schema.String: "STRING", schema.Bool: "BOOLEAN", schema.Int8: "INT(8,true)", schema.Int16: "INT(16,true)", schema.Int32: "INT(32,true)", schema.Int64: "INT(64,true)",
		schema.UInt8: "INT(8,false)", schema.UInt16: "INT(16,false)", schema.UInt32: "INT(32,false)", schema.UInt64: "INT(64,false)",
		schema.Float32: "FLOAT", schema.Float64: "DOUBLE", schema.TimestampMS: "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)",
	},
	// ClickHouse by itself, without the structure that the view gives it.
	"clickhouse": {
		schema.String: "String", schema.Bool: "Bool", schema.Int8: "Int8", schema.Int16: "Int16", schema.Int32: "Int32", schema.Int64: "Int64",
		schema.UInt8: "UInt8", schema.UInt16: "UInt16", schema.UInt32: "UInt32", schema.UInt64: "UInt64",
		schema.Float32: "Float32", schema.Float64: "Float64", schema.TimestampMS: "DateTime64(3, 'UTC')",
	},
}

// everyType is a schema with a column of each type, one that can be NULL, and a
// text of low cardinality.
func everyType(t *testing.T) *schema.Schema {
	t.Helper()
	var b strings.Builder
	b.WriteString(`name: every
version: 1
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: v_text, type: string, low_cardinality: true}
`)
	for i, kind := range schema.Types() {
		fmt.Fprintf(&b, "  - {id: %d, name: v_%s, type: %s}\n  - {id: %d, name: n_%[2]s, type: %[2]s, nullable: true}\n", 10+2*i, kind, kind, 11+2*i)
	}
	s, err := schema.Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every reader reads the same files as the same rows, value by value, with types
// of its own that can hold every value.
func testReadersAgree(t *testing.T, e coldTier) {
	s := openColdTierOf(t, e, everyType(t), func(c *tiering.Config, _ *warehouse.Config) { c.FileBytes, c.RowGroupRows = 30_000, 200 })
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	var values []string
	for _, c := range s.schema.Columns() {
		var expr string
		switch c.Name {
		case s.schema.Device:
			expr = "concat('device-', toString(number % 37))"
		case "seq", schema.ColOffset:
			expr = "number"
		case s.schema.Time.Field, schema.ColIngestedAt:
			expr = fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d + number * 50000), 'UTC')", day.Start().UnixMilli())
		default:
			plain := c
			plain.Nullable, plain.LowCardinality = false, false
			expr = fmt.Sprintf("CAST(%s, %s)[1 + intDiv(number, 7) %% 4]", extremes[c.Type], schema.QuoteString("Array("+plain.ClickHouse()+")"))
		}
		if c.Nullable {
			expr = fmt.Sprintf("if(number %% 5 = 0, NULL, %s)", expr)
		}
		values = append(values, fmt.Sprintf("CAST(%s, %s)", expr, schema.QuoteString(c.ClickHouse())))
	}
	s.exec(t, fmt.Sprintf("INSERT INTO %s SELECT %s FROM numbers(1500)", s.schema.Hot(s.tables), strings.Join(values, ", ")))
	want := s.values(t, "(SELECT * FROM "+s.schema.Hot(s.tables)+" ORDER BY device_id, ts)")
	c := s.compactor(tiering.Events{})
	if _, err := c.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := c.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("%d files, want several", len(files))
	}

	for _, reader := range []string{"duckdb", "pyarrow", "polars"} {
		var got found
		runPython(t, &got, "values.py", append([]string{reader}, s.download(t, files)...)...)
		s.agrees(t, reader, got, want)
	}
	for reader, read := range map[string]func([]byte, *schema.Schema) (found, error){"arrow-go": byArrow, "parquet-go": byParquetGo} {
		all := found{}
		for _, key := range files {
			body, _, err := store.ReadAll(t.Context(), s.objects, key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(body, s.schema)
			if err != nil {
				t.Fatalf("%s: %s: %v", reader, key, err)
			}
			all.Types, all.Rows = got.Types, append(all.Rows, got.Rows...)
		}
		s.agrees(t, reader, all, want)
	}
	s.agrees(t, "clickhouse", s.byClickHouse(t, e, files), want)
	s.agrees(t, "the view", found{Rows: s.values(t, "(SELECT * FROM "+s.schema.All(s.tables)+" ORDER BY device_id, ts)")}, want)
}

// found is what a reader finds: its types by column, and the rows as text.
type found struct {
	Types map[string]string `json:"types"`
	Rows  [][]string        `json:"rows"`
}

func (s *services) agrees(t *testing.T, reader string, got found, want [][]string) {
	t.Helper()
	s.sameValues(t, reader, got.Rows, want)
	for _, c := range s.schema.Columns() {
		if want := readerTypes[reader][c.Type]; got.Types[c.Name] != want {
			t.Errorf("%s takes %s, which is %s, for %q, want %q", reader, c.Name, c.Type, got.Types[c.Name], want)
		}
	}
}

// byClickHouse reads the files with s3() and no structure.
func (s *services) byClickHouse(t *testing.T, e coldTier, files []string) found {
	t.Helper()
	url, err := e.bucket.URL(e.bucket.Endpoint, "/")
	if err != nil {
		t.Fatal(err)
	}
	source := fmt.Sprintf("s3('%s{%s}', '%s', '%s', 'Parquet')", url, strings.Join(files, ","), e.s3.AccessKey, e.s3.SecretKey)
	got := found{Types: map[string]string{}}
	columns, err := s.conn.Query(t.Context(), "DESCRIBE TABLE "+source+" SETTINGS describe_compact_output = 1")
	if err != nil {
		t.Fatal(err)
	}
	for columns.Next() {
		var name, kind string
		if err := columns.Scan(&name, &kind); err != nil {
			t.Fatal(err)
		}
		kind = strings.TrimSuffix(strings.TrimPrefix(kind, "Nullable("), ")")
		if strings.HasPrefix(kind, "DateTime64(3, 'UTC'") {
			kind = "DateTime64(3, 'UTC')"
		}
		got.Types[name] = kind
	}
	if err := columns.Close(); err != nil {
		t.Fatal(err)
	}
	got.Rows = s.values(t, "(SELECT * FROM "+source+" ORDER BY device_id, ts)")
	return got
}
