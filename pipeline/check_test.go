package pipeline

import (
	"regexp"
	"strings"
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

func TestCheckRelations(t *testing.T) {
	s := schema.Telemetry()
	f := func(name string, tables schema.Tables, change func(created map[string]string), want string) {
		t.Helper()
		created := map[string]string{}
		for i, statement := range s.DDL(tables) {
			created[s.Relations()[i]] = statement
		}
		change(created)
		got := ""
		if err := checkRelations(s, "db", created); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	window := regexp.MustCompile(`\w*deduplication_window = \d+`)
	forget := func(created map[string]string) {
		created["telemetry"] = window.ReplaceAllString(created["telemetry"], "index_granularity = 8192")
	}
	f("as created", schema.Tables{}, func(map[string]string) {}, "")
	f("as created, replicated", schema.Tables{Replicated: true}, func(map[string]string) {}, "")
	f("a view is gone", schema.Tables{}, func(created map[string]string) { delete(created, "telemetry_1m_feed") },
		"db.telemetry_1m_feed does not exist; create it with `ingest migrate`")
	f("no window", schema.Tables{}, forget, "table db.telemetry remembers no insert tokens, so a repeated insert would be stored twice; "+
		"ALTER TABLE db.telemetry MODIFY SETTING non_replicated_deduplication_window = 10000")
	f("no window, replicated", schema.Tables{Replicated: true}, forget, "")
	f("a window of nothing", schema.Tables{}, func(created map[string]string) {
		created["telemetry"] = strings.ReplaceAll(created["telemetry"], "= 10000", "= 0")
	}, "table db.telemetry remembers no insert tokens, so a repeated insert would be stored twice; "+
		"ALTER TABLE db.telemetry MODIFY SETTING non_replicated_deduplication_window = 10000")
	f("a hot table that is gone is its columns' fault", schema.Tables{}, func(created map[string]string) { delete(created, "telemetry") }, "")
}
