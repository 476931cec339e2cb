package pipeline

import (
	"testing"

	"penstock/schema"
)

func TestCompareReportsEveryColumnThatDiffers(t *testing.T) {
	s := schema.Telemetry()
	f := func(name string, change func(types map[string]string), want string) {
		t.Helper()
		types := map[string]string{"one_of_theirs": "UInt8"} // more columns than the schema's are the table's business
		for _, c := range s.Columns() {
			types[c.Name] = c.ClickHouse()
		}
		change(types)
		got := ""
		if err := compare(s, "db.telemetry", types); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	f("the same", func(map[string]string) {}, "")
	f("no table", func(types map[string]string) { clear(types) }, "table db.telemetry does not exist; create it with `ingest migrate`")
	f("one absent, one of another type", func(types map[string]string) {
		delete(types, "humidity")
		types["seq"] = "Int32"
	}, "table db.telemetry: column seq is Int32, the schema says UInt64; change one of them\n"+
		"table db.telemetry has no column humidity; add it: ALTER TABLE db.telemetry ADD COLUMN `humidity` Nullable(Float32)")
}
