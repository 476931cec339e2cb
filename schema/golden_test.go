package schema_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"penstock/schema"

	parquetschema "github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// rewrite takes what the code says now as right. Understand the diff first:
// every one of these files is something that stored data depends on.
var rewrite = flag.Bool("rewrite", false, "write the golden files in testdata anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the code makes; see the difference with: go test ./schema -rewrite && git diff\n%s", path, got)
	}
}

func TestGoldenTelemetry(t *testing.T) { testGolden(t, "telemetry", schema.Telemetry()) }
func TestGoldenEveryType(t *testing.T) { testGolden(t, "every_type", everyType(t)) }

func testGolden(t *testing.T, name string, s *schema.Schema) {
	single := schema.Tables{}
	cluster := schema.Tables{Database: "fleet", Replicated: true, Cluster: "main"}
	script := func(statements ...string) string { return strings.Join(statements, ";\n\n") + ";\n" }
	golden(t, name+".mergetree.sql", script(s.DDL(single)...))
	golden(t, name+".replicated.sql", script(s.DDL(cluster)...))

	cutOver := []schema.Day{schema.DayOf(noon), schema.DayOf(noon) + 1}
	files := []string{"day=2026-10-26/gen=000001/part-00000-0123456789abcdef.parquet", "day=2026-10-27/gen=000002/it's.parquet"}
	golden(t, name+".view.sql", script(
		s.AllView(single, schema.Cold{CutOver: cutOver[:1], Source: "s3(cold, filename = 'day=*/gen=*/*.parquet', structure = ", Files: files[:1]}),
		s.AllView(cluster, schema.Cold{CutOver: cutOver, Source: "s3('http://s3/cold/day=*/gen=*/*.parquet', 'key', 'secret', 'Parquet', ", Files: files, Secret: true}),
		s.AllView(single, schema.Cold{CutOver: cutOver}),
		s.AllView(cluster, schema.Cold{CutOver: cutOver, Moving: &schema.Row{Day: cutOver[0] + 1, Topic: "it's", Origin: schema.Origin{Partition: 3, Offset: 1234, Index: 56}}}),
	))

	var insert strings.Builder
	for i, c := range schema.NewBlock(s).Input() {
		column := s.Columns()[i]
		if c.Name != column.Name || string(c.Data.Type()) != column.ClickHouse() {
			t.Errorf("insert column %d is %s %s, want %s %s", i, c.Name, c.Data.Type(), column.Name, column.ClickHouse())
		}
		fmt.Fprintf(&insert, "%s %s\n", c.Name, c.Data.Type())
	}
	golden(t, name+".insert.txt", insert.String())

	arrow := s.Arrow()
	golden(t, name+".arrow.txt", arrow.String()+"\n")
	parquet, err := pqarrow.ToParquet(arrow, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	parquetschema.PrintSchema(parquet.Root(), &text, 2)
	golden(t, name+".parquet.txt", text.String())

	golden(t, name+".proto", s.Proto())
	golden(t, name+".avsc", s.Avro())
}

func TestQuote(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(schema.QuoteIdent("ts"), "`ts`")
	f(schema.QuoteIdent("a`b\\"), "`a\\`b\\\\`")
	f(schema.QuoteString("it's a \\"), `'it\'s a \\'`)
}

func TestDay(t *testing.T) {
	f := func(millis int64, want string) {
		t.Helper()
		day := schema.DayOf(millis)
		if day.String() != want {
			t.Errorf("the day of %d is %s, want %s", millis, day, want)
		}
		if back, err := schema.ParseDay(want); err != nil || back != day {
			t.Errorf("parsing %s gives %d and %v, want %d", want, back, err, day)
		}
		if start := day.Start().UnixMilli(); millis < start || millis >= start+86_400_000 {
			t.Errorf("%s starts at %d, which does not hold %d", want, start, millis)
		}
	}
	f(0, "1970-01-01")
	f(86_399_999, "1970-01-01")
	f(86_400_000, "1970-01-02")
	f(-1, "1969-12-31")
	f(-86_400_000, "1969-12-31")
	f(-86_400_001, "1969-12-30")
	f(noon, "2026-10-26")

	_, err := schema.ParseDay("26.10.2026")
	if want := `day "26.10.2026" is not written as 2026-11-23`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// The example is the shipped schema with more rollups, and nothing else.
func TestExampleOfRollups(t *testing.T) {
	s, err := schema.Open("../docs/examples/telemetry_rollups.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rollups) != 6 {
		t.Errorf("%d rollups, want 6", len(s.Rollups))
	}
	shipped := schema.Telemetry()
	if s.Name != shipped.Name || s.Version != shipped.Version || s.Time != shipped.Time || !reflect.DeepEqual(s.Columns(), shipped.Columns()) {
		t.Error("without its rollups the example is not telemetry.yaml")
	}
}
