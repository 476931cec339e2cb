package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

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
	f("no receipts", schema.Tables{}, func(created map[string]string) {
		created["telemetry_sealed"] = strings.ReplaceAll(created["telemetry_sealed"], "PROJECTION", "INDEX")
	}, "table db.telemetry_sealed has no projection receipts, or not with these columns, so nothing tells what is stored; "+
		"ALTER TABLE db.telemetry_sealed DROP PROJECTION IF EXISTS receipts, ADD "+schema.Telemetry().Receipts()+", and MATERIALIZE PROJECTION receipts")
	f("receipts of an older version", schema.Tables{}, func(created map[string]string) {
		created["telemetry"] = strings.ReplaceAll(created["telemetry"], "`ts`, xxHash64", "xxHash64")
	}, "table db.telemetry has no projection receipts, or not with these columns, so nothing tells what is stored; "+
		"ALTER TABLE db.telemetry DROP PROJECTION IF EXISTS receipts, ADD "+schema.Telemetry().Receipts()+", and MATERIALIZE PROJECTION receipts")
	f("a hot table that is gone is its columns' fault", schema.Tables{}, func(created map[string]string) { delete(created, "telemetry") }, "")
}

func TestOnlySilenceIsWaitedFor(t *testing.T) {
	silent := func(what string) error { return &Unreachable{errors.New(what + " does not answer")} }
	f := func(name string, err error, want fate) {
		t.Helper()
		if got, _ := fateOfCheck(err); got != want {
			t.Errorf("%s: fate %v, want %v", name, got, want)
		}
	}
	f("one is silent", silent("kafka"), retry)
	f("both are", errors.Join(silent("kafka"), silent("clickhouse")), retry)
	f("one is, the other lacks a table", errors.Join(silent("kafka"), errors.New("no table")), stop)
	f("a table is missing", errors.New("no table"), stop)
	f("a fault that has silence for a cause", fmt.Errorf("wrong: %w", silent("kafka")), stop)
}

func TestAwaitWaitsForAServiceThatIsAway(t *testing.T) {
	r := newRig(t)
	r.cfg.ClickHouse.Addr = "127.0.0.1:1" // nobody listens
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var told []string
	err := Await(ctx, r.cfg, schema.Telemetry(), Events{Retrying: func(e Retrying) {
		if told = append(told, e.Err.Error()); len(told) == 2 {
			cancel() // enough; it would go on
		}
	}}, func(string) {})
	if !errors.Is(err, context.Canceled) || len(told) != 2 || !strings.Contains(told[0], "clickhouse.addr 127.0.0.1:1 does not answer") {
		t.Errorf("got %v after %q", err, told)
	}
}

func TestAwaitReturnsOtherFaultsAtOnce(t *testing.T) {
	r := newRig(t)
	r.cfg.ClickHouse.Addr, r.cfg.Kafka.Topic = "127.0.0.1:1", "nothing"
	err := Await(t.Context(), r.cfg, schema.Telemetry(), Events{}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "kafka.topic nothing") {
		t.Errorf("got %v", err)
	}
}
