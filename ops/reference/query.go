package reference

import (
	"regexp"
	"slices"
	"strings"
)

// Uses is what a query asks for.
type Uses struct {
	// Metrics are the names of series, as they stand in the query.
	Metrics []string
	// Labels are the names of labels by the metric whose selector has them; those of
	// groupings are of the metric "".
	Labels map[string][]string
}

var (
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	window = regexp.MustCompile(`\[[^\]]*\]`)
	// grouping and matching name labels that are of no single series.
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	series   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)`)
	function = regexp.MustCompile(`^\s*\(`)
	operator = []string{"and", "or", "unless", "bool", "offset", "sum", "avg", "min", "max", "count", "topk", "bottomk", "quantile", "group"}
)

// UsesOf takes a query apart, as far as names go; whether it is one that
// Prometheus understands promtool says.
func UsesOf(query string) Uses {
	u := Uses{Labels: map[string][]string{}}
	rest := window.ReplaceAllString(quoted.ReplaceAllString(query, `""`), "")
	for _, m := range grouping.FindAllStringSubmatch(rest, -1) {
		for label := range strings.SplitSeq(m[2], ",") {
			if label = strings.TrimSpace(label); label != "" {
				u.Labels[""] = append(u.Labels[""], label)
			}
		}
	}
	rest = grouping.ReplaceAllString(rest, " ")
	for _, at := range series.FindAllStringSubmatchIndex(rest, -1) {
		name, after := rest[at[2]:at[3]], rest[at[1]:]
		if at[2] > 0 && (rest[at[2]-1] >= '0' && rest[at[2]-1] <= '9' || rest[at[2]-1] == '.') { // of a number, such as 1e9
			continue
		}
		if function.MatchString(after) && at[4] < 0 || slices.Contains(operator, name) {
			continue
		}
		u.Metrics = append(u.Metrics, name)
		if at[4] >= 0 {
			for _, m := range matcher.FindAllStringSubmatch(rest[at[4]:at[5]], -1) {
				u.Labels[name] = append(u.Labels[name], m[1])
			}
		}
	}
	return u
}
