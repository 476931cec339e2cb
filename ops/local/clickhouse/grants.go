package clickhouse

import (
	"errors"
	"fmt"
	"strings"
)

// ParseGrants reads a script of GRANT statements as one gives it to a server and
// returns them without the account they are for. Comments are left out; any other
// statement is an error, as is a script without one.
func ParseGrants(script string) ([]string, error) {
	var lines []string
	for line := range strings.Lines(script) {
		code, _, _ := strings.Cut(line, "--")
		lines = append(lines, strings.TrimSpace(code))
	}
	var grants []string
	for statement := range strings.SplitSeq(strings.Join(lines, " "), ";") {
		statement = strings.TrimSpace(statement)
		if statement == "" {
			continue
		}
		rights, _, found := strings.Cut(statement, " TO ")
		if !found || !strings.HasPrefix(rights, "GRANT ") {
			return nil, fmt.Errorf("%q is no GRANT of rights TO an account", statement)
		}
		grants = append(grants, rights)
	}
	if grants == nil {
		return nil, errors.New("no GRANT statement: the account could do nothing")
	}
	return grants, nil
}
