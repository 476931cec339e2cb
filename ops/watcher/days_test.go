package watcher

import (
	"fmt"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

func TestDays(t *testing.T) {
	today := schema.DayOf(noon.UnixMilli())
	hot := func(ago int) tiering.Partition {
		return tiering.Partition{Day: today - schema.Day(ago), HotRows: 1}
	}
	sealed := func(ago int) tiering.Partition {
		return tiering.Partition{Day: today - schema.Day(ago), SealedRows: 1}
	}
	file := func(ago int) string {
		return fmt.Sprintf("day=%s/gen=000001/part-00000-0123456789abcdef.parquet", today-schema.Day(ago))
	}
	server := func(cold schema.Cold, partitions ...tiering.Partition) Server {
		return Server{cold: cold, partitions: partitions}
	}
	f := func(what string, want Days, servers ...Server) {
		t.Helper()
		if got := daysOf(noon, servers); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	oldest := func(ago int) maybe[schema.Day] { return is(today - schema.Day(ago)) }
	const half = 12 * time.Hour // of today is over

	f("nothing", Days{}, server(schema.Cold{}))
	f("today is not over", Days{Hot: 1, Oldest: oldest(0)}, server(schema.Cold{}, hot(0)))
	f("no cold tier", Days{Hot: 2, Oldest: oldest(40), Age: 39*24*time.Hour + half}, server(schema.Cold{}, hot(0), hot(40)))
	f("one on its way", Days{Hot: 1, Sealed: 1, Oldest: oldest(31), Age: 30*24*time.Hour + half}, server(schema.Cold{}, hot(3), sealed(31)))
	f("cut over, and not dropped yet", Days{Hot: 1, Cold: 1, Oldest: oldest(3), Age: 2*24*time.Hour + half},
		server(schema.Cold{Files: []string{file(31)}, CutOver: []schema.Day{today - 31}}, hot(3), sealed(31)))
	f("late rows of a cold day", Days{Cold: 2}, server(schema.Cold{Files: []string{file(50), file(50), file(51)}}, hot(50)))
	f("two shards, of which one has moved the day", Days{Sealed: 1, Cold: 1, Oldest: oldest(31), Age: 30*24*time.Hour + half},
		server(schema.Cold{Files: []string{file(31), file(32)}}), server(schema.Cold{Files: []string{file(32)}}, sealed(31)))
	f("and one that has not begun", Days{Hot: 1, Oldest: oldest(31), Age: 30*24*time.Hour + half},
		server(schema.Cold{}, sealed(31)), server(schema.Cold{}, hot(31)))
	f("a file elsewhere", Days{}, server(schema.Cold{Files: []string{"x.parquet", "day=never/x"}}))
}

func TestLimits(t *testing.T) {
	f := func(engine string, want limits) {
		t.Helper()
		if got := limitsOf(engine, limits{1000, 3000}); got != want {
			t.Errorf("%s: %+v, want %+v", engine, got, want)
		}
	}
	f("MergeTree ORDER BY x SETTINGS index_granularity = 8192", limits{1000, 3000})
	f("MergeTree ORDER BY x SETTINGS parts_to_delay_insert = 20, parts_to_throw_insert = 30, index_granularity = 8192", limits{20, 30})
	f("MergeTree ORDER BY x SETTINGS parts_to_throw_insert = 99999999999999999999", limits{1000, 3000})
}
