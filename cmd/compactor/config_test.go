package main

import (
	"fmt"
	"strings"
	"testing"

	"penstock/ops/settings"
)

const shards = good + `tables:
  shard-1: {clickhouse: {addr: "ch-1:9000"}, s3: {prefix: fleet/1}}
  shard-2: {clickhouse: {addr: "ch-2:9000"}, s3: {prefix: fleet/2}, retention_days: 400}
`

// Tables begin as what is set outside of them, and share one budget.
func TestTables(t *testing.T) {
	_, all, err := loadTables(settings.Sources{File: write(t, shards)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range all {
		got = append(got, fmt.Sprint(one.name, " ", one.ClickHouse.Addr, " ", one.S3.Bucket, "/", one.S3.Prefix, " ", one.Tiering.HotDays, " ", one.Tiering.RetentionDays))
	}
	if want := "shard-1 ch-1:9000 cold/fleet/1 31 0, shard-2 ch-2:9000 cold/fleet/2 31 400"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if all[0].budget == nil || all[0].budget != all[1].budget {
		t.Error("they have a budget each")
	}
	one, err := load(settings.Sources{File: write(t, shards), Set: []string{"table=shard-2"}})
	if err != nil || one.name != "shard-2" {
		t.Errorf("got %q, %v; want shard-2", one.name, err)
	}
	only, err := load(settings.Sources{File: write(t, good)})
	if err != nil || only.name != "telemetry" {
		t.Errorf("got %q, %v; want the schema's name", only.name, err)
	}
}

func TestTableFaults(t *testing.T) {
	f := func(config string, set []string, want ...string) {
		t.Helper()
		_, err := load(settings.Sources{File: write(t, config), Set: set})
		if err == nil {
			t.Errorf("no error, want %q", want)
			return
		}
		for _, text := range want {
			if strings.Count(err.Error(), text) != 1 {
				t.Errorf("error does not say %q once:\n%v", text, err)
			}
		}
	}
	f(shards, nil, "this is for one table at a time; name it with --table: shard-1, shard-2")
	f(shards, []string{"table=shard-3"}, `table is "shard-3"; want one of those under tables (shard-1, shard-2)`)
	f(good, []string{"table=x"}, `table is "x", and the config has no tables`)
	// What is wrong outside of the tables is said once.
	f(shards, []string{"hot_days=0", "days_at_once=9", "max_memory=1", "tables.shard-2.grace=-1s"},
		"\nhot_days is 0", "tables.shard-2.grace is -1s", "9 days at once need")
	f(shards, []string{"tables.shard-2.s3.prefix=fleet/1"}, "tables shard-1 and shard-2 both have the folder cold/fleet/1/telemetry; give each a prefix of its own, such as s3.prefix: penstock/shard-2")
	f(shards, []string{"tables.shard-2.clickhouse.addr=ch-1:9000", "tables.shard-2.clickhouse.database=two", "tables.shard-2.s3.bucket=other"},
		"tables shard-1 and shard-2 both have the named collection penstock_cold of ch-1:9000")
	f(shards, []string{"tables.shard-2.clickhouse.addr=ch-1:9000"}, "tables shard-1 and shard-2 are both ClickHouse ch-1:9000, database default, table telemetry")
}
