package watcher

import (
	"strings"
	"time"

	"penstock/schema"
	"penstock/tiering"
)

// Days is how many days are where, of a stream's table on all its servers.
type Days struct {
	Hot, Sealed, Cold int
	// Oldest is the oldest day that is hot or sealed; unknown if there is none. Age is
	// how long ago it ended; 0 if it has not.
	Oldest maybe[schema.Day]
	Age    time.Duration
}

// daysOf says where the days are by what servers have and by what their views show. A
// day is as hot as any server has it: of two shards, one may have moved it already.
//
// It is what ClickHouse knows. Manifests know more, see tiering.Plan: a day that was
// published and is not cut over yet, or is restored, is sealed here. One that is cold and
// has rows that came late is cold, since it was tiered once.
func daysOf(now time.Time, servers []Server) (out Days) {
	states := map[schema.Day]tiering.State{}
	for _, s := range servers {
		cold := map[schema.Day]bool{}
		for _, file := range s.cold.Files {
			if day, ok := dayOfFile(file); ok {
				cold[day] = true
			}
		}
		for _, day := range s.cold.CutOver {
			cold[day] = true
		}
		for day := range cold {
			states[day] = hotter(states[day], tiering.Cold)
		}
		for _, p := range s.partitions {
			switch {
			case cold[p.Day]:
			case p.SealedRows > 0:
				states[p.Day] = hotter(states[p.Day], tiering.Sealed)
			default:
				states[p.Day] = hotter(states[p.Day], tiering.Hot)
			}
		}
	}
	for day, state := range states {
		switch state {
		case tiering.Cold:
			out.Cold++
			continue
		case tiering.Sealed:
			out.Sealed++
		default:
			out.Hot++
		}
		if !out.Oldest.known || day < out.Oldest.value {
			out.Oldest = is(day)
		}
	}
	if out.Oldest.known {
		out.Age = max(0, now.Sub((out.Oldest.value + 1).Start()))
	}
	return out
}

// hotter returns the one of two states that is further from cold.
func hotter(a, b tiering.State) tiering.State {
	if a == tiering.Hot || a == tiering.Sealed && b != tiering.Hot {
		return a
	}
	return b
}

// dayOfFile returns the day of a file of the cold tier by its path, such as
// day=2026-10-01/gen=000001/part-00000-0123456789abcdef.parquet.
func dayOfFile(path string) (schema.Day, bool) {
	folder, _, _ := strings.Cut(path, "/")
	name, ok := strings.CutPrefix(folder, "day=")
	if !ok {
		return 0, false
	}
	day, err := schema.ParseDay(name)
	return day, err == nil
}
