package clickhouse

import (
	"slices"
	"strings"
	"testing"
)

func TestParseGrants(t *testing.T) {
	f := func(script, fault string, want ...string) {
		t.Helper()
		got, err := ParseGrants(script)
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: got %v, want %q", script, err, fault)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", script, got, want)
		}
	}
	f("-- what it is for\nGRANT SELECT, INSERT\n  ON a.b TO c; -- why\n\nGRANT SHOW ON *.* TO c", "", "GRANT SELECT, INSERT ON a.b", "GRANT SHOW ON *.*")
	f("-- nothing", "no GRANT statement")
	f("GRANT r TO c; REVOKE x FROM c", `"REVOKE x FROM c" is no GRANT`)
	f("GRANT SELECT ON a.b", "is no GRANT of rights TO an account")
}
