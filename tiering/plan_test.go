package tiering

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"penstock/schema"
)

func TestPlan(t *testing.T) {
	policy := Policy{HotDays: 30, Grace: time.Hour, LateEvery: 24 * time.Hour, MergeGenerations: 2, MergeRows: 100}
	now := today // 2026-11-23 12:00
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	hot := func(d string) Partition { return Partition{Day: day(d), HotRows: 10} }
	sealed := func(d string, late uint64) Partition { return Partition{Day: day(d), HotRows: late, SealedRows: 10} }
	type manifests = map[schema.Day]*Manifest
	one := func(d string, g ...Generation) manifests {
		for i := range g {
			g[i].Generation = i + 1
		}
		return manifests{day(d): {Day: d, Version: 1, LastGeneration: len(g), Generations: g}}
	}
	published := Generation{}
	cut := func(ago time.Duration) Generation { return Generation{CutOverAt: at(-ago)} }
	expired := Generation{PublishedAt: *at(-24 * time.Hour), CutOverAt: at(-9 * time.Hour), ExpiredAt: at(-8 * time.Hour)}
	young := expired
	young.PublishedAt = *at(-10 * time.Hour)

	f := func(name string, parts []Partition, m manifests, want ...string) {
		t.Helper()
		var got []string
		for _, s := range Plan(now, parts, m, policy) {
			text := fmt.Sprintf("%s %s: %s %d", s.Day, s.State, s.Action, s.Generation)
			if s.Action != Nothing && !s.Ready(now) {
				text += " at " + s.Due.Format("01-02 15:04")
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
	f("nothing anywhere", nil, nil)
	f("an empty partition is no day", []Partition{{Day: day("2026-10-01")}}, nil)
	f("today stays hot", []Partition{hot("2026-11-23")}, nil, "2026-11-23 hot: seal 1 at 12-24 00:00")
	f("thirty days old stays hot", []Partition{hot("2026-10-24")}, nil, "2026-10-24 hot: seal 1 at 11-24 00:00")
	f("older goes, oldest first", []Partition{hot("2026-10-23"), hot("2026-10-01"), hot("2026-11-01")}, nil,
		"2026-10-01 hot: seal 1", "2026-10-23 hot: seal 1", "2026-11-01 hot: seal 1 at 12-02 00:00")
	f("a day in the future stays", []Partition{hot("2026-11-24")}, nil, "2026-11-24 hot: seal 1 at 12-25 00:00")

	// A crash after the seal, or within the export, leaves a sealed partition.
	f("sealed is exported", []Partition{sealed("2026-10-01", 0)}, nil, "2026-10-01 sealed: export 1")
	f("sealed is exported before late rows are sealed", []Partition{sealed("2026-10-01", 3)}, nil, "2026-10-01 sealed: export 1")
	// Whoever sealed it, its rows are out of the hot table: they go on.
	f("a sealed day that is not cold by the policy is exported", []Partition{sealed("2026-11-20", 0)}, nil, "2026-11-20 sealed: export 1")

	f("published is cut over", []Partition{sealed("2026-10-01", 3)}, one("2026-10-01", published), "2026-10-01 published: cut over 1")
	f("cut over waits out the grace period", []Partition{sealed("2026-10-01", 3)}, one("2026-10-01", cut(time.Minute)),
		"2026-10-01 cut over: expire 1 at 11-23 12:59")
	f("and then expires", []Partition{sealed("2026-10-01", 3)}, one("2026-10-01", cut(time.Hour)), "2026-10-01 cut over: expire 1")
	// The sealed partition is gone: the drop was done and not recorded. Late
	// rows must not be sealed before it is.
	f("dropped but not recorded", []Partition{hot("2026-10-01")}, one("2026-10-01", cut(time.Hour)), "2026-10-01 cut over: expire 1")
	f("dropped but not recorded, no rows left", nil, one("2026-10-01", cut(time.Hour)), "2026-10-01 cut over: expire 1")

	f("cold", nil, one("2026-10-01", expired), "2026-10-01 cold: nothing 2")
	f("late rows of a cold day are its next generation", []Partition{hot("2026-10-01")}, one("2026-10-01", expired), "2026-10-01 cold: seal 2")
	f("which waits for more of them", []Partition{hot("2026-10-01")}, one("2026-10-01", expired, young), "2026-10-01 cold: seal 3 at 11-24 02:00")
	f("and for the day to be cold, if the policy has changed", []Partition{hot("2026-10-24")}, one("2026-10-24", expired), "2026-10-24 cold: seal 2 at 11-24 00:00")
	numbered := one("2026-10-01", expired)
	numbered[day("2026-10-01")].LastGeneration = 7
	f("a number is not used twice", []Partition{sealed("2026-10-01", 1)}, numbered, "2026-10-01 sealed: export 8")
	retired := manifests{day("2026-10-01"): {Day: "2026-10-01", Version: 9, LastGeneration: 3, RetiredAt: at(-10 * time.Hour)}}
	f("late rows of a retired day are a generation too", []Partition{hot("2026-10-01")}, retired, "2026-10-01 cold: seal 4 at 11-24 02:00")
	f("and go the same way", []Partition{sealed("2026-10-01", 1)}, one("2026-10-01", expired), "2026-10-01 sealed: export 2")
	f("to the end", []Partition{sealed("2026-10-01", 1)}, one("2026-10-01", expired, cut(time.Hour)), "2026-10-01 cut over: expire 2")

	sized := func(rows ...uint64) (out []Generation) {
		for _, n := range rows {
			g := expired
			g.Rows = n
			out = append(out, g)
		}
		return out
	}
	f("a few small generations stay", nil, one("2026-10-01", sized(1000, 10, 10)...), "2026-10-01 cold: nothing 4")
	f("more are merged", nil, one("2026-10-01", sized(1000, 10, 10, 10)...), "2026-10-01 cold: merge 5")
	f("a small first one too", nil, one("2026-10-01", sized(80, 10, 10)...), "2026-10-01 cold: merge 4")
	f("but not more than fit", nil, one("2026-10-01", sized(1000, 50, 10, 60)...), "2026-10-01 cold: nothing 5")
	f("before late rows are sealed", []Partition{hot("2026-10-01")}, one("2026-10-01", sized(1, 1, 1)...), "2026-10-01 cold: merge 4")
	f("after what is open", []Partition{sealed("2026-10-01", 0)}, one("2026-10-01", append(sized(1, 1, 1), published)...), "2026-10-01 published: cut over 4")
	f("after what is sealed", []Partition{sealed("2026-10-01", 0)}, one("2026-10-01", sized(1, 1, 1)...), "2026-10-01 sealed: export 4")

	policy.RetentionDays = 60 // back to and with 2026-09-24
	f("a day that is kept no more", nil, one("2026-09-23", sized(10)...), "2026-09-23 cold: retire 1")
	f("is kept to its end", nil, one("2026-09-24", sized(10)...), "2026-09-24 cold: nothing 2")
	f("is not merged before", nil, one("2026-09-23", sized(1, 1, 1)...), "2026-09-23 cold: retire 3")
	f("goes before its late rows do", []Partition{hot("2026-09-23")}, one("2026-09-23", sized(10)...), "2026-09-23 cold: retire 1")
	f("but after what is open", []Partition{sealed("2026-09-23", 0)}, one("2026-09-23", cut(time.Minute)), "2026-09-23 cut over: expire 1 at 11-23 12:59")
	f("or sealed", []Partition{sealed("2026-09-23", 0)}, one("2026-09-23", sized(10)...), "2026-09-23 sealed: export 2")
	f("and is done", nil, manifests{day("2026-09-23"): {LastGeneration: 3, RetiredAt: at(-time.Hour)}}, "2026-09-23 retired: nothing 4")
	f("one that was never cold goes the whole way", []Partition{hot("2026-09-23")}, nil, "2026-09-23 hot: seal 1")
}
