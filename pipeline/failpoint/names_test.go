package failpoint

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParsePoints(t *testing.T) {
	f := func(s string, want map[string]int64, fault string) {
		t.Helper()
		got, err := parsePoints(s)
		if fault != "" {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%q: %v, want an error with %q", s, err, fault)
			}
			return
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	f("", map[string]int64{}, "")
	f("insert.after", map[string]int64{"insert.after": 1}, "")
	f("insert.after:3,confirm.before", map[string]int64{"insert.after": 3, "confirm.before": 1}, "")
	f("insert.after:3, confirm.before:2", map[string]int64{"insert.after": 3, "confirm.before": 2}, "")
	f("insert", nil, `PENSTOCK_FAILPOINT names "insert"; known are seal.before seal.after`)
	f("insert.afterwards", nil, `names "insert.afterwards"`)
	f("insert.after:0", nil, `"insert.after:0" is not a hit; write insert.after:n with n from 1`)
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

func TestNames(t *testing.T) {
	names := Names()
	if len(names) != 14 || !slices.Contains(names, "letters.before") || !slices.Contains(names, "settle.after") {
		t.Errorf("the failpoints are %v", names)
	}
}
