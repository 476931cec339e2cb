package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FailpointVariable and WithoutVariable are the variables of the environment
// that a node built with the tag reads.
const (
	FailpointVariable = "PENSTOCK_FAILPOINT"
	WithoutVariable   = "PENSTOCK_WITHOUT"
)

// Names returns the places a node can be killed at: before and after each
// step of a batch's life, of an assignment's, and of dead letters'.
func Names() []string {
	var names []string
	for _, step := range []string{"seal", "intent", "insert", "confirm", "rebuild", "letters", "settle"} {
		names = append(names, step+".before", step+".after")
	}
	return names
}

// Mechanisms returns what can be switched off.
func Mechanisms() []string {
	return []string{"intent", "token", "receipts", "epoch", "fence", "claim"}
}

// parsePoints reads "insert.after:3,confirm.before" as name to hit, counted
// from 1.
func parsePoints(s string) (map[string]int64, error) {
	points := map[string]int64{}
	for _, one := range list(s) {
		name, count, counted := strings.Cut(one, ":")
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%s names %q; known are %s", FailpointVariable, name, strings.Join(Names(), " "))
		}
		hit := int64(1)
		if counted {
			var err error
			if hit, err = strconv.ParseInt(count, 10, 64); err != nil || hit < 1 {
				return nil, fmt.Errorf("%s: %q is not a hit; write %s:n with n from 1", FailpointVariable, one, name)
			}
		}
		points[name] = hit
	}
	return points, nil
}

// parseMechanisms reads "token,fence".
func parseMechanisms(s string) (map[string]bool, error) {
	off := map[string]bool{}
	for _, name := range list(s) {
		if !slices.Contains(Mechanisms(), name) {
			return nil, fmt.Errorf("%s names %q; known are %s", WithoutVariable, name, strings.Join(Mechanisms(), " "))
		}
		off[name] = true
	}
	return off, nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
