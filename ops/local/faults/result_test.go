package faults

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/ops/local/stack"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

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
		t.Errorf("differs from %s; if that is meant, run with -rewrite. Got:\n%s", path, got)
	}
}

// example is a run with everything in it: two rounds of one scenario, one of
// another that found something, and one that was not run to its end.
func example() Result {
	m := &measures{}
	m.restart.add(6500 * time.Millisecond)
	m.restart.add(8100 * time.Millisecond)
	m.takeover.add(7200 * time.Millisecond)
	kill := &outcome{Round: Round{Number: 1, Scenario: Kill, Seed: 11, Faults: 2}, Produced: 1000, Stored: 960, Stall: 7 * time.Second, Took: 30 * time.Second,
		Fired: map[string]int{"kill -9": 2}}
	again := &outcome{Round: Round{Number: 2, Scenario: Kill, Seed: 12, Faults: 2}, Produced: 500, Stored: 480, Stall: 9 * time.Second, Took: 20 * time.Second,
		Repaired: 3, Fired: map[string]int{"kill -9": 2}}
	lost := &outcome{Round: Round{Number: 3, Scenario: LostAnswer, Seed: 13, Faults: 4}, Produced: 800, Stored: 790, Stall: 2 * time.Second, Took: 25 * time.Second,
		verdict: verdict{Missing: 1, Duplicated: 20, RollupShort: 5, Findings: []string{"1 readings are missing"}},
		Fired:   map[string]int{"answer lost, then tried again": 2, "answer lost, then kill -9": 1}}
	broken := &outcome{Round: Round{Number: 4, Scenario: Zombie, Seed: 14, Faults: 1}, Took: time.Second, Err: errors.New("no network"), Fired: map[string]int{}}
	return newResult(Config{Seed: 42, Without: []string{"token"}}, []*outcome{kill, again, lost, broken}, m)
}

func TestMarkdown(t *testing.T) { golden(t, "report.md", example().Markdown()) }

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := example().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", b.String())
}

func TestJSON(t *testing.T) {
	text, err := json.MarshalIndent(example(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", string(text)+"\n")
}

func TestFault(t *testing.T) {
	err := example().fault()
	if err == nil || !strings.Contains(err.Error(), "2 of 4 rounds found something: missing 1, duplicated 20, rollup short 5, rollup over 0; seed 42") {
		t.Errorf("got %v", err)
	}
	f := func(name string, violated bool, o *outcome) {
		t.Helper()
		o.Fired = map[string]int{}
		if got := newResult(Config{}, []*outcome{o}, &measures{}).fault(); (got != nil) != violated {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("nothing", false, &outcome{})
	f("a rollup that was repaired", false, &outcome{Repaired: 2})
	f("missing", true, &outcome{verdict: verdict{Missing: 1}})
	f("duplicated", true, &outcome{verdict: verdict{Duplicated: 1}})
	f("rollup over, and mended", false, &outcome{verdict: verdict{RollupOver: 1}})
	f("a rollup that was short", false, &outcome{verdict: verdict{RollupShort: 1}, Repaired: 1})
	f("a finding", true, &outcome{verdict: verdict{Findings: []string{"a node ended"}}})
	f("not run to its end", true, &outcome{Err: errors.New("no network")})
}

func TestNodeConfig(t *testing.T) {
	got, err := nodeConfig(settings{names: Round{Number: 3, Scenario: BrokerKill}.names(), Recovery: FreshFirst, KafkaProxy: "127.0.0.1:19092", ClickHouseProxy: "127.0.0.1:19000",
		ClickHouse: stack.ClickHouseAddress{User: "penstock", Password: `a "quoted" one`}, Admin: "127.0.0.1:19464", SessionTimeout: 6 * time.Second, InsertTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "node.yaml", got)
}

func TestValidate(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ingest-faults")
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	f := func(change func(*Config), want ...string) {
		t.Helper()
		c, err := Default(Short)
		if err != nil {
			t.Fatal(err)
		}
		c.Program, c.LoadTest = program, program
		change(&c)
		err = c.Validate()
		if len(want) == 0 && err != nil {
			t.Error(err)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error lacks %q: %v", w, err)
			}
		}
	}
	f(func(*Config) {})
	f(func(c *Config) { c.Without = []string{"token", "fence"} })
	f(func(c *Config) { c.Program, c.LoadTest = "absent", "gone" }, "go build -tags failpoints -o absent", "make build")
	f(func(c *Config) { c.Without = []string{"tokens"} }, `--without names "tokens"; there are intent, token`)
	f(func(c *Config) { c.Counts = map[Scenario]int{Kill: -1} }, "--kills is -1", "nothing to do")
	f(func(c *Config) { c.Rate, c.Devices, c.SessionTimeout, c.DrainTimeout = 0, 0, 0, 0 }, "--rate", "--devices", "--session-timeout", "--drain-timeout")
	f(func(c *Config) { c.Report = "/absent/folder/faults.md" }, "--report")
}

func TestRoundsKeepApart(t *testing.T) {
	a, b := Round{Number: 3, Scenario: ClickHouseKill}.names(), Round{Number: 4, Scenario: ClickHouseKill}.names()
	if a.database != "r03_clickhouse_kill" || a.topic == b.topic || a.database == b.database || a.group == b.group || a.deadLetters == b.deadLetters {
		t.Errorf("%+v and %+v", a, b)
	}
}
