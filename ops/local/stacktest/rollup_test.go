package stacktest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/ops/local/kafka"
	"penstock/schema"
)

// numeric has a reading of every type that can be rolled up.
func numeric(t *testing.T) *schema.Schema {
	t.Helper()
	var fields, readings []string
	for i, typ := range []schema.Type{
		schema.Int8, schema.Int16, schema.Int32, schema.Int64, schema.UInt8, schema.UInt16, schema.UInt32, schema.UInt64, schema.Float32, schema.Float64,
	} {
		fields = append(fields,
			fmt.Sprintf("  - {id: %d, name: %s, type: %[2]s}", 10+2*i, typ),
			fmt.Sprintf("  - {id: %d, name: %s_null, type: %[2]s, nullable: true}", 11+2*i, typ))
		readings = append(readings, string(typ), string(typ)+"_null")
	}
	s, err := schema.Parse([]byte(fmt.Sprintf(`name: numeric
version: 1
identity: [device, seq]
device: device
time: {field: at, not_before: 2015-01-01T00:00:00Z, max_ahead: 24h}
rollup: {readings: [%s]}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
%s`, strings.Join(readings, ", "), strings.Join(fields, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRollup holds the analysts' view against the rows it is made of: for every
// type, with values of either sign and none at all, inserted out of order and in
// pieces, before and after the server has merged them.
func TestRollup(t *testing.T) {
	conn := clickHouseClient(t, start(t, kafka.KFake).Addresses())
	ctx, s, tables := t.Context(), numeric(t), schema.Tables{Database: "rollup"}
	run := func(statement string) {
		t.Helper()
		if err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run(tables.CreateDatabase())
	for _, statement := range s.DDL(tables) {
		run(statement)
	}
	// Each row's time is its own, and far from the order it comes in.
	row := []string{"concat('device-', toString(number % 7)) AS device", "number AS seq",
		"fromUnixTimestamp64Milli(1795435200000 + toInt64(number * 104729 % 600000)) AS at"}
	text := func(expression string) string { return "ifNull(toString(" + expression + "), 'none')" }
	want := []string{"device", text("toStartOfMinute(toDateTime(at, 'UTC')) AS minute"), text("count()")}
	got := []string{"device", text("minute"), text("events")}
	for i, name := range s.Rollup.Readings {
		typ, nullable := strings.CutSuffix(name, "_null")
		value := fmt.Sprintf("reinterpretAs%s(sipHash64(number, %d))", s.Columns()[3+i-i%2].ClickHouse(), i)
		if strings.HasPrefix(typ, "float") {
			value = fmt.Sprintf("(toInt32(sipHash64(number, %d) %% 20001) - 10000) / 64", i)
		}
		if nullable {
			value = fmt.Sprintf("if(number %% 7 = 3 OR number %% 5 = %d, NULL, %s)", i%5, value)
		}
		row = append(row, value+" AS "+name)
		for _, of := range []string{"min(%s)", "max(%s)", "avg(%s)", "argMax(%s, at)"} {
			want = append(want, fmt.Sprintf(text(of), name))
		}
		for _, kind := range []string{"min", "max", "avg", "last"} {
			got = append(got, text(name+"_"+kind))
		}
	}
	for piece := range 6 {
		run(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM numbers(%d, 500)", s.Hot(tables),
			"device, seq, at, "+strings.Join(s.Rollup.Readings, ", "), strings.Join(row, ", "), 500*piece))
	}
	state, _ := s.RollupState(tables)
	compare := func(when string) {
		t.Helper()
		wanted := read(t, conn, "SELECT ["+strings.Join(want, ", ")+"] FROM "+s.Hot(tables)+" GROUP BY device, minute ORDER BY device, minute")
		shown := read(t, conn, "SELECT ["+strings.Join(got, ", ")+"] FROM rollup.numeric_1m ORDER BY device, minute")
		if len(wanted) != 70 || len(shown) != len(wanted) {
			t.Fatalf("%s the view has %d rows, the events make %d; want 70", when, len(shown), len(wanted))
		}
		for i := range wanted {
			for c := range want {
				if shown[i][c] != wanted[i][c] {
					t.Fatalf("%s %s of %v is %s, want %s", when, got[c], wanted[i][:2], shown[i][c], wanted[i][c])
				}
			}
		}
	}
	compare("before merges")
	run("OPTIMIZE TABLE " + state + " FINAL")
	compare("after merges")
}

// read reads a query's one column, an array of text.
func read(t *testing.T, conn driver.Conn, query string) (all [][]string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	for rows.Next() {
		var row []string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
