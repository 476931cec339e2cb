package audit

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/pipeline/intent"
)

func TestWhatIsAudited(t *testing.T) {
	f := func(name string, l limits, want Range, open, pending int64) {
		t.Helper()
		if got, o, p := l.audited(); got != want || o != open || p != pending {
			t.Errorf("%s: got %v, %d open, %d pending; want %v, %d, %d", name, got, o, p, want, open, pending)
		}
	}
	at := func(offset int64, pending ...intent.Intent) *intent.State {
		return &intent.State{Offset: offset, Pending: pending}
	}
	of := func(first, next int64) intent.Intent {
		return intent.Intent{Batch: "b", Shard: "s", First: first, Next: next}
	}
	f("all is committed", limits{from: 10, to: 20, committed: at(50)}, Range{10, 20}, 0, 0)
	f("to the commit", limits{from: 10, to: 20, committed: at(15)}, Range{10, 15}, 5, 0)
	f("pending", limits{from: 10, to: 20, committed: at(15, of(15, 18), of(18, 30))}, Range{10, 15}, 5, 5)
	f("pending after the time", limits{from: 10, to: 20, committed: at(20, of(20, 30))}, Range{10, 20}, 0, 0)
	f("committed before the time", limits{from: 10, to: 20, committed: at(5, of(5, 12))}, Range{10, 10}, 10, 2)
	f("never committed", limits{from: 10, to: 20}, Range{10, 10}, 10, 0)
	f("no record of the time", limits{from: 20, to: 20, committed: at(20)}, Range{20, 20}, 0, 0)
	f("times of records are not in order", limits{from: 20, to: 15, committed: at(30)}, Range{20, 20}, 0, 0)
}

// The search ends no more than a probe before the first row of the time, and
// never after it.
func TestSearchFindsTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(1, 1<<40).Draw(t, "start")
		first := rapid.Int64Range(0, start).Draw(t, "first")
		s := search{Range{0, start}}
		for n := 0; s.probe().Count() > 0; n++ {
			if n > 64 {
				t.Fatal("the search does not end")
			}
			s.told(s.probe().Next > first)
		}
		if s.Next < first-probeOffsets || s.Next > first {
			t.Fatalf("found %d, want about %d of %d", s.Next, first, start)
		}
	})
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f := func(text string, last bool, want string) {
		t.Helper()
		got, err := ParseWhen(text, last, now)
		if err != nil {
			if want != "" || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "want one such as") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if g := got.Format(time.RFC3339); g != want {
			t.Errorf("%q: got %s, want %s", text, g, want)
		}
	}
	f("2026-11-22T13:00:00Z", false, "2026-11-22T13:00:00Z")
	f("2026-11-22T13:00:00+02:00", true, "2026-11-22T11:00:00Z")
	f("2026-11-22", false, "2026-11-22T00:00:00Z")
	f("2026-11-22", true, "2026-11-23T00:00:00Z")
	f("90m", false, "2026-11-23T10:30:00Z")
	f("0s", true, "2026-11-23T12:00:00Z")
	f("-1h", false, "")
	f("yesterday", false, "")
	f("2026-13-01", false, "")
	f("", false, "")
}
