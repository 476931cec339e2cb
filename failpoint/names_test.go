package failpoint

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParsePoints(t *testing.T) {
	f := func(s string, want map[string]fault, reason string) {
		t.Helper()
		got, err := parsePoints(s)
		if reason != "" {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%q: %v, want an error with %q", s, err, reason)
			}
			return
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	f("", map[string]fault{}, "")
	f("insert.after", map[string]fault{"insert.after": {hit: 1, signal: syscall.SIGKILL}}, "")
	f("insert.after:3,confirm.before", map[string]fault{"insert.after": {hit: 3, signal: syscall.SIGKILL}, "confirm.before": {hit: 1, signal: syscall.SIGKILL}}, "")
	f("insert.after:3, confirm.before:2", map[string]fault{"insert.after": {hit: 3, signal: syscall.SIGKILL}, "confirm.before": {hit: 2, signal: syscall.SIGKILL}}, "")
	f("drop.before=stop,move.before:2=stop", map[string]fault{"drop.before": {hit: 1, signal: syscall.SIGSTOP}, "move.before": {hit: 2, signal: syscall.SIGSTOP}}, "")
	f("insert.before:*20=5s,drop.part=300ms", map[string]fault{"insert.before": {hit: 20, every: true, delay: 5 * time.Second}, "drop.part": {hit: 1, delay: 300 * time.Millisecond}}, "")
	f("insert.before:*20", map[string]fault{"insert.before": {hit: 20, every: true, signal: syscall.SIGKILL}}, "")
	f("drop.before=sleep", nil, `"drop.before=sleep": "sleep" is no action; write stop, a duration such as 5s`)
	f("drop.before=-5s", nil, `"-5s" is no action`)
	f("drop.during=5s", nil, `names "drop.during"`)
	f("insert", nil, `PENSTOCK_FAILPOINT names "insert"; known are seal.before seal.after`)
	f("insert.afterwards", nil, `names "insert.afterwards"`)
	f("insert.after:0", nil, `"insert.after:0" is not a hit; write insert.after:n with n from 1, or insert.after:*n for every n-th`)
	f("insert.after:", nil, "is not a hit")
	f("insert.after:many", nil, "is not a hit")
}

func TestParseMechanisms(t *testing.T) {
	got, err := parseMechanisms("token,fence")
	if want := []string{"fence", "token"}; err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseMechanisms("token,tokens"); err == nil || !strings.Contains(err.Error(), `PENSTOCK_WITHOUT names "tokens"; known are intent token`) {
		t.Errorf("got %v", err)
	}
}

// A name of two programs would be hit in the wrong one.
func TestNames(t *testing.T) {
	if ingest, compactor := Ingest(), Compactor(); len(ingest) != 14 || !slices.Contains(ingest, "letters.before") || !slices.Contains(ingest, "settle.after") ||
		len(compactor) != 20 || !slices.Contains(compactor, "drop.before") {
		t.Errorf("the failpoints are %v and %v", ingest, compactor)
	}
	if names := slices.Sorted(slices.Values(known())); len(slices.Compact(names)) != len(known()) {
		t.Errorf("a failpoint is of both programs: %v", known())
	}
}
