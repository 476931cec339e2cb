package faults

import (
	"slices"
	"strings"
	"testing"

	"penstock/loadtest"
)

func TestJudge(t *testing.T) {
	good := func() facts {
		return facts{
			fleet: loadtest.Result{Verified: true, Produced: 1000, Good: 960, Resent: 30, MalformedSent: 10,
				Proof: loadtest.Proof{Stored: 960}, Rejects: loadtest.Rejects{Rejected: 10}},
			records: 1000, rows: 960, places: 960,
			days: []day{{"2026-01-01", 900, 900}, {"2025-12-31", 60, 60}},
		}
	}
	type want struct{ missing, duplicated, short, over uint64 }
	f := func(name string, change func(*facts), want want, findings ...string) {
		t.Helper()
		facts := good()
		change(&facts)
		v := facts.judge()
		if v.Missing != want.missing || v.Duplicated != want.duplicated || v.RollupShort != want.short || v.RollupOver != want.over {
			t.Errorf("%s: %+v, want %+v", name, v, want)
		}
		if len(v.Findings) != len(findings) {
			t.Errorf("%s: %d findings, want %d:\n%s", name, len(v.Findings), len(findings), strings.Join(v.Findings, "\n"))
		}
		for _, finding := range findings {
			if !strings.Contains(strings.Join(v.Findings, "\n"), finding) {
				t.Errorf("%s: no finding has %q:\n%s", name, finding, strings.Join(v.Findings, "\n"))
			}
		}
	}
	f("all is well", func(*facts) {}, want{})
	f("one is missing", func(f *facts) { f.fleet.Missing, f.rows, f.places = 1, 959, 959 }, want{missing: 1},
		"1 readings are missing", "count() is 959; produced 1000 less 30 resends less 10 malformed are 960")
	f("one is there twice", func(f *facts) { f.fleet.Duplicated, f.fleet.SamePlace, f.rows = 1, 1, 961 }, want{duplicated: 1},
		"1 rows are duplicated by identity, 1 of them by offset", "uniqExact(_partition, _offset) is 960", "count() is 961; produced")
	f("a resend is there", func(f *facts) { f.fleet.Duplicated, f.rows, f.places = 1, 961, 961 }, want{duplicated: 1},
		"1 rows are duplicated by identity, 0 of them by offset", "count() is 961; produced")
	// The proof of the devices is taken while nodes run; what comes after it
	// shows in the counts.
	f("one comes late", func(f *facts) { f.rows = 961 }, want{duplicated: 1}, "uniqExact(_partition, _offset) is 960", "count() is 961; produced")
	// One missing and one double are two faults and not none.
	f("one of each", func(f *facts) { f.fleet.Missing, f.fleet.Duplicated, f.places = 1, 1, 959 }, want{missing: 1, duplicated: 1},
		"missing", "duplicated by identity", "uniqExact(_partition, _offset) is 959")
	f("a reject is lost", func(f *facts) { f.fleet.Unrejected, f.fleet.Rejected = 1, 9 }, want{missing: 1},
		"1 malformed records have no dead letter", "9 records are in the dead-letter topic, 10 malformed")
	f("a good one is rejected", func(f *facts) { f.fleet.Wrongly, f.fleet.Rejected = 1, 11 }, want{}, "1 good records were dead-lettered", "11 records are in the dead-letter topic")
	f("for another reason", func(f *facts) { f.fleet.OtherReason = 2 }, want{}, "2 records were dead-lettered for another reason")
	f("a malformed one is stored", func(f *facts) { f.fleet.Unexpected, f.rows, f.places = 1, 961, 961 }, want{}, "1 rows are of no reading", "count() is 961")
	f("Kafka has more", func(f *facts) { f.records = 1001 }, want{}, "the topic holds 1001 records, 1000 were produced")
	f("never acknowledged", func(f *facts) { f.fleet.Unacked = 3 }, want{}, "3 readings were never acknowledged")
	f("lag", func(f *facts) { f.lag = 4 }, want{}, "4 records are not committed")
	f("not proven", func(f *facts) { f.fleet.Verified = false }, want{}, "nothing is proven")
	f("the rollup is short", func(f *facts) { f.days[0].Rollup, f.days[1].Rollup = 895, 58 }, want{short: 7})
	f("the rollup has too many", func(f *facts) { f.days[0].Rollup = 903 }, want{over: 3})
	// A day short and a day over do not make up for each other.
	f("the rollup is off both ways", func(f *facts) { f.days[0].Rollup, f.days[1].Rollup = 901, 59 }, want{short: 1, over: 1})
	f("nothing at all", func(f *facts) { *f = facts{} }, want{}, "nothing is proven", "nothing was produced")
}

func TestDaysThatDiffer(t *testing.T) {
	days := facts{days: []day{{"a", 2, 2}, {"b", 2, 1}, {"c", 2, 3}}}.daysThatDiffer()
	if !slices.Equal(days, []string{"b", "c"}) {
		t.Errorf("got %v", days)
	}
}
