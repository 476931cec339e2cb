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
rollups:
  - {every: 1m, readings: [%[1]s]}
  - {every: 1h, by: site, readings: [%[1]s], functions: [sum, last, max, min, avg]}
  - {every: 1d, readings: [%[1]s], functions: [last, avg], ttl: 7300d}
  - {name: spread, every: 1h, by: site, readings: [int16, float32_null], functions: [min], quantiles: [0.5, 0.99]}
fields:
  - {id: 1, name: device, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: at, type: timestamp_ms, required: true}
  - {id: 4, name: site, type: string, low_cardinality: true}
%[2]s`, strings.Join(readings, ", "), strings.Join(fields, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRollups holds what analysts read against the rows it is made of: for every
// type and function, with values of either sign and none at all, inserted out of
// order and in pieces, before and after the server has merged them.
func TestRollups(t *testing.T) {
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
	// Each row's time is its own, and far from the order it comes in: within ten
	// minutes of three hours of two days.
	row := []string{"concat('device-', toString(number % 7)) AS device", "number AS seq",
		"fromUnixTimestamp64Milli(1795435200000 + toInt64(number * 104729 % 600000 + number % 3 * 46800000)) AS at",
		"concat('site-', toString(number % 2)) AS site"}
	readings := s.Rollups[0].Readings
	for i, name := range readings {
		typ, nullable := strings.CutSuffix(name, "_null")
		value := fmt.Sprintf("reinterpretAs%s(sipHash64(number, %d))", s.Columns()[4+i-i%2].ClickHouse(), i)
		if strings.HasPrefix(typ, "float") {
			value = fmt.Sprintf("(toInt32(sipHash64(number, %d) %% 20001) - 10000) / 64", i)
		}
		if nullable {
			value = fmt.Sprintf("if(number %% 7 = 3 OR number %% 5 = %d, NULL, %s)", i%5, value)
		}
		row = append(row, value+" AS "+name)
	}
	for piece := range 6 {
		run(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM numbers(%d, 500)", s.Hot(tables),
			"device, seq, at, site, "+strings.Join(readings, ", "), strings.Join(row, ", "), 500*piece))
	}
	text := func(expression string) string { return "ifNull(toString(" + expression + "), 'none')" }
	exact := map[schema.Function]string{schema.Min: "min(%s)", schema.Max: "max(%s)", schema.Avg: "avg(%s)", schema.Last: "argMax(%s, at)", schema.Sum: "sum(%s)"}
	compare := func(r schema.RollupTables, key string, groups int, functions ...schema.Function) {
		t.Helper()
		want := []string{key, text(r.PeriodOf() + " AS period"), text("count()")}
		got := []string{key, text(r.Period()), text("events")}
		for _, name := range r.Readings {
			for _, of := range functions {
				want = append(want, fmt.Sprintf(text(exact[of]), name))
				got = append(got, text(name+"_"+string(of)))
			}
		}
		wanted := read(t, conn, fmt.Sprintf("SELECT [%s] FROM %s GROUP BY %s, period ORDER BY %[3]s, period", strings.Join(want, ", "), s.Hot(tables), key))
		shown := read(t, conn, fmt.Sprintf("SELECT [%s] FROM rollup.%s ORDER BY %s, %s", strings.Join(got, ", "), r.Name(), key, r.Period()))
		if len(wanted) != groups || len(shown) != len(wanted) {
			t.Fatalf("%s has %d rows, the events make %d; want %d", r.Name(), len(shown), len(wanted), groups)
		}
		for i := range wanted {
			for c := range want {
				if shown[i][c] != wanted[i][c] {
					t.Fatalf("%s: %s of %v is %s, want %s", r.Name(), got[c], wanted[i][:2], shown[i][c], wanted[i][c])
				}
			}
		}
	}
	// A sketch is right to within one in a hundred of the ranks.
	spread := func() {
		t.Helper()
		for _, reading := range []string{"int16", "float32_null"} {
			for level, column := range map[float64]string{0.5: "p50", 0.99: "p99"} {
				off := read(t, conn, fmt.Sprintf(`SELECT [toString(site), toString(period), toString(shown), toString(low), toString(high)] FROM (
	SELECT site, toStartOfHour(toDateTime(at, 'UTC')) AS period, quantileExact(%v)(%s) AS low, quantileExact(%v)(%[2]s) AS high FROM %[4]s GROUP BY site, period
) AS e JOIN (SELECT site, hour AS period, %[2]s_%[5]s AS shown FROM rollup.numeric_spread) AS r USING (site, period) WHERE NOT (shown BETWEEN low AND high)`,
					level-0.01, reading, min(level+0.01, 1), s.Hot(tables), column))
				if len(off) > 0 {
					t.Errorf("%s of %s is off: %v", column, reading, off)
				}
			}
		}
	}
	all := s.RollupTables(tables)
	look := func() {
		t.Helper()
		compare(all[0], "device", 166, schema.Min, schema.Max, schema.Avg, schema.Last)
		compare(all[1], "site", 6, all[1].Functions...)
		compare(all[2], "device", 14, all[2].Functions...)
		compare(all[3], "site", 6, schema.Min)
		spread()
	}
	look()
	for _, r := range all {
		run("OPTIMIZE TABLE " + r.State() + " FINAL")
	}
	look()
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
